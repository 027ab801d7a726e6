//! The law of permission, over what nobody has thought of: whatever is done in whatever order, the
//! store says what the pure rules say of records in memory, and no key is more than its issuer was
//! when it was issued, nor more than its issuer is.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use llm_core::principal::KeyId;
use llm_core::quota::Plan;
use llm_store::directory::{By, Holder, Level, NotDone, SqlDirectory, Turn};
use llm_store::keys::{
    Action, Actions, Authority, Draft, Issuer, KeyOwner, KeyRecord, NotUsable, Rights, Standing,
    issue, standing,
};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::place::*;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;
const HOUR: Duration = Duration::from_secs(3_600);

#[derive(Clone, Debug)]
enum Deed {
    Issue { by: usize, team: Option<bool>, rights: Rights, inherit: bool },
    Adopt { by: usize, key: usize, rights: Rights },
    Rotate { by: usize, key: usize },
    Take { by: usize, key: usize, turn: Turn },
    Sell { by: usize, key: usize, plan: bool },
    Rest { team: bool, rests: bool },
}

fn rights() -> impl Strategy<Value = Rights> {
    let models = prop::collection::vec(
        prop_oneof![Just("*"), Just("gpt*"), Just("gpt-4"), Just("haiku"), Just("h*")],
        1..3,
    );
    let limits = prop::collection::vec(
        prop_oneof![Just("$1/month"), Just("$3/month"), Just("5/minute"), Just("9/minute")],
        0..2,
    );
    (0u16..4, models, limits).prop_map(|(bits, models, limits)| Rights {
        actions: [Action::Call, Action::ReadUsage]
            .into_iter()
            .enumerate()
            .filter(|(bit, _)| bits & 1 << bit != 0)
            .map(|(_, action)| action)
            .chain([Action::ManageKeys])
            .collect::<Actions>(),
        models: scope(&models),
        limits: limits.into_iter().map(limit).collect(),
    })
}

fn deed() -> impl Strategy<Value = Deed> {
    // Half of all by the operator or the first keys, which have the most.
    let by = || prop_oneof![Just(0usize), 0usize..8];
    let (key, team) = (|| 1usize..8, || prop::option::of(any::<bool>()));
    prop_oneof![
        8 => (by(), team(), rights(), any::<bool>())
            .prop_map(|(by, team, rights, inherit)| Deed::Issue { by, team, rights, inherit }),
        2 => (by(), key(), rights()).prop_map(|(by, key, rights)| Deed::Adopt { by, key, rights }),
        2 => (by(), key()).prop_map(|(by, key)| Deed::Rotate { by, key }),
        5 => (by(), key(), turn()).prop_map(|(by, key, turn)| Deed::Take { by, key, turn }),
        2 => (by(), key(), any::<bool>())
            .prop_map(|(by, key, plan)| Deed::Sell { by, key, plan }),
        1 => (any::<bool>(), any::<bool>()).prop_map(|(team, rests)| Deed::Rest { team, rests }),
    ]
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        2 => rights().prop_map(Turn::Narrow),
        1 => Just(Turn::Suspend),
        1 => Just(Turn::Resume),
        1 => Just(Turn::Revoke),
    ]
}

fn team_name(red: bool) -> &'static str {
    if red { "red" } else { "blue" }
}

/// Records in memory.
#[derive(Default)]
struct Model {
    keys: BTreeMap<u32, KeyRecord>,
    /// Lines that have the plan.
    sold: BTreeMap<KeyId, bool>,
    resting: [bool; 2],
}

impl Model {
    fn plan(&self, line: &KeyId) -> Option<Plan> {
        self.sold.get(line).copied().unwrap_or_default().then(pro)
    }

    /// With what its team and its plan make of it.
    fn effective(&self, record: &KeyRecord) -> KeyRecord {
        let mut record = record.clone();
        let team = record.owner.team.as_ref().map(|team| &*team.0 == "red");
        if team.is_some_and(|red| self.resting[usize::from(red)]) {
            record.suspended_at.get_or_insert(Timestamp::UNIX_EPOCH);
        }
        if let Some(plan) = self.plan(&record.line) {
            let bound = Rights { models: plan.models, limits: plan.limits, ..Rights::full() };
            record.rights = record.rights.meet(&bound);
        }
        record
    }

    /// All of them so, with one in another's place.
    fn all(&self, other: Option<&KeyRecord>) -> Vec<KeyRecord> {
        let stored = self.keys.values().filter(|r| other.is_none_or(|other| other.id != r.id));
        stored.chain(other).map(|record| self.effective(record)).collect()
    }

    fn standing_of(&self, record: &KeyRecord) -> Result<Standing, NotUsable> {
        let all = self.all(Some(record));
        let head = |line: &KeyId| all.iter().find(|r| r.line == *line && r.replaced.is_none());
        standing(&self.effective(record), &head, Timestamp::UNIX_EPOCH)
    }

