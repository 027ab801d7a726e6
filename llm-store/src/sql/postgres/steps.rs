//! The steps of the ledger, each by a function of the database or by two in one transaction.

mod carry;

use std::marker::PhantomData;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use llm_core::ledger::rules::{Account, Refused};
use llm_core::ledger::{AccountId, HoldId, Settlement};
use llm_core::money::Unit;
use llm_core::store::Audit;
use llm_core::store::vault::{Estate, Fold, LeaseAsk, Tenure};
use sqlx::{FromRow, PgConnection, query, query_as};

use super::link::Step;
use super::reads;
use crate::grant::{LIVES_MAX, fenced};
use crate::sql::chain::genesis;
use crate::sql::fault::Failure;
use crate::sql::row::{account_id, epoch_of, key, micros_of, odd};

/// A step as a value, that can be done again.
macro_rules! step {
    ($Name:ident { $($field:ident: $Field:ty),* } -> $Out:ty = $does:path) => {
        pub(super) struct $Name<'a, U: Unit> {
            $(pub(super) $field: $Field,)*
            pub(super) unit: PhantomData<&'a U>,
        }

        impl<U: Unit> Step for $Name<'_, U> {
            type Out = $Out;

            async fn run(&self, connection: &mut PgConnection) -> Result<$Out, Failure> {
                $does(connection, $(self.$field),*).await
            }
        }
    };
}

