//! Who may come in: rules of pace, calls in flight, and a queue where both allow but the house is
//! full.
//!
//! The actors are the *owners* of a call (the levels of its grant, from the key to the tenant, and
//! its model), the rules each of them has, and the [`Fair`] queue before the running calls. [`Admission`] asks them in the order of
//! what asking costs, and what it grants is one [`Slot`]: dropped, it gives everything back, once.
//! Deliberately absent: money. Refusing here must not touch the ledger.

mod entry;
pub mod fair;
pub mod flight;
pub mod gcra;
mod glance;
pub mod limits;
pub mod meter;
mod places;
mod shared;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use llm_core::Str;
use llm_core::error::{Error, Kind, Refusal};
use llm_core::ledger::Owner;
use llm_core::principal::{Grant, Principal, Priority};
use llm_core::quota::{Limit, Verdict, Zone};
use llm_core::seam::Clock;
use llm_core::store::{Counters, Slots};
use smallvec::SmallVec;

use crate::reply::Paced;
pub use entry::{AdmitStage, Admitted};
use fair::{Bounds, Fair, FairSlot, Ticket};
use flight::FlightSlot;
use glance::Lately;
use limits::{Limits, OwnerId, OwnerKind, Rules, Uncounted};
use meter::{Ask, Booking, MeterSet, Now, OWNERS_PER_CALL, Rule, Share, book};
use places::{Capped, NotPlaced, Place, Places, part};
pub use shared::Health;
use shared::{NotTaken, Question, Shared};

/// Lets calls in. One for the life of the gateway: configuration changes come with each
/// [`Entrant`], so that no count is lost with them.
#[derive(Debug)]
pub struct Admission {
    limits: Limits,
    /// Windows that other replicas count as well.
    shared: Option<Arc<Shared>>,
    /// Places among running calls that they count as well.
    places: Option<Arc<Places>>,
    fair: Arc<Fair>,
    lines: Lines,
    clock: Arc<dyn Clock>,
    /// When anybody was refused, and when somebody of the queue the whole way.
    pressed: Lately,
    crowded: Lately,
}

/// Who takes turns in the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lines {
    /// Tenants.
    #[default]
    Tenant,
    /// Keys: where all belong to one tenant.
    Key,
}

impl Lines {
    /// In whose line somebody stands.
    fn of(self, principal: &Principal) -> &Str {
        match self {
            Self::Tenant => &principal.tenant.0,
            Self::Key => &principal.key.0,
        }
    }
}

/// How much the gateway takes on.
#[derive(Clone, Debug)]
pub struct AdmissionBounds {
    /// Running calls, waiting calls and the bytes of those.
    pub queue: Bounds,
    /// The longest wait, where a caller would wait longer.
    pub wait_max: Duration,
    /// Who takes turns.
    pub lines: Lines,
    /// The time zone of calendar windows.
    pub zone: Zone,
}

/// Limits that are configured by kind of owner, beside those that a key was sold.
#[derive(Clone, Debug, Default)]
pub struct OwnerRules {
    /// Each key.
    pub key: Rules,
    /// Each user.
    pub user: Rules,
    /// Each team.
    pub team: Rules,
    /// Each organisation.
    pub org: Rules,
    /// Each tenant.
    pub tenant: Rules,
    /// Models by name.
    pub models: BTreeMap<Str, Rules>,
}

impl OwnerRules {
    /// Those of a kind. A purpose and the operator have none but those of their level.
    pub fn of(&self, owner: Owner) -> Option<&Rules> {
        match owner {
            Owner::Key => Some(&self.key),
            Owner::User => Some(&self.user),
            Owner::Team => Some(&self.team),
            Owner::Org => Some(&self.org),
            Owner::Tenant => Some(&self.tenant),
            Owner::Feature | Owner::Operator => None,
        }
    }
}

/// A call that wants in.
#[derive(Clone, Copy, Debug)]
pub struct Entrant<'a> {
    /// Who asks and what was sold.
    pub grant: &'a Grant,
    /// What is configured for everyone.
    pub rules: &'a OwnerRules,
    /// The model as the caller names it.
    pub model: &'a Str,
    /// Who waits when not all can be served.
    pub priority: Priority,
    /// When the caller stops caring.
    pub deadline: Instant,
    /// Tokens it may read and write: the estimate of the input and the cap of the output.
    pub tokens: u64,
    /// Bytes of its body.
    pub body_bytes: usize,
}

