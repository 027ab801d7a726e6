//! The law of permission, against chains of issuers that nobody has thought of.

use std::collections::HashMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use llm_core::Str;
use llm_core::error::Kind;
use llm_core::principal::{KeyId, Scope, TeamId, TenantId, UserId};
use llm_core::quota::Limit;
use llm_core::store::KeyHash;
use proptest::prelude::*;

use super::super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
}

fn minted(id: &str) -> Minted {
    let print = KeyPrint { pepper: PepperId(1), hash: KeyHash([9; 32]) };
    Minted { id: KeyId(Str::from(id)), print, label: Str::from_static("sk-gw-0000…") }
}

fn owner(tenant: &'static str) -> KeyOwner {
    KeyOwner::tenant(TenantId::from(tenant))
}

fn scope(models: &[&str]) -> Scope {
    Scope { models: models.iter().map(|m| Str::from(*m)).collect() }
}

fn limit(text: &str) -> Limit {
    text.parse().unwrap()
}

pub(super) fn record(minted: Minted) -> KeyRecord {
    issue(Draft::new(owner("t")), minted, &Authority::operator(), at(0)).unwrap()
}

/// The simplest store there is.
#[derive(Clone, Default)]
struct Shelf(HashMap<KeyId, KeyRecord>);

impl Shelf {
    fn put(&mut self, record: KeyRecord) -> KeyId {
        let id = record.id.clone();
        self.0.insert(id.clone(), record);
        id
    }

    fn head(&self, line: &KeyId) -> Option<&KeyRecord> {
        self.0.values().find(|r| r.line == *line && r.replaced.is_none())
    }

    fn standing(&self, id: &KeyId, now: Timestamp) -> Result<Standing, NotUsable> {
        standing(&self.0[id], &|line| self.head(line), now)
    }

    fn authority(&self, id: &KeyId, now: Timestamp) -> Result<Authority, NotUsable> {
        Authority::of(&self.0[id], &|line| self.head(line), now)
    }

    fn edit(&mut self, id: &KeyId) -> &mut KeyRecord {
        self.0.get_mut(id).unwrap()
    }
}

fn team_admin(shelf: &mut Shelf) -> KeyId {
    let draft = Draft {
        owner: KeyOwner { team: Some(TeamId::from("red")), ..owner("t") },
        actions: Actions::from_iter([Action::Call, Action::ManageKeys]),
        models: Some(scope(&["openai/*", "haiku"])),
        limits: vec![limit("$10/month")],
        expires_at: Some(at(1_000)),
    };
    shelf.put(issue(draft, minted("admin"), &Authority::operator(), at(0)).unwrap())
}

#[test]
fn nobody_gives_what_they_do_not_have() {
    let mut shelf = Shelf::default();
    let admin = team_admin(&mut shelf);
    let by = shelf.authority(&admin, at(1)).unwrap();
    let red = KeyOwner { team: Some(TeamId::from("red")), ..owner("t") };
    let draft = || Draft::new(red.clone());
    let ask = |draft| issue(draft, minted("k"), &by, at(1));

    let key = ask(draft()).unwrap();
    assert_eq!(key.rights.actions, Actions::from_iter([Action::Call]));
    assert_eq!(key.rights.models, scope(&["openai/*", "haiku"]));
    assert_eq!(key.rights.limits, [limit("$10/month")]);
    assert_eq!((key.expires_at, &key.issuer), (Some(at(1_000)), &Issuer::Key(admin.clone())));

    let user = KeyOwner { user: Some(UserId::from("u")), ..red.clone() };
    assert!(ask(Draft { owner: user, ..draft() }).is_ok());
    assert!(ask(Draft { limits: vec![limit("$3/month"), limit("5/minute")], ..draft() }).is_ok());

    let blue = KeyOwner { team: Some(TeamId::from("blue")), ..owner("t") };
    for other in [owner("t"), blue, KeyOwner { tenant: TenantId::from("s"), ..red.clone() }] {
        assert_eq!(ask(Draft { owner: other, ..draft() }).unwrap_err(), NotIssued::Owner);
    }
    let actions = Actions::from_iter([Action::Call, Action::ManageMoney]);
    let money = Excess::Action(Action::ManageMoney);
    assert_eq!(ask(Draft { actions, ..draft() }).unwrap_err(), money.into());
    for model in ["*", "openai*", "haiku*", "anthropic/opus"] {
        let asked = Draft { models: Some(scope(&["openai/gpt-4o", model])), ..draft() };
        let excess = Excess::Model(Str::from(model));
        assert_eq!(ask(asked).unwrap_err(), excess.into());
    }
    let dear = Draft { limits: vec![limit("$11/month")], ..draft() };
    assert_eq!(ask(dear).unwrap_err(), Excess::Limit(limit("$10/month")).into());
    let long = Draft { expires_at: Some(at(1_001)), ..draft() };
    assert_eq!(ask(long).unwrap_err(), NotIssued::Outlives);
    assert_eq!(ask(Draft { expires_at: Some(at(1)), ..draft() }).unwrap_err(), NotIssued::Past);
    let many = Draft { models: Some(scope(&["haiku"; 300])), ..draft() };
    assert_eq!(ask(many).map(|k| k.rights.models), Ok(scope(&["haiku"])));

    let plain = shelf.put(key);
    let by = shelf.authority(&plain, at(1)).unwrap();
    assert_eq!(issue(draft(), minted("x"), &by, at(1)).unwrap_err(), NotIssued::NoIssuer);
}