step!(Enter { replica: &'a str } -> (Tenure, Vec<Estate<U>>) = enter);
step!(Beat { who: &'a Tenure, lives: Duration } -> () = beat::<U>);
step!(Leasing { who: &'a Tenure, asks: &'a [LeaseAsk<U>] } -> Lease<U> = lease);
step!(Carry { who: &'a Tenure, batch: &'a Fold<U> } -> () = carry::fold);
step!(Bury { who: &'a Tenure, used: bool } -> () = carry::bury::<U>);
step!(SetLimit { account: &'a AccountId, limit: Option<U> } -> () = set_limit);
step!(Silent { since: Duration } -> Vec<Estate<U>> = reads::silent);
step!(Ends { hold: HoldId } -> Option<Settlement<U>> = reads::ended);
step!(Balance { account: &'a AccountId } -> Option<Account<U>> = reads::balance);
step!(Verify { steps: &'a AtomicU64 } -> Audit = reads::whole::<U>);

/// Accounts as columns of arrays.
#[derive(Default)]
struct Keys {
    owner: Vec<&'static str>,
    name: Vec<String>,
    rule: Vec<String>,
    span: Vec<String>,
}

impl<'a> FromIterator<&'a AccountId> for Keys {
    fn from_iter<I: IntoIterator<Item = &'a AccountId>>(accounts: I) -> Self {
        let mut keys = Self::default();
        for account in accounts {
            let key = key(account);
            keys.owner.push(key.owner);
            keys.name.push(key.name.to_owned());
            keys.rule.push(key.rule.to_owned());
            keys.span.push(key.span);
        }
        keys
    }
}

/// An epoch, and one account that it finds leased, if any.
type Entered = (i64, Option<String>, Option<String>, Option<String>, Option<String>, Option<i64>);

async fn enter<U: Unit>(
    connection: &mut PgConnection,
    replica: &str,
) -> Result<(Tenure, Vec<Estate<U>>), Failure> {
    let rows: Vec<Entered> = query_as("SELECT * FROM vault_enter($1, $2)")
        .bind(U::NAME)
        .bind(replica)
        .fetch_all(connection)
        .await?;
    let epoch =
        rows.first().and_then(|row| u64::try_from(row.0).ok()).ok_or_else(|| odd("epoch"))?;
    let mut leases = Vec::new();
    for row in &rows {
        if let (_, Some(owner), Some(name), Some(rule), Some(span), Some(amount)) = row {
            leases.push((account_id((owner, name, rule, span))?, U::from_pieces(*amount)));
        }
    }
    leases.sort_unstable();
    let who = |epoch| Tenure { replica: replica.into(), epoch };
    let mut left = Vec::new();
    if !leases.is_empty() {
        left.push(Estate { of: who(epoch - 1), leases });
    }
    Ok((who(epoch), left))
}

const BEAT: &str = "UPDATE owner SET heard = vault_now(), lives = vault_now() + $4 \
     WHERE unit = $1 AND replica = $2 AND epoch = $3 AND buried < epoch";

async fn beat<U: Unit>(
    connection: &mut PgConnection,
    who: &Tenure,
    lives: Duration,
) -> Result<(), Failure> {
    let done = query(BEAT)
        .bind(U::NAME)
        .bind(&*who.replica)
        .bind(epoch_of(who.epoch))
        .bind(micros_of(lives.min(LIVES_MAX)))
        .execute(connection)
        .await?;
    if done.rows_affected() == 1 { Ok(()) } else { Err(fenced().into()) }
}

const SET_LIMIT: &str = "INSERT INTO account (unit, owner, name, rule, span, lim, head) \
     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (unit, owner, name, rule, span) \
     DO UPDATE SET lim = excluded.lim WHERE account.lim IS DISTINCT FROM excluded.lim";

async fn set_limit<U: Unit>(
    connection: &mut PgConnection,
    account: &AccountId,
    limit: Option<U>,
) -> Result<(), Failure> {
    let key = key(account);
    query(SET_LIMIT)
        .bind(U::NAME)
        .bind(key.owner)
        .bind(key.name)
        .bind(key.rule)
        .bind(key.span)
        .bind(limit.map(U::pieces))
        .bind(&genesis(U::NAME, account)[..])
        .execute(connection)
        .await?;
    Ok(())
}

/// What the database says to an ask.
#[derive(FromRow)]
struct Leased {
    status_: i32,
    place_: Option<i32>,
    limit_: Option<i64>,
    paid_: Option<i64>,
    leased_: Option<i64>,
    asked_: Option<i64>,
    has_: Option<Vec<i64>>,
}

const LEASE: &str =
    "SELECT * FROM vault_lease($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";

/// How much the owner has of each; or which ask was refused, and why.
type Lease<U> = Result<Vec<U>, (usize, Refused<U>)>;

async fn lease<U: Unit>(
    connection: &mut PgConnection,
    who: &Tenure,
    asks: &[LeaseAsk<U>],
) -> Result<Lease<U>, Failure> {
    // Answers are in the order of the asks, locks in the order of the accounts.
    let mut order: Vec<usize> = (0..asks.len()).collect();
    order.sort_unstable_by_key(|at| asks.get(*at).map(|ask| &ask.account));
    let order: Vec<i32> = order.into_iter().flat_map(|at| i32::try_from(at + 1)).collect();
    let keys: Keys = asks.iter().map(|ask| &ask.account).collect();
    let heads: Vec<_> = asks.iter().map(|ask| genesis(U::NAME, &ask.account).to_vec()).collect();
    let pieces = |of: fn(&LeaseAsk<U>) -> U| -> Vec<i64> {
        asks.iter().map(|ask| of(ask).pieces()).collect()
    };
    let limits: Vec<_> = asks.iter().map(|ask| ask.limit.map(U::pieces)).collect();
    let answer: Leased = query_as(LEASE)
        .bind(U::NAME)
        .bind(&*who.replica)
        .bind(epoch_of(who.epoch))
        .bind(order)
        .bind(keys.owner)
        .bind(keys.name)
        .bind(keys.rule)
        .bind(keys.span)
        .bind(heads)
        .bind(limits)
        .bind(pieces(|ask| ask.has))
        .bind(pieces(|ask| ask.least))
        .bind(pieces(|ask| ask.like))
        .fetch_one(connection)
        .await?;
    read(answer, asks.len())
}

fn read<U: Unit>(answer: Leased, asks: usize) -> Result<Lease<U>, Failure> {
    let Leased { status_, place_, limit_, paid_, leased_, asked_, has_ } = answer;
    let number = |of: Option<i64>| of.map(U::from_pieces).ok_or_else(|| odd("lease"));
    match (status_, has_) {
        (0, _) => Err(fenced().into()),
        (1, Some(has)) if has.len() == asks => {
            Ok(Ok(has.into_iter().map(U::from_pieces).collect()))
        }
        (2, _) => {
            let place = place_.and_then(|place| usize::try_from(place).ok());
            let account = place.ok_or_else(|| odd("lease"))?;
            let (limit, settled) = (number(limit_)?, number(paid_)?);
            let (held, asked) = (number(leased_)?, number(asked_)?);
            Ok(Err((account, Refused::Exhausted { account, limit, settled, held, asked })))
        }
        _ => Err(odd("lease").into()),
    }
}