/// Leave to run, and all that is set aside for it. Lives as long as the reply's body.
#[derive(Debug)]
#[must_use = "dropping it gives everything back"]
pub struct Slot {
    booking: Box<Booking>,
    /// Given back before the turn in the queue: whoever is next may be of the same owner.
    _flights: SmallVec<[FlightSlot; OWNERS_PER_CALL]>,
    /// The same with the other replicas.
    _places: Vec<Place>,
    _turn: FairSlot,
}

type Caps = SmallVec<[(OwnerKind, Arc<flight::Flight>); OWNERS_PER_CALL]>;
/// What was counted, and the places of a call: here, and with the other replicas.
type Counted = (Box<Booking>, Flights, Vec<Place>);
type Flights = SmallVec<[FlightSlot; OWNERS_PER_CALL]>;

/// A place among an owner's calls becomes free when one of them ends; nobody knows when.
const FLIGHT_WAIT: Duration = Duration::from_secs(1);
/// A rule that refuses for longer is a quota to the caller and not a pace: no program should hold
/// a call back for so long, but tell whoever waits for it.
const RETRY_MAX: Duration = Duration::from_secs(2 * 3_600);

impl Admission {
    /// Nobody is in yet.
    pub fn new(bounds: AdmissionBounds, clock: Arc<dyn Clock>) -> Self {
        let AdmissionBounds { queue, wait_max, lines, zone } = bounds;
        let fair = Arc::new(Fair::new(queue, wait_max, Arc::clone(&clock)));
        let limits = Limits::new(zone, Arc::clone(&clock));
        let (pressed, crowded) = (Lately::default(), Lately::default());
        Self { limits, shared: None, places: None, fair, lines, clock, pressed, crowded }
    }

    /// With windows that so many replicas share. Must be called within a runtime.
    #[must_use]
    pub fn sharing(self, store: Arc<dyn Counters>, replicas: NonZeroU32) -> Self {
        Self { shared: Some(Shared::start(store, replicas)), ..self }
    }

    /// With places among running calls that those replicas share as well. Must be called within a
    /// runtime. The seed is this process's own.
    #[must_use]
    pub fn placing(self, store: Arc<dyn Slots>, seed: u128) -> Self {
        let places = Places::start(store, seed, Arc::clone(&self.clock));
        Self { places: Some(places), ..self }
    }

    /// Whether caps of calls in flight hold over all replicas just now; `None` where they are each
    /// process's own.
    pub fn shares_places(&self) -> Option<bool> {
        self.places.as_ref().map(|places| !places.is_degraded())
    }

    /// How sharing goes; `None` where nothing is shared.
    pub fn sharing_health(&self) -> Option<&Health> {
        self.shared.as_ref().map(|shared| &*shared.health)
    }

    /// Lets a call in, at once or after a wait, or says which rule is against it. Cheap questions
    /// first: a caller who is too fast must not cost a place in the queue.
    pub async fn enter(&self, entrant: Entrant<'_>) -> Result<Slot, Error> {
        let entered = self.entered(entrant).await;
        if entered.is_err() {
            self.pressed.note(Now::of(&*self.clock));
        }
        entered
    }

    async fn entered(&self, entrant: Entrant<'_>) -> Result<Slot, Error> {
        let (mut booking, flights, places) = match &self.shared {
            None => self.count(&entrant)?,
            // Boxed, so that the futures of those who share nothing stay small.
            Some(shared) => Box::pin(self.count_shared(shared, &entrant)).await?,
        };
        let ticket = Ticket {
            priority: entrant.priority,
            line: self.lines.of(&entrant.grant.principal).clone(),
            tokens: entrant.tokens,
            bytes: entrant.body_bytes,
            deadline: entrant.deadline,
        };
        // Refused here, or dropped while it waits, the call has counted nothing: what was booked
        // goes back with the guards above.
        let turn = self.fair.enter(ticket).await?;
        booking.admit();
        Ok(Slot { booking, _flights: flights, _places: places, _turn: turn })
    }

    /// The queue, for who tunes it or shows its load.
    pub fn fair(&self) -> &Arc<Fair> {
        &self.fair
    }

    /// The owners that count something.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Calls in flight first, then pace: without any wait.
    fn count(&self, entrant: &Entrant<'_>) -> Result<Counted, Error> {
        let now = Now::of(&*self.clock);
        let Path { sets, flights, .. } = self.path(entrant, now)?;
        let ask = Ask { requests: 1, tokens: entrant.tokens };
        let booking = book(sets, ask, Share::All, now, Arc::clone(&self.clock))
            .map_err(|verdict| too_much(*verdict, now))?;
        Ok((booking, flights, Vec::new()))
    }

