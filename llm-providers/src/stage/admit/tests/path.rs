//! All levels of a path or none, against a model that only adds up.

use std::collections::HashMap;

use llm_core::principal::{Level, OrgId};
use llm_core::quota::{Quantity, WindowId};
use proptest::prelude::*;
use tokio::runtime::{Builder, Runtime};

use super::super::hand_clock::HandClock;
use super::*;

/// Calendar windows, so that the model is exact.
const LIMITS: [&str; 8] = [
    "3/hour calendar",
    "5/hour calendar",
    "6/day",
    "9/day",
    "400 tokens/hour calendar",
    "700 tokens/hour calendar",
    "900 tokens/day",
    "2000 tokens/2d calendar",
];
const PLANS: usize = 3;
const USERS: usize = 2;
const KEYS: usize = 4;

/// What a world is made of: limits by level, by place in [`LIMITS`].
#[derive(Clone, Debug)]
struct World {
    plans: [Vec<usize>; PLANS],
    keys: Vec<usize>,
    team: Vec<usize>,
    org: Vec<usize>,
    tenant: Vec<usize>,
    in_flight: [Option<u32>; 4],
}

#[derive(Clone, Debug)]
enum Do {
    Call { key: usize, tokens: u64 },
    End { call: usize, used: u64 },
    Drop { call: usize },
    Move { user: usize, plan: usize },
    Wait { minutes: u64 },
}

fn world() -> impl Strategy<Value = World> {
    let some = || prop::collection::vec(0..LIMITS.len(), 0..3);
    let cap = || prop::option::weighted(0.3, 1u32..4);
    let caps = [cap(), cap(), cap(), cap()];
    ([some(), some(), some()], some(), some(), some(), some(), caps).prop_map(
        |(plans, keys, team, org, tenant, in_flight)| World {
            plans,
            keys,
            team,
            org,
            tenant,
            in_flight,
        },
    )
}

fn step() -> impl Strategy<Value = Do> {
    prop_oneof![
        8 => (0..KEYS, 0u64..300).prop_map(|(key, tokens)| Do::Call { key, tokens }),
        4 => (0usize..8, 0u64..400).prop_map(|(call, used)| Do::End { call, used }),
        1 => (0usize..8).prop_map(|call| Do::Drop { call }),
        2 => (0..USERS, 0..PLANS).prop_map(|(user, plan)| Do::Move { user, plan }),
        2 => (1u64..2_000).prop_map(|minutes| Do::Wait { minutes }),
    ]
}

fn limits(places: &[usize]) -> impl Iterator<Item = Limit> {
    places.iter().map(|place| LIMITS[*place].parse().unwrap())
}

impl World {
    fn grant(&self, key: usize, plans: &[usize; USERS], zone: &Zone) -> Grant {
        let user = key % USERS;
        let name = |kind: &str, n: usize| Str::from(format!("{kind}{n}"));
        let principal = Principal {
            key: KeyId(name("k", key)),
            tenant: TenantId::from("t"),
            user: Some(UserId(name("u", user))),
            team: Some(TeamId::from("g")),
            org: Some(OrgId::from("o")),
            scope: Scope::all(),
        };
        let plan = limits(&self.plans[plans[user]]).collect();
        let plan = Arc::new(Plan { limits: plan, models: Scope::all(), ..Plan::default() });
        let [keys, team, org, tenant] = self.in_flight;
        let level = |owner, name: Str, places: &[usize], cap: Option<u32>| {
            let level = Level::new(owner, name).limits(limits(places));
            cap.map_or(level.clone(), |cap| level.in_flight(cap))
        };
        let levels = [
            level(Owner::Tenant, "t".into(), &self.tenant, tenant),
            level(Owner::Org, "o".into(), &self.org, org),
            level(Owner::Key, name("k", key), &self.keys, keys),
            level(Owner::Team, "g".into(), &self.team, team),
        ];
        Grant::compose(principal, plan, Owner::User, levels, zone)
    }
}

type Who = (Owner, Str);
type Place = (Who, String, WindowId);

/// Adds up, and never forgets.
#[derive(Default)]
struct Model {
    counts: HashMap<Place, u64>,
    running: HashMap<Who, u32>,
}

struct Running {
    slot: Option<Slot>,
    owners: Vec<Who>,
    counted: Vec<(Place, bool)>,
    tokens: u64,
}