    fn authority(&self, by: usize) -> Result<Authority, NotDone> {
        let Some(record) = self.keys.get(&(by as u32)) else { return Ok(Authority::operator()) };
        let all = self.all(None);
        let head = |line: &KeyId| all.iter().find(|r| r.line == *line && r.replaced.is_none());
        let own = all.iter().find(|other| other.id == record.id).unwrap();
        Ok(Authority::of(own, &head, Timestamp::UNIX_EPOCH)?)
    }

    /// A step of a key, allowed by who it is before and after.
    fn take(&mut self, by: usize, key: u32, turn: &Turn) -> Result<(), NotDone> {
        let before = self.keys[&key].clone();
        let authority = self.authority(by)?;
        authority.manages(&before, self.standing_of(&before).ok().as_ref())?;
        let mut after = before;
        match turn {
            Turn::Suspend => after.suspend(NOW),
            Turn::Resume => after.resume(),
            Turn::Revoke => after.revoke(NOW),
            Turn::Narrow(to) => after.narrow(to),
            Turn::EndOverlap | Turn::Shorten(_) => panic!("not among the deeds"),
        }
        authority.manages(&after, self.standing_of(&after).ok().as_ref())?;
        self.keys.insert(key, after);
        Ok(())
    }

    fn issue(&mut self, by: usize, draft: Draft, number: u32) -> Result<(), NotDone> {
        let record = issue(completed(draft), minted(number), &self.authority(by)?, NOW)?;
        self.keys.insert(number, record);
        Ok(())
    }

    fn adopt(&mut self, by: usize, key: u32, draft: Draft) -> Result<(), NotDone> {
        let mut record = self.keys[&key].clone();
        self.authority(by)?.adopt(&mut record, draft, NOW)?;
        self.keys.insert(key, record);
        Ok(())
    }

    fn rotate(&mut self, by: usize, key: u32, number: u32) -> Result<(), NotDone> {
        let mut old = self.keys[&key].clone();
        self.authority(by)?.manages(&old, self.standing_of(&old).ok().as_ref())?;
        self.effective(&old).open(NOW)?;
        let new = old.rotate(minted(number), HOUR, NOW)?;
        self.keys.insert(key, old);
        self.keys.insert(number, new);
        Ok(())
    }

    fn sell(&mut self, by: usize, key: u32, plan: bool) -> Result<(), NotDone> {
        let record = self.keys[&key].clone();
        let authority = self.authority(by)?;
        authority.manages(&record, self.standing_of(&record).ok().as_ref())?;
        let before = self.sold.insert(record.line.clone(), plan).unwrap_or_default();
        let may = authority.manages(&record, self.standing_of(&record).ok().as_ref());
        if may.is_err() {
            self.sold.insert(record.line, before);
        }
        Ok(may?)
    }
}

/// What is the same wherever clocks stand.
fn timeless(record: &KeyRecord) -> KeyRecord {
    let mut record = record.clone();
    let then = Timestamp::UNIX_EPOCH;
    record.created_at = then;
    record.suspended_at = record.suspended_at.map(|_| then);
    record.revoked_at = record.revoked_at.map(|_| then);
    // What an overlapping key issues ends with the overlap.
    record.expires_at = record.expires_at.map(|_| then);
    if let Some(replaced) = &mut record.replaced {
        replaced.until = then;
    }
    record
}

/// Does it in both, and says whether it was done. Both must say the same.
async fn both(directory: &SqlDirectory, model: &mut Model, deed: &Deed) -> Option<bool> {
    let next = model.keys.len() as u32 + 1;
    let number = |key: usize| model.keys.contains_key(&(key as u32)).then_some(key as u32);
    let by = |by: usize| number(by).map_or(By::Operator, |by| By::Key(id(by)));
    let (stored, expected) = match deed.clone() {
        Deed::Issue { by: who, team, rights, inherit } => {
            let team = team.map(|red| of_team(team_name(red)));
            let owner = team.unwrap_or_else(|| KeyOwner::tenant(tenant()));
            let mut draft = wished(owner, rights);
            draft.models = draft.models.filter(|_| !inherit);
            let stored = issue_by(directory, &by(who), next, draft.clone()).await;
            (stored.map(drop), model.issue(who, draft, next))
        }
        Deed::Adopt { by: who, key, rights } => {
            let key = number(key)?;
            let draft = wished(model.keys[&key].owner.clone(), rights);
            let stored = directory.adopt(&by(who), id(key), draft.clone()).await;
            (stored.map(drop), model.adopt(who, key, draft))
        }
        Deed::Rotate { by: who, key } => {
            let key = number(key)?;
            let stored = directory.rotate(&by(who), id(key), minted(next), HOUR).await;
            (stored.map(drop), model.rotate(who, key, next))
        }
        Deed::Take { by: who, key, turn } => {
            let key = number(key)?;
            let stored = directory.turn(&by(who), id(key), turn.clone()).await;
            (stored.map(drop), model.take(who, key, &turn))
        }
        Deed::Sell { by: who, key, plan } => {
            let key = number(key)?;
            let name = plan.then(|| "pro".into());
            let stored = directory.set_plan(&by(who), Holder::Key(id(key)), name).await;
            (stored, model.sell(who, key, plan))
        }
        Deed::Rest { team, rests } => {
            let who = party(Level::Team, team_name(team));
            directory.rest_party(&By::Operator, who, rests).await.unwrap();
            model.resting[usize::from(team)] = rests;
            (Ok(()), Ok(()))
        }
    };
    assert_eq!(stored, expected, "{deed:?}");
    Some(stored.is_ok())
}