    /// The same where others count as well: they are asked first, and our own counts only note it;
    /// or, where nobody answers, decide by our share.
    async fn count_shared(
        &self,
        shared: &Arc<Shared>,
        entrant: &Entrant<'_>,
    ) -> Result<Counted, Error> {
        let now = Now::of(&*self.clock);
        let Path { sets, flights, owners, capped } = self.path(entrant, now)?;
        // Places first here, too.
        let (places, silent) = self.placed(shared.replicas, &capped).await?;
        let ask = Ask { requests: 1, tokens: entrant.tokens };
        let pairs = owners.into_iter().zip(&sets);
        let questions: SmallVec<[Question; OWNERS_PER_CALL]> =
            pairs.map(|(owner, set)| Question { owner, limits: set.windows() }).collect();
        // Whoever was silent about places is not waited for a second time.
        let taken = match silent {
            true => Err(shared.not_asked(&questions)),
            false => shared.take(&questions, ask).await,
        };
        let (share, borrowed) = match taken {
            Ok(borrowed) => (Share::Noted, Some(borrowed)),
            Err(NotTaken::Refused(verdict)) => return Err(too_much(*verdict, now)),
            Err(NotTaken::Unavailable) => (Share::Part(shared.replicas), None),
        };
        let now = Now::of(&*self.clock);
        let mut booking = book(sets, ask, share, now, Arc::clone(&self.clock))
            .map_err(|verdict| too_much(*verdict, now))?;
        match borrowed {
            Some(borrowed) => booking.borrow(borrowed),
            None => booking.alone = true,
        }
        Ok((booking, flights, places))
    }

    /// Places with the other replicas; where nobody answers, which is said, our part of each cap.
    async fn placed(
        &self,
        replicas: NonZeroU32,
        capped: &Capped,
    ) -> Result<(Vec<Place>, bool), Error> {
        let Some(places) = self.places.as_ref().filter(|_| !capped.is_empty()) else {
            return Ok((Vec::new(), false));
        };
        match places.take(capped).await {
            Ok(taken) => Ok((taken, false)),
            Err(NotPlaced::Full { kind, held, max }) => Err(too_many(kind, held, max)),
            Err(NotPlaced::Unavailable(untold)) => {
                // Our own place is among those that are held.
                let over = |flight: &flight::Flight| flight.held() > part(flight.max(), replicas);
                match capped.iter().find(|(_, flight)| over(flight)) {
                    Some((owner, flight)) => {
                        Err(too_many(owner.kind, u64::from(flight.held()), flight.max()))
                    }
                    None => Ok((untold, true)),
                }
            }
        }
    }

    /// Who is asked, with the places among their calls. Places first, since they come back: a key
    /// that is full must not use up its team's pace.
    fn path(&self, entrant: &Entrant<'_>, now: Now) -> Result<Path, Error> {
        let mut path = Path::default();
        let mut caps = Caps::new();
        let (grant, rules) = (entrant.grant, entrant.rules);
        let mut count = |said: Said<'_>, id: &dyn Fn() -> OwnerId| {
            // Most owners have no limit at all, and are never looked up.
            if !said.counts() {
                return Ok::<(), Error>(());
            }
            let id = id();
            let kind = id.kind;
            if self.shared.is_some() {
                path.owners.push(id.clone());
            }
            let capped = self.places.as_ref().and(said.cap).map(|_| id.clone());
            let tally = self.limits.tally(id, said.rules(), said.cap, now).map_err(uncounted)?;
            path.capped.extend(capped.map(|id| (id, Arc::clone(&tally.flight))));
            path.sets.push(Arc::clone(&tally.meters));
            if said.cap.is_some() {
                caps.push((kind, Arc::clone(&tally.flight)));
            }
            Ok(())
        };
        for level in grant.levels() {
            let said = Said::new(&level.limits, level.in_flight_max, rules.of(level.owner));
            count(said, &|| OwnerId::level(&grant.principal.tenant, level))?;
        }
        if let Some(own) = rules.models.get(entrant.model) {
            let said = Said::new(&[], None, Some(own));
            count(said, &|| OwnerId::model(entrant.model))?;
        }
        for (kind, flight) in caps {
            path.flights.push(
                flight
                    .take()
                    .ok_or_else(|| too_many(kind, u64::from(flight.held()), flight.max()))?,
            );
        }
        Ok(path)
    }
}

