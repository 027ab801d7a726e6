//! Bringing back what a wallet no longer remembers: every step is preceded by the records that it
//! names, or it would happen twice.

use llm_core::Str;
use llm_core::ledger::HoldId;
use llm_core::money::{Credits, Unit};
use llm_core::store::StoreError;
use llm_core::wallet::{Charge, Grant, Granted, Part, Record, Refunded};

use super::line::{bucket_of, hold_bytes, hold_of, instant, maybe_instant, source_of};
use super::open::Open;
use crate::sql::database::{self, Session};
use crate::sql::fault::Failure;
use crate::sql::row::odd;

const GRANTED: &str = "SELECT at, event, rest, source, expires_at, bucket FROM wallet_entry \
     WHERE wallet = $1 AND kind = 'grant' AND event = $2";
const GRANTED_UNDER: &str = "SELECT at, event, rest, source, expires_at, bucket FROM wallet_entry \
     WHERE wallet = $1 AND kind = 'grant' AND event >= $2 AND event < $3";
const REFUNDED: &str = "SELECT at, hold, rest FROM wallet_entry \
     WHERE wallet = $1 AND kind = 'refund' AND event = $2 ORDER BY seq";
const ENDED: &str = "SELECT ended_at, charged, released, lapsed, refunded FROM wallet_hold \
     WHERE wallet = $1 AND id = $2 AND ended_at IS NOT NULL";
const PARTS: &str = "SELECT b.source, b.expires_at, e.spent FROM wallet_entry e \
     JOIN wallet_bucket b ON b.wallet = e.wallet AND b.id = e.bucket \
     WHERE e.wallet = $1 AND e.hold = $2 AND e.kind = 'settle' AND e.spent > 0 ORDER BY e.seq";

fn credits(row: &database::Record, at: usize) -> Result<Credits, Failure> {
    Ok(Credits::from_pieces(row.int(at)?))
}

fn granted(row: &database::Record) -> Result<Record, Failure> {
    let grant = Grant {
        event: Str::from(row.text(1)?),
        amount: credits(row, 2)?,
        source: source_of(&row.text(3)?)?,
        expires_at: maybe_instant(row.maybe_int(4)?)?,
    };
    Ok(Record::Granted(Granted {
        at: instant(row.int(0)?)?,
        grant,
        bucket: bucket_of(row.int(5)?)?,
    }))
}

impl Open {
    /// A grant, by its event.
    pub(super) async fn recall_grant(
        &mut self,
        session: &mut Session<'_>,
        event: &str,
    ) -> Result<(), Failure> {
        if let Some(row) = session.one(GRANTED, &[self.id.into(), event.into()]).await? {
            self.wallet.recall(granted(&row)?);
        }
        Ok(())
    }

    /// All grants whose event begins so. The prefix is ASCII, and does not end in its last letter.
    pub(super) async fn recall_grants_under(
        &mut self,
        session: &mut Session<'_>,
        prefix: &str,
    ) -> Result<(), Failure> {
        let mut after = prefix.to_owned();
        let last = after.pop().and_then(|c| char::from_u32(u32::from(c) + 1));
        after.push(last.ok_or_else(|| odd("event"))?);
        let args = [self.id.into(), prefix.into(), after.as_str().into()];
        for row in session.all(GRANTED_UNDER, &args).await? {
            self.wallet.recall(granted(&row)?);
        }
        Ok(())
    }

    /// A refund, by its event.
    pub(super) async fn recall_refund(
        &mut self,
        session: &mut Session<'_>,
        event: &str,
    ) -> Result<(), Failure> {
        let rows = session.all(REFUNDED, &[self.id.into(), event.into()]).await?;
        let Some(first) = rows.first() else { return Ok(()) };
        let mut amount = Credits::ZERO;
        for row in &rows {
            amount = amount.saturating_add(credits(row, 2)?);
        }
        let hold = first.maybe_bytes(1)?.ok_or_else(|| odd("hold"))?;
        self.wallet.recall(Record::Refunded(Refunded {
            at: instant(first.int(0)?)?,
            event: Str::from(event.to_owned()),
            charge: hold_of(&hold)?,
            amount,
        }));
        Ok(())
    }

    /// A hold that has ended, by its id.
    pub(super) async fn recall_charge(
        &mut self,
        session: &mut Session<'_>,
        hold: HoldId,
    ) -> Result<(), Failure> {
        if self.wallet.hold(hold).is_some() || self.wallet.charge(hold).is_some() {
            return Ok(());
        }
        if let Some(charge) = charge(session, self.id, hold).await? {
            self.wallet.recall(Record::Charged(charge));
        }
        Ok(())
    }
}

/// What became of a hold; `None` while it is open, or where there is none.
pub(super) async fn charge(
    session: &mut Session<'_>,
    wallet: i64,
    hold: HoldId,
) -> Result<Option<Charge>, Failure> {
    let bytes = hold_bytes(hold);
    let args = [wallet.into(), (&bytes[..]).into()];
    let Some(row) = session.one(ENDED, &args).await? else { return Ok(None) };
    let mut parts = Vec::new();
    for part in session.all(PARTS, &args).await? {
        let (source, expires_at) = (source_of(&part.text(0)?)?, maybe_instant(part.maybe_int(1)?)?);
        parts.push(Part { source, expires_at, amount: credits(&part, 2)? });
    }
    let charge = Charge {
        hold,
        at: instant(row.int(0)?)?,
        charged: credits(&row, 1)?,
        released: credits(&row, 2)?,
        lapsed: credits(&row, 3)?,
        refunded: credits(&row, 4)?,
        parts,
    };
    let sum = charge.parts.iter().fold(Credits::ZERO, |sum, p| sum.saturating_add(p.amount));
    if sum == charge.charged {
        Ok(Some(charge))
    } else {
        Err(StoreError::from(llm_core::ledger::rules::Violation::Journal).into())
    }
}