impl Model {
    fn call(&mut self, grant: &Grant, tokens: u64, zone: &Zone, now: Now) -> Option<Running> {
        let mut counted = Vec::new();
        let mut owners = Vec::new();
        for level in grant.levels() {
            let who = (level.owner, level.name.clone());
            let running = self.running.get(&who).copied().unwrap_or(0);
            if level.in_flight_max.is_some_and(|most| running >= most) {
                return None;
            }
            for limit in &level.limits {
                let (most, is_tokens) = match limit.quantity {
                    Quantity::Requests(most) => (most, false),
                    Quantity::Tokens(most) => (most, true),
                    Quantity::Money(_) | Quantity::Credits(_) => unreachable!(),
                };
                let window = limit.window(zone).unwrap().window_at(now.wall);
                let place = (who.clone(), limit.span(), window);
                let used = self.counts.get(&place).copied().unwrap_or(0);
                let n = if is_tokens { tokens } else { 1 };
                // Asking for nothing is never too much.
                if n > most.saturating_sub(used) {
                    return None;
                }
                counted.push((place, is_tokens));
            }
            owners.push(who);
        }
        for (place, is_tokens) in &counted {
            *self.counts.entry(place.clone()).or_default() += if *is_tokens { tokens } else { 1 };
        }
        owners.iter().for_each(|who| *self.running.entry(who.clone()).or_default() += 1);
        Some(Running { slot: None, owners, counted, tokens })
    }

    fn end(&mut self, running: &Running, used: u64) {
        for (place, is_tokens) in &running.counted {
            if *is_tokens {
                let count = self.counts.get_mut(place).unwrap();
                *count = *count + used - running.tokens;
            }
        }
        for who in &running.owners {
            *self.running.get_mut(who).unwrap() -= 1;
        }
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

fn run(world: &World, steps: Vec<Do>) -> Result<(), TestCaseError> {
    let runtime = runtime();
    let _inside = runtime.enter();
    let clock = HandClock::new();
    let zone = Zone::get("Asia/Seoul").unwrap();
    let queue = Bounds { slots: 1_000, waiting_max: 1, waiting_bytes_max: 1 << 20 };
    let wait_max = Duration::from_secs(1);
    let bounds = AdmissionBounds { queue, wait_max, lines: Lines::Key, zone: zone.clone() };
    let house = Admission::new(bounds, clock.clone());
    let rules = OwnerRules::default();
    let (mut model, mut plans) = (Model::default(), [0; USERS]);
    let mut running: Vec<Running> = Vec::new();
    for step in steps {
        match step {
            Do::Call { key, tokens } => {
                let grant = world.grant(key, &plans, &zone);
                let wanted = Entrant { tokens, ..entrant(&house, &grant, &rules) };
                let expected = model.call(&grant, tokens, &zone, clock.read());
                let got = runtime.block_on(house.enter(wanted));
                let text = got.as_ref().map(|_| ()).map_err(ToString::to_string);
                prop_assert_eq!(got.is_ok(), expected.is_some(), "{:?} of {:?}", text, grant);
                if let (Ok(slot), Some(call)) = (got, expected) {
                    running.push(Running { slot: Some(slot), ..call });
                }
            }
            Do::End { call, used } if call < running.len() => {
                let mut call = running.swap_remove(call);
                model.end(&call, used);
                call.slot.take().unwrap().settle(used);
            }
            Do::Drop { call } if call < running.len() => {
                let call = running.swap_remove(call);
                model.end(&call, 0);
            }
            Do::End { .. } | Do::Drop { .. } => {}
            Do::Move { user, plan } => plans[user] = plan,
            Do::Wait { minutes } => clock.pass(Duration::from_mins(minutes)),
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 384, ..ProptestConfig::default() })]

    /// Whatever the plans and whoever is moved among them: a call passes when every level has room,
    /// and otherwise no level has counted it.
    #[test]
    fn a_path_counts_whole_or_not_at_all(
        world in world(), steps in prop::collection::vec(step(), 1..120),
    ) {
        run(&world, steps)?;
    }
}

/// The plan decides at the next call, and has forgotten nothing when it comes back.
#[test]
fn another_plan_holds_at_once_and_keeps_what_was_counted() {
    let places = |limit: &str| vec![LIMITS.iter().position(|l| *l == limit).unwrap()];
    let plans = [places("3/hour calendar"), places("9/day"), places("5/hour calendar")];
    let none = Vec::new;
    let world = World {
        plans,
        keys: none(),
        team: none(),
        org: none(),
        tenant: none(),
        in_flight: [None; 4],
    };
    let call = |key| Do::Call { key, tokens: 1 };
    let to = |plan| Do::Move { user: 0, plan };
    // Three of three by two keys; four under a plan without hours; and with five, two are left.
    let mut steps = vec![call(0), call(2), call(0), call(2), to(1)];
    steps.extend([call(0), call(0), call(2), call(2), to(2), call(0), call(2), call(0)]);
    steps.extend([to(0), call(0), Do::Wait { minutes: 60 }, call(0)]);
    run(&world, steps).unwrap();
}