#[test]
fn a_key_works_until_it_does_not() {
    let mut key = record(minted("k"));
    assert_eq!(key.open(at(0)), Ok(()));
    key.shorten(at(50));
    key.shorten(at(90));
    assert_eq!((key.open(at(49)), key.open(at(50))), (Ok(()), Err(NotUsable::Expired)));
    key.suspend(at(10));
    assert_eq!(key.open(at(49)), Err(NotUsable::Suspended));
    key.resume();
    assert_eq!(key.open(at(49)), Ok(()));
    key.revoke(at(20));
    key.resume();
    assert_eq!(key.open(at(49)), Err(NotUsable::Revoked));
    assert_eq!(NotUsable::Suspended.kind(), Kind::Forbidden);
    assert_eq!(NotUsable::Revoked.kind(), Kind::Unauthenticated);
}

#[test]
fn a_rotated_key_works_until_its_overlap_ends() {
    let mut shelf = Shelf::default();
    let old = shelf.put(record(minted("a")));
    let hour = Duration::from_secs(3_600);
    let new = shelf.edit(&old).rotate(minted("b"), hour, at(100)).unwrap();
    let new = shelf.put(new);
    let (a, b) = (shelf.0[&old].clone(), shelf.0[&new].clone());
    assert_eq!(
        (&b.line, &b.rights, &b.issuer, b.created_at),
        (&old, &a.rights, &a.issuer, at(100))
    );
    let until = shelf.standing(&old, at(3_699)).unwrap();
    assert_eq!(until.until, Some(at(3_700)));
    assert_eq!(shelf.standing(&old, at(3_700)), Err(NotUsable::Replaced));
    assert!(shelf.standing(&new, at(9_999)).is_ok());
    // Both count on the same accounts.
    assert_eq!(a.principal(&until).key, b.principal(&until).key);
    // Only the head of a line is rotated.
    let again = shelf.edit(&old).rotate(minted("c"), hour, at(101));
    assert_eq!(again, Err(NotRotated::Replaced(new.clone())));
    // What is taken from the head is taken from both.
    shelf.edit(&new).narrow(&Rights { models: scope(&["haiku"]), ..Rights::full() });
    assert_eq!(shelf.standing(&old, at(200)).unwrap().rights.models, scope(&["haiku"]));
    shelf.edit(&new).suspend(at(200));
    assert_eq!(shelf.standing(&old, at(200)), Err(NotUsable::Suspended));
    let rested = shelf.edit(&new).rotate(minted("c"), hour, at(200));
    assert_eq!(rested, Err(NotUsable::Suspended.into()));
    shelf.edit(&new).resume();
    shelf.edit(&old).end_overlap(at(300));
    assert_eq!(shelf.standing(&old, at(300)), Err(NotUsable::Replaced));
    // No overlap is none, and one without end is refused.
    let third = shelf.edit(&new).rotate(minted("c"), Duration::ZERO, at(400)).unwrap();
    shelf.put(third);
    assert_eq!(shelf.standing(&new, at(400)), Err(NotUsable::Replaced));
    let long = record(minted("z")).rotate(minted("y"), Duration::MAX, at(0));
    assert_eq!(long, Err(NotRotated::Overlap));
}

