//! Who should hear of what happened to a wallet: written with it, so that nobody hears of what did
//! not happen, and everybody of what did.

use llm_core::money::{Credits, Unit};
use llm_core::quota::WindowId;
use llm_core::wallet::Cause;
use llm_core::wallet::alert::{Threshold, crossed};

use super::line::{maybe_instant, source_word};
use super::open::{Access, Open};
use super::steps::{Act, Taken};
use super::{NotDone, Terms, WalletId, Wallets, funds, may_watch};
use crate::sql::database::{Arg, Session};
use crate::sql::fault::Failure;
use crate::webhooks::{CREDITS_GRANTED, CREDITS_LOW, Event, Facts};

const ALERTS: &str = "SELECT level, fired_from, fired_to FROM wallet_alert WHERE wallet = $1";
const ALERT: &str = "INSERT INTO wallet_alert (wallet, level, fired_from, fired_to) \
     VALUES ($1, $2, $3, $4) ON CONFLICT (wallet, level) \
     DO UPDATE SET fired_from = excluded.fired_from, fired_to = excluded.fired_to";
const FORGET: &str = "DELETE FROM wallet_alert WHERE wallet = $1";
const WATCHED: &str = "UPDATE wallet SET watched = $2 WHERE id = $1";

/// Tells of what the entries of a step mean.
pub(super) async fn tell(
    open: &Open,
    session: &mut Session<'_>,
    terms: &Terms,
) -> Result<(), Failure> {
    let instant = open.now;
    let (available, left) = (open.wallet.available(instant), funds(&open.wallet));
    let (tenant, kind, name) = (&*open.name.tenant.0, open.name.kind(), open.name.name());
    let facts = |credits, source| Facts::of_wallet(tenant, kind, &name, credits, source, available);
    for entry in &open.entries {
        if let Cause::Grant { event, source, .. } = &entry.cause {
            let told = facts(entry.left, Some(source_word(*source)));
            let key = format!("{}/{event}", open.id);
            terms.outbox.put(session, &Event::new(CREDITS_GRANTED, &key, instant, &told)?).await?;
        }
    }
    if !terms.outbox.wants(CREDITS_LOW) || (terms.low.is_empty() && !open.watched) {
        return Ok(());
    }
    let period = open.enrolled.period_at(instant);
    let period = period.unwrap_or_else(|| terms.months.window_at(instant));
    let stored = stored(open, session).await?;
    let mut now = if open.watched { stored.clone() } else { of_all(&terms.low, &stored) };
    let fired = crossed(open.before, left, &mut now, period);
    for threshold in now.iter().filter(|threshold| !stored.contains(threshold)) {
        write(open.id, threshold, session).await?;
    }
    for level in fired {
        // The entry's number: after the next crossing it is another one.
        let key = format!("{}/{}/{}", open.id, level.pieces(), open.seq);
        let told = facts(level, None);
        terms.outbox.put(session, &Event::new(CREDITS_LOW, &key, instant, &told)?).await?;
    }
    Ok(())
}

/// The thresholds that hold for all, with what this wallet was told of.
fn of_all(levels: &[Credits], stored: &[Threshold]) -> Vec<Threshold> {
    let known = |level: &Credits| stored.iter().find(|threshold| threshold.at == *level).copied();
    levels.iter().map(|level| known(level).unwrap_or_else(|| Threshold::new(*level))).collect()
}

async fn stored(open: &Open, session: &mut Session<'_>) -> Result<Vec<Threshold>, Failure> {
    let mut found = Vec::new();
    for row in session.all(ALERTS, &[open.id.into()]).await? {
        let span = (maybe_instant(row.maybe_int(1)?)?, maybe_instant(row.maybe_int(2)?)?);
        let fired = match span {
            (Some(start), Some(end)) => Some(WindowId { start, end }),
            (None, _) | (_, None) => None,
        };
        found.push(Threshold { at: Credits::from_pieces(row.int(0)?), fired });
    }
    Ok(found)
}

async fn write(
    wallet: i64,
    threshold: &Threshold,
    session: &mut Session<'_>,
) -> Result<(), Failure> {
    let from = threshold.fired.map(|period| period.start.as_microsecond());
    let to = threshold.fired.map(|period| period.end.as_microsecond());
    let args = [wallet.into(), threshold.at.pieces().into(), Arg::from(from), to.into()];
    session.run(ALERT, &args).await?;
    Ok(())
}

impl Wallets {
    /// Gives a wallet thresholds of its own, or takes them away again.
    pub async fn watch(&self, of: &WalletId, levels: Option<Vec<Credits>>) -> Result<(), NotDone> {
        may_watch(levels.as_deref().unwrap_or_default())?;
        self.change(of, Watch { levels }).await.map(|_| ())
    }
}

struct Watch {
    levels: Option<Vec<Credits>>,
}

impl Act for Watch {
    type Receipt = ();
    const ACCESS: Access = Access::Make;

    async fn act(
        &self,
        open: &mut Open,
        session: &mut Session<'_>,
        terms: &Terms,
    ) -> Result<Taken<()>, Failure> {
        let stored = stored(open, session).await?;
        let levels = self.levels.as_ref().unwrap_or(&terms.low);
        session.run(FORGET, &[open.id.into()]).await?;
        for threshold in of_all(levels, &stored) {
            write(open.id, &threshold, session).await?;
        }
        open.watched = self.levels.is_some();
        session.run(WATCHED, &[open.id.into(), i64::from(open.watched).into()]).await?;
        Ok(Ok(((), false)))
    }
}