/// What the owners of a call count, narrowest first.
#[derive(Default)]
struct Path {
    sets: SmallVec<[Arc<MeterSet>; OWNERS_PER_CALL]>,
    flights: Flights,
    /// Whose the sets are, where somebody else is asked.
    owners: SmallVec<[OwnerId; 1]>,
    /// Those that have a cap, where others count them as well.
    capped: Capped,
}

/// All that is said of one owner: what its level has, and what holds for all of its kind.
#[derive(Clone, Copy)]
struct Said<'a> {
    limits: &'a [Limit],
    own: &'a [Rule],
    cap: Option<u32>,
}

impl<'a> Said<'a> {
    fn new(limits: &'a [Limit], cap: Option<u32>, own: Option<&'a Rules>) -> Self {
        let cap = match (cap, own.and_then(|own| own.in_flight_max)) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        Self { limits, own: own.map_or(&[], |own| &own.rules), cap }
    }

    /// Whether anything is counted of it.
    fn counts(self) -> bool {
        // Of most owners nothing is said, and a call asks this of each of its own.
        self.cap.is_some()
            || !(self.limits.is_empty() && self.own.is_empty())
                && self.rules().any(|rule| rule.is_counted())
    }

    fn rules(self) -> impl Iterator<Item = Rule> + Clone {
        let limits = self.limits.iter().map(|limit| Rule::Window(*limit));
        limits.chain(self.own.iter().copied())
    }
}

impl Slot {
    /// Puts what was used in the place of what was set aside, more or less. The first time
    /// counts; a slot that is dropped unsettled used nothing.
    pub fn settle(&mut self, used_tokens: u64) {
        self.booking.settle(used_tokens);
    }

    /// The rule on requests with the smallest share left, for the caller's headers.
    pub fn requests(&self) -> Option<&Verdict> {
        self.booking.requests.as_deref()
    }

    /// What its caller is told of these rules.
    pub(crate) fn paced(&mut self) -> Paced {
        let Booking { requests, tokens, alone, .. } = &mut *self.booking;
        Paced { requests: requests.take(), tokens: tokens.take(), degraded: *alone }
    }

    /// Whether the windows of this call are shared with others, and nobody could be asked.
    pub fn is_alone(&self) -> bool {
        self.booking.alone
    }

    /// The rule on tokens with the smallest share left.
    pub fn tokens(&self) -> Option<&Verdict> {
        self.booking.tokens.as_deref()
    }
}

fn too_much(verdict: Verdict, now: Now) -> Error {
    let mut refusal = Refusal::of(verdict, now.wall);
    let (rule, limit) = (&refusal.rule, refusal.limit);
    match refusal.retry_after {
        Some(wait) => {
            let (used, reserved) = (refusal.used, refusal.reserved);
            let message = format!("{rule}: {used} used and {reserved} set aside of {limit}");
            let kind = if wait <= RETRY_MAX { Kind::RateLimited } else { Kind::QuotaExceeded };
            if kind == Kind::QuotaExceeded {
                refusal.retry_after = None;
            }
            Error::new(kind, message).refused(refusal)
        }
        None if limit == 0 => {
            Error::new(Kind::QuotaExceeded, format!("{rule}: nothing is allowed")).refused(refusal)
        }
        None => {
            let message = format!("{rule}: the call alone is more than {limit}");
            Error::new(Kind::TooLarge, message).refused(refusal)
        }
    }
}

fn too_many(kind: OwnerKind, held: u64, max: u32) -> Error {
    let refusal = Refusal {
        rule: Str::from_static(match kind {
            OwnerKind::Level(Owner::Key) => "key calls in flight",
            OwnerKind::Level(Owner::User) => "user calls in flight",
            OwnerKind::Level(Owner::Feature) => "feature calls in flight",
            OwnerKind::Level(Owner::Team) => "team calls in flight",
            OwnerKind::Level(Owner::Org) => "org calls in flight",
            OwnerKind::Level(Owner::Tenant) => "tenant calls in flight",
            OwnerKind::Level(Owner::Operator) => "operator calls in flight",
            OwnerKind::Model => "model calls in flight",
        }),
        limit: u64::from(max),
        used: held,
        reserved: 0,
        resets_at: None,
        retry_after: Some(FLIGHT_WAIT),
    };
    Error::new(Kind::RateLimited, "too many calls of this owner are running").refused(refusal)
}

fn uncounted(why: Uncounted) -> Error {
    match why {
        Uncounted::Full => Error::new(Kind::Busy, "too many owners have limits that count"),
        Uncounted::Rule => Error::new(Kind::Internal, "a limit has numbers that cannot be counted"),
    }
}

#[cfg(test)]
mod hand_clock;
#[cfg(test)]
mod tests;