#[test]
fn an_issuer_answers_for_what_it_issued() {
    let mut shelf = Shelf::default();
    let admin = team_admin(&mut shelf);
    let by = shelf.authority(&admin, at(1)).unwrap();
    let draft = Draft::new(shelf.0[&admin].owner.clone());
    let key = shelf.put(issue(draft.clone(), minted("k"), &by, at(1)).unwrap());
    // Rotating the issuer changes nothing, many times over.
    let mut head = admin.clone();
    for n in 0..100 {
        let new = minted(&format!("admin{n}"));
        let new = shelf.edit(&head).rotate(new, Duration::ZERO, at(2)).unwrap();
        head = shelf.put(new);
    }
    assert!(shelf.standing(&key, at(3)).is_ok());
    shelf.edit(&head).narrow(&Rights { limits: vec![limit("$2/month")], ..Rights::full() });
    assert_eq!(shelf.standing(&key, at(3)).unwrap().rights.limits, [limit("$2/month")]);
    let mut broken = shelf.clone();
    broken.edit(&head).revoke(at(4));
    let why = Box::new(NotUsable::Revoked);
    let gone = NotUsable::Issuer { id: head.clone(), why };
    assert_eq!(broken.standing(&key, at(4)), Err(gone));
    // Somebody else may take the key over.
    let operator = Authority::operator();
    let owner = draft.owner.clone();
    operator.adopt(broken.edit(&key), Draft::new(owner), at(4)).unwrap();
    assert_eq!(broken.standing(&key, at(4)).unwrap().rights.models, Scope::all());
    broken.0.remove(&head);
    assert!(broken.standing(&key, at(4)).is_ok());
    shelf.0.remove(&head);
    assert_eq!(shelf.standing(&key, at(4)), Err(NotUsable::Missing(admin)));
}

#[test]
fn rows_that_somebody_wrote_by_hand_give_nothing_more() {
    let mut shelf = Shelf::default();
    let admin = team_admin(&mut shelf);
    let by = shelf.authority(&admin, at(1)).unwrap();
    let red = shelf.0[&admin].owner.clone();
    let key = shelf.put(issue(Draft::new(red), minted("k"), &by, at(1)).unwrap());
    let forged = shelf.edit(&key);
    (forged.rights, forged.expires_at) = (Rights::full(), None);
    let admins = shelf.standing(&admin, at(2)).unwrap();
    assert_eq!(shelf.standing(&key, at(2)), Ok(admins));
    assert!(shelf.standing(&key, at(1_000)).is_err());
    shelf.edit(&key).owner = owner("other");
    assert_eq!(shelf.standing(&key, at(2)), Err(NotUsable::Owner));
    // A circle is no way out of an issuer's reach.
    shelf.edit(&key).owner = shelf.0[&admin].owner.clone();
    shelf.edit(&admin).issuer = Issuer::Key(key.clone());
    assert_eq!(shelf.standing(&key, at(2)), Err(NotUsable::Chain));
}

/// A store that takes any record of a line for its head lets nobody in by an old one.
#[test]
fn what_was_replaced_stands_for_nobody() {
    let mut shelf = Shelf::default();
    let admin = team_admin(&mut shelf);
    let by = shelf.authority(&admin, at(1)).unwrap();
    let red = shelf.0[&admin].owner.clone();
    let key = issue(Draft::new(red), minted("k"), &by, at(1)).unwrap();
    let hour = Duration::from_secs(3_600);
    let new = shelf.edit(&admin).rotate(minted("b"), hour, at(2)).unwrap();
    let old = &shelf.0[&admin];
    assert_eq!(standing(&key, &|_| Some(old), at(3)), Err(NotUsable::Missing(admin.clone())));
    assert!(standing(&key, &|_| Some(&new), at(3)).is_ok());
}

/// A rolling day and a calendar's are two rules: neither keeps the other.
#[test]
fn limits_of_another_kind_keep_nothing() {
    let with = |text| Rights { limits: vec![limit(text)], ..Rights::full() };
    for (a, b) in [
        ("5/day rolling", "10/day"),
        ("5/hour", "10/day"),
        ("5 tokens/day", "10/day"),
        ("11/day", "10/day"),
    ] {
        assert_eq!(with(a).within(&with(b)), Err(Excess::Limit(limit(b))), "{a}");
        assert_eq!(with(a).meet(&with(b)).within(&with(b)), Ok(()), "{a}");
    }
    assert_eq!(with("10/day").within(&with("10/day")), Ok(()));
}