fn wished(owner: KeyOwner, rights: Rights) -> Draft {
    let Rights { actions, models, limits } = rights;
    Draft { owner, actions, models: Some(models), limits, expires_at: None }
}

/// As the directory completes it: both teams are of the part `o`.
fn completed(mut draft: Draft) -> Draft {
    draft.owner.org = draft.owner.team.as_ref().map(|_| llm_store::keys::OrgId("o".into()));
    draft
}

/// Every key is what the model says, and within its issuer; how many work.
async fn law(
    directory: &SqlDirectory,
    model: &Model,
    ceilings: &BTreeMap<KeyId, Rights>,
) -> Result<usize, TestCaseError> {
    let mut working = 0;
    for record in model.keys.values() {
        let stored = directory.key(&By::Operator, record.id.clone()).await.unwrap();
        prop_assert_eq!(timeless(&stored.record), timeless(record));
        let stands = directory.standing(&By::Operator, record.id.clone()).await;
        let expected = model.standing_of(record);
        match (stands, expected) {
            (Ok(stands), Ok(expected)) => {
                working += 1;
                prop_assert_eq!(&stands.rights, &expected.rights);
                if let Some(ceiling) = ceilings.get(&record.id) {
                    prop_assert_eq!(stands.rights.within(ceiling), Ok(()));
                }
                if let Issuer::Key(line) = &record.issuer {
                    let mut heads = model.keys.values();
                    let head = heads.find(|r| r.line == *line && r.replaced.is_none()).unwrap();
                    let issuers = directory.standing(&By::Operator, head.id.clone()).await;
                    let issuers = issuers.unwrap();
                    prop_assert_eq!(stands.rights.within(&issuers.rights), Ok(()));
                }
            }
            (Err(NotDone::NotUsable(stored)), Err(expected)) => prop_assert_eq!(stored, expected),
            (stored, expected) => prop_assert!(false, "{:?} is not {:?}", stored, expected),
        }
    }
    Ok(working)
}

async fn run(place: &dyn Place, deeds: &[Deed]) -> Result<usize, TestCaseError> {
    let directory = place.open().await;
    people(&directory).await;
    let (mut model, mut ceilings, mut most) = (Model::default(), BTreeMap::new(), 0);
    for deed in deeds {
        let issuer = match deed {
            Deed::Issue { by, .. } | Deed::Adopt { by, .. } => Some(*by as u32),
            _ => None,
        };
        let able = issuer.and_then(|by| model.keys.get(&by)).map(|by| model.standing_of(by));
        let known = model.keys.len() as u32;
        let done = both(&directory, &mut model, deed).await;
        let able = match able {
            None => Rights::full(),
            Some(able) => able.map_or_else(|_| Rights::default(), |standing| standing.rights),
        };
        match deed {
            Deed::Issue { .. } if done == Some(true) => {
                ceilings.insert(id(known + 1), able);
            }
            Deed::Adopt { key, .. } if done == Some(true) => {
                ceilings.insert(id(*key as u32), able);
            }
            Deed::Rotate { key, .. } if done == Some(true) => {
                let same = ceilings.get(&id(*key as u32)).cloned().unwrap_or_else(Rights::full);
                ceilings.insert(id(known + 1), same);
            }
            _ => {}
        }
        most = most.max(law(&directory, &model, &ceilings).await?);
    }
    Ok(most)
}

fn check(cases: u32, new: impl AsyncFn() -> Box<dyn Place>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = ProptestConfig { cases, failure_persistence: None, ..Default::default() };
    let most = std::cell::Cell::new(0);
    let done = TestRunner::new(config).run(&prop::collection::vec(deed(), 1..16), |deeds| {
        let worked = runtime.block_on(async { run(&*new().await, &deeds).await })?;
        most.set(most.get().max(worked));
        Ok(())
    });
    done.unwrap();
    // It would pass for a store that lets no key work.
    assert!(most.get() >= 3, "{}", most.get());
}

#[cfg(feature = "sqlite")]
#[test]
fn in_a_file() {
    check(64, async || Box::new(InFile::new()) as Box<dyn Place>);
}

#[cfg(feature = "postgres")]
#[test]
fn in_postgres() {
    let Some(server) = crate::server::Server::shared() else { return };
    check(12, async || Box::new(InDatabase::new(&server).await) as Box<dyn Place>);
}
