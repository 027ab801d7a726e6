//! What a plan grants every month, computed whenever a wallet is touched.

use llm_core::Str;
use llm_core::money::{Credits, Unit};
use llm_core::quota::{WindowId, Zone};
use llm_core::wallet::monthly::{Anchor, Monthly, Turn, prefix};

use super::line::instant;
use super::name::may_be_name;
use super::open::{Access, Open};
use super::steps::{Act, Taken};
use super::{NotDone, Terms, WalletId, Wallets};
use crate::sql::database::{Arg, Record, Session};
use crate::sql::fault::Failure;
use crate::sql::row::odd;

const ENROL: &str = "UPDATE wallet SET plan = $2, monthly = $3, periods = $4, since = $5, \
     turn = $6, zone = $7 WHERE id = $1";
const CALENDAR: &str = "calendar";
const ANNIVERSARY: &str = "anniversary";

/// A plan, and where its months begin for whoever has it as their first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrolment {
    /// What is granted every month.
    pub monthly: Monthly,
    /// Where a month begins. A wallet keeps what its first plan said.
    pub turn: Turn,
}

/// What a wallet knows of plans.
#[derive(Clone, Debug, Default)]
pub(super) struct Enrolled {
    monthly: Option<Monthly>,
    /// It stays when the plan goes.
    anchor: Option<(Anchor, Str, Zone)>,
}

impl Enrolled {
    /// The month of an instant by the wallet's own calendar.
    pub(super) fn period_at(&self, now: jiff::Timestamp) -> Option<WindowId> {
        self.anchor.as_ref().and_then(|(anchor, _, zone)| anchor.period_at(zone, now))
    }

    /// The plan.
    pub(super) fn plan(&self) -> Option<&Str> {
        self.monthly.as_ref().map(|monthly| &monthly.plan)
    }
}

/// Reads plan, monthly, periods, since, turn and zone, which begin at a column.
pub(super) fn enrolled_of(row: &Record, from: usize) -> Result<Enrolled, Failure> {
    let monthly = row.maybe_text(from)?.map(|plan| -> Result<_, Failure> {
        let periods = row.maybe_int(from + 2)?.map(|n| u8::try_from(n).ok()?.try_into().ok());
        let periods = match periods {
            None => None,
            Some(periods) => Some(periods.ok_or_else(|| odd("periods"))?),
        };
        let amount = Credits::from_pieces(row.int(from + 1)?);
        Ok(Monthly { plan: Str::from(plan), amount, periods })
    });
    let columns = (row.maybe_int(from + 3)?, row.maybe_text(from + 4)?, row.maybe_text(from + 5)?);
    let anchor = match columns {
        (Some(since), Some(turn), Some(zone)) => {
            let turn = match &*turn {
                CALENDAR => Turn::Calendar,
                ANNIVERSARY => Turn::Anniversary,
                _ => return Err(odd("turn").into()),
            };
            let found = Zone::get(&zone).map_err(|_| odd("zone"))?;
            Some((Anchor { since: instant(since)?, turn }, Str::from(zone), found))
        }
        (None, None, None) => None,
        _ => return Err(odd("since").into()),
    };
    Ok(Enrolled { monthly: monthly.transpose()?, anchor })
}

/// Grants this month, unless it was.
pub(super) async fn grant_due(open: &mut Open, session: &mut Session<'_>) -> Result<(), Failure> {
    let Enrolled { monthly: Some(monthly), anchor: Some((anchor, _, zone)) } = &open.enrolled
    else {
        return Ok(());
    };
    let (monthly, anchor, zone) = (monthly.clone(), *anchor, zone.clone());
    let Some(period) = anchor.period_at(&zone, open.now) else { return Ok(()) };
    open.recall_grants_under(session, &prefix(&period)).await?;
    let Some(grant) = monthly.due(&open.wallet, &anchor, &zone, open.now) else { return Ok(()) };
    match open.wallet.grant(grant, open.now) {
        Ok(step) => drop(open.took(step)),
        // It stays due, and must not stand in the way of what the wallet is touched for.
        Err(why) => tracing::warn!(plan = %monthly.plan, %why, "a month was not granted"),
    }
    Ok(())
}

impl Wallets {
    /// Moves a wallet to a plan, or off all. It takes effect at once; saying it again changes
    /// nothing.
    pub async fn set_plan(&self, of: &WalletId, plan: Option<Enrolment>) -> Result<(), NotDone> {
        if plan.as_ref().is_some_and(|plan| !may_be_name(&plan.monthly.plan)) {
            return Err(NotDone::Name);
        }
        self.change(of, Enrol { plan }).await.map(|_| ())
    }
}

struct Enrol {
    plan: Option<Enrolment>,
}

impl Act for Enrol {
    type Receipt = ();
    const ACCESS: Access = Access::Make;

    async fn act(
        &self,
        open: &mut Open,
        session: &mut Session<'_>,
        terms: &Terms,
    ) -> Result<Taken<()>, Failure> {
        let monthly = self.plan.as_ref().map(|plan| plan.monthly.clone());
        if open.enrolled.monthly == monthly {
            return Ok(Ok(((), true)));
        }
        if let (Some(plan), None) = (&self.plan, &open.enrolled.anchor) {
            let anchor = Anchor { since: open.now, turn: plan.turn };
            open.enrolled.anchor = Some((anchor, terms.zone_name.clone(), terms.zone.clone()));
        }
        open.enrolled.monthly = monthly;
        write(open, session).await?;
        grant_due(open, session).await?;
        Ok(Ok(((), false)))
    }
}

async fn write(open: &Open, session: &mut Session<'_>) -> Result<(), Failure> {
    let Enrolled { monthly, anchor } = &open.enrolled;
    let Some((anchor, zone, _)) = anchor else {
        return Err(odd("since").into());
    };
    let turn = match anchor.turn {
        Turn::Calendar => CALENDAR,
        Turn::Anniversary => ANNIVERSARY,
    };
    let monthly = monthly.as_ref();
    let args = [
        open.id.into(),
        monthly.map(|monthly| &*monthly.plan).into(),
        monthly.map_or(0, |monthly| monthly.amount.pieces()).into(),
        Arg::from(monthly.and_then(|m| m.periods).map(|periods| i64::from(periods.get()))),
        anchor.since.as_microsecond().into(),
        turn.into(),
        (&**zone).into(),
    ];
    session.run(ENROL, &args).await?;
    Ok(())
}