#[test]
fn nobody_takes_over_those_above_them() {
    let mut shelf = Shelf::default();
    let admin = team_admin(&mut shelf);
    let by = shelf.authority(&admin, at(1)).unwrap();
    let draft = Draft {
        actions: Actions::from_iter([Action::Call, Action::ManageKeys]),
        ..Draft::new(shelf.0[&admin].owner.clone())
    };
    let below = shelf.put(issue(draft.clone(), minted("k"), &by, at(1)).unwrap());
    let by = shelf.authority(&below, at(1)).unwrap();
    for id in [&admin, &below] {
        let circle = by.adopt(shelf.edit(id), draft.clone(), at(1));
        assert_eq!(circle, Err(NotIssued::Circle));
    }
    let strange = shelf.put(record(minted("s")));
    let theft = by.adopt(shelf.edit(&strange), draft, at(1));
    assert_eq!(theft, Err(NotIssued::Owner));
}

#[test]
fn nobody_gets_a_stronger_key_by_rotating_it() {
    let mut shelf = Shelf::default();
    let admin = team_admin(&mut shelf);
    let by = shelf.authority(&admin, at(1)).unwrap();
    let red = shelf.0[&admin].owner.clone();
    let manages = |shelf: &Shelf, id: &KeyId| {
        by.manages(&shelf.0[id], shelf.standing(id, at(1)).ok().as_ref())
    };
    let below = shelf.put(issue(Draft::new(red.clone()), minted("k"), &by, at(1)).unwrap());
    assert_eq!(manages(&shelf, &below), Ok(()));
    assert_eq!(manages(&shelf, &admin), Ok(()));
    // Of the same team, and issued by somebody who has more.
    let draft = Draft { models: Some(Scope::all()), ..Draft::new(red) };
    let operator = Authority::operator();
    let strong = shelf.put(issue(draft, minted("s"), &operator, at(1)).unwrap());
    assert_eq!(manages(&shelf, &strong), Err(Excess::Model(Str::from_static("*")).into()));
    shelf.edit(&strong).suspend(at(1));
    assert_eq!(manages(&shelf, &strong), Ok(()));
    let elsewhere = shelf.put(record(minted("e")));
    assert_eq!(manages(&shelf, &elsewhere), Err(NotIssued::Owner));
    let plain = shelf.authority(&below, at(1)).unwrap();
    assert_eq!(plain.manages(&shelf.0[&below], None), Err(NotIssued::NoIssuer));
    assert_eq!(operator.manages(&shelf.0[&strong], None), Ok(()));
}

#[test]
fn lines_of_issuers_end() {
    let mut shelf = Shelf::default();
    let draft =
        Draft { actions: Actions::from_iter([Action::ManageKeys]), ..Draft::new(owner("t")) };
    let mut by = Authority::operator();
    let mut depth = 0;
    let why = loop {
        let id = format!("k{depth}");
        match issue(draft.clone(), minted(&id), &by, at(0)) {
            Ok(key) => {
                by = {
                    let id = shelf.put(key);
                    shelf.authority(&id, at(0)).unwrap()
                }
            }
            Err(why) => break why,
        }
        depth += 1;
    };
    assert_eq!((why, depth), (NotIssued::Depth, CHAIN_MAX / 4));
}

const MODELS: [&str; 9] =
    ["a", "ab", "abc", "b", "openai/gpt", "openai/gpt-4", "openai/o1", "", "*"];

fn patterns() -> impl Strategy<Value = Scope> {
    let pattern = prop_oneof![
        Just("*"),
        Just("a*"),
        Just("ab*"),
        Just("abc"),
        Just("b"),
        Just("a"),
        Just("openai/*"),
        Just("openai/gpt*"),
        Just("openai/o1"),
        Just("**"),
    ];
    prop::collection::vec(pattern, 0..4).prop_map(|all| scope(&all))
}

fn limits() -> impl Strategy<Value = Vec<Limit>> {
    let limit = prop_oneof![
        (1u64..4).prop_map(|n| limit(&format!("${n}/month"))),
        (1u64..4).prop_map(|n| limit(&format!("{n}/minute"))),
        (1u64..4).prop_map(|n| limit(&format!("{n} tokens/day"))),
    ];
    prop::collection::vec(limit, 0..3)
}

fn rights() -> impl Strategy<Value = Rights> {
    let actions = (0u16..256)
        .prop_map(|bits| Action::ALL.into_iter().filter(|a| bits & 1 << *a as u16 != 0).collect());
    (actions, patterns(), limits()).prop_map(|(actions, models, limits)| Rights {
        actions,
        models,
        limits,
    })
}

/// What rights mean, asked one question after another.
fn allows(rights: &Rights, other: &Rights) -> Result<(), TestCaseError> {
    for model in MODELS {
        prop_assert!(!rights.models.allows(model) || other.models.allows(model), "{}", model);
    }
    for action in Action::ALL {
        prop_assert!(!rights.actions.has(action) || other.actions.has(action));
    }
    for rule in &other.limits {
        let kept = rights
            .limits
            .iter()
            .any(|own| own.period == rule.period && own.mode == rule.mode && less(own, rule));
        prop_assert!(kept, "{} is not kept", rule);
    }
    Ok(())
}

fn less(a: &Limit, b: &Limit) -> bool {
    use llm_core::quota::Quantity::{Money, Requests, Tokens};
    match (a.quantity, b.quantity) {
        (Money(a), Money(b)) => a <= b,
        (Requests(a), Requests(b)) | (Tokens(a), Tokens(b)) => a <= b,
        _ => false,
    }
}

#[derive(Clone, Debug)]
enum Deed {
    Issue { by: usize, team: bool, rights: Rights, inherit: bool, end: Option<i64> },
    Adopt { by: usize, key: usize, rights: Rights },
    Rotate { key: usize, overlap: u64 },
    Narrow { key: usize, rights: Rights },
    Suspend(usize),
    Resume(usize),
    Revoke(usize),
    Pass(i64),
}

fn deed() -> impl Strategy<Value = Deed> {
    let key = 0usize..12;
    prop_oneof![
        6 => (key.clone(), any::<bool>(), rights(), any::<bool>(), prop::option::of(1i64..300))
            .prop_map(|(by, team, mut rights, inherit, end)| {
                rights.actions = [Action::ManageKeys].into_iter().chain(rights.actions.iter()).collect();
                Deed::Issue { by, team, rights, inherit, end }
            }),
        2 => (key.clone(), key.clone(), rights())
            .prop_map(|(by, key, rights)| Deed::Adopt { by, key, rights }),
        2 => (key.clone(), 0u64..60).prop_map(|(key, overlap)| Deed::Rotate { key, overlap }),
        2 => (key.clone(), rights()).prop_map(|(key, rights)| Deed::Narrow { key, rights }),
        1 => key.clone().prop_map(Deed::Suspend),
        1 => key.clone().prop_map(Deed::Resume),
        1 => key.prop_map(Deed::Revoke),
        2 => (0i64..40).prop_map(Deed::Pass),
    ]
}

/// What the issuer could do when a key got its rights.
type Ceilings = HashMap<KeyId, Rights>;

/// After every deed: each key that works is within what its issuer could do at issue, and within
/// what its issuer can do now.
fn law(shelf: &Shelf, ceilings: &Ceilings, now: Timestamp) -> Result<usize, TestCaseError> {
    let mut working = 0;
    for (id, record) in &shelf.0 {
        let Ok(standing) = shelf.standing(id, now) else { continue };
        working += 1;
        allows(&standing.rights, &record.rights)?;
        allows(&standing.rights, &ceilings[id])?;
        prop_assert!(standing.until.is_none_or(|until| until > now));
        if let Issuer::Key(line) = &record.issuer {
            let issuer = shelf.head(line).unwrap();
            let now = shelf.standing(&issuer.id, now);
            prop_assert!(now.is_ok(), "{} works, its issuer does not: {:?}", id, now);
            allows(&standing.rights, &now.unwrap().rights)?;
            prop_assert!(record.owner.within(&issuer.owner));
        }
        if record.replaced.is_some() {
            let head = &shelf.head(&record.line).unwrap().id;
            allows(&standing.rights, &shelf.standing(head, now).unwrap().rights)?;
        }
    }
    Ok(working)
}

fn run(deeds: Vec<Deed>) -> Result<usize, TestCaseError> {
    let (mut shelf, mut ceilings, mut ids) = (Shelf::default(), Ceilings::new(), Vec::new());
    let (mut now, mut working) = (at(0), 0);
    for deed in deeds {
        let pick = |n: usize| -> Option<KeyId> { ids.get(n % (ids.len() + 1)).cloned() };
        let authority = |shelf: &Shelf, n| match pick(n) {
            None => Some((Authority::operator(), Rights::full())),
            Some(id) => {
                let rights = shelf.standing(&id, now).ok()?.rights;
                Some((shelf.authority(&id, now).unwrap(), rights))
            }
        };
        match deed {
            Deed::Issue { by, team, rights, inherit, end } => {
                let Some((by, ceiling)) = authority(&shelf, by) else { continue };
                let Rights { actions, models, limits } = rights;
                let team = team.then(|| TeamId::from("red"));
                let models = (!inherit).then_some(models);
                let owner = KeyOwner { team, ..owner("t") };
                let expires_at = end.map(at);
                let draft = Draft { owner, actions, models, limits, expires_at };
                let id = format!("k{}", ids.len());
                if let Ok(key) = issue(draft, minted(&id), &by, now) {
                    ceilings.insert(key.id.clone(), ceiling);
                    ids.push(shelf.put(key));
                }
            }
            Deed::Adopt { by, key, rights } => {
                let (Some(key), Some((by, ceiling))) = (pick(key), authority(&shelf, by)) else {
                    continue;
                };
                let Rights { actions, models, limits } = rights;
                let owner = shelf.0[&key].owner.clone();
                let draft =
                    Draft { owner, actions, models: Some(models), limits, expires_at: None };
                if by.adopt(shelf.edit(&key), draft, now).is_ok() {
                    ceilings.insert(key, ceiling);
                }
            }
            Deed::Rotate { key, overlap } => {
                let Some(key) = pick(key) else { continue };
                let new = minted(&format!("k{}", ids.len()));
                let overlap = Duration::from_secs(overlap);
                if let Ok(new) = shelf.edit(&key).rotate(new, overlap, now) {
                    ceilings.insert(new.id.clone(), ceilings[&key].clone());
                    ids.push(shelf.put(new));
                }
            }
            Deed::Narrow { key, rights } => {
                let Some(key) = pick(key) else { continue };
                let before = shelf.0[&key].rights.clone();
                shelf.edit(&key).narrow(&rights);
                allows(&shelf.0[&key].rights, &before)?;
                allows(&shelf.0[&key].rights, &rights)?;
            }
            Deed::Suspend(key) => pick(key).into_iter().for_each(|k| shelf.edit(&k).suspend(now)),
            Deed::Resume(key) => pick(key).into_iter().for_each(|k| shelf.edit(&k).resume()),
            Deed::Revoke(key) => pick(key).into_iter().for_each(|k| shelf.edit(&k).revoke(now)),
            Deed::Pass(seconds) => now += SignedDuration::from_secs(seconds),
        }
        working = working.max(law(&shelf, &ceilings, now)?);
    }
    Ok(working)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_key_is_more_than_its_issuer(deeds in prop::collection::vec(deed(), 1..40)) {
        run(deeds)?;
    }

    #[test]
    fn meeting_is_what_both_allow(a in rights(), b in rights(), c in rights()) {
        let both = a.meet(&b);
        for model in MODELS {
            let each = a.models.allows(model) && b.models.allows(model);
            prop_assert_eq!(both.models.allows(model), each, "{}", model);
        }
        allows(&both, &a)?;
        allows(&both, &b)?;
        prop_assert_eq!(both.within(&a), Ok(()));
        prop_assert_eq!(both.within(&b), Ok(()));
        prop_assert_eq!(a.meet(&Rights::full()).within(&a), Ok(()));
        if c.within(&a).is_ok() {
            allows(&c, &a)?;
            prop_assert_eq!(c.within(&b).is_ok(), c.within(&both).is_ok());
        }
    }
}

/// The test above would pass for a law that lets no key work.
#[test]
fn chains_of_the_property_come_about() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let deeds = prop::collection::vec(deed(), 30..40);
    let most = (0..50).map(|_| run(deeds.new_tree(&mut runner).unwrap().current()).unwrap()).max();
    assert!(most >= Some(4), "{most:?}");
}
