//! What the ledger must say, whatever has happened: read from its tables, beside the proxy.

use std::collections::{HashMap, HashSet};

use llm_core::money::Money;
use sqlx::{AnyConnection, Connection as _, Row as _};

use crate::crowd::Seen;

/// The rows, as they are now.
#[derive(Debug, Default)]
pub(crate) struct Books {
    /// By hold, in hexadecimal digits: what its accounts paid.
    pub(crate) holds: HashMap<String, i64>,
    /// Accounts: owner, name, rule, limit, paid, leased.
    pub(crate) accounts: Vec<Account>,
}

#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) limit: Option<i64>,
    pub(crate) paid: i64,
    pub(crate) leased: i64,
    pub(crate) rule: String,
}

impl Books {
    pub(crate) async fn read(url: &str) -> Self {
        sqlx::any::install_default_drivers();
        let mut link = AnyConnection::connect(url).await.unwrap();
        let mut books = Self::default();
        let holds = sqlx::query("SELECT id, tenant FROM hold").fetch_all(&mut link).await.unwrap();
        for row in holds {
            let id: Vec<u8> = row.get(0);
            let id = id.iter().map(|byte| format!("{byte:02x}")).collect();
            assert!(books.holds.insert(id, row.get(1)).is_none(), "a hold stands there twice");
        }
        let text = "SELECT name, lim, paid, leased, rule FROM account WHERE owner <> 'operator'";
        for row in sqlx::query(text).fetch_all(&mut link).await.unwrap() {
            books.accounts.push(Account {
                name: row.get(0),
                limit: row.get(1),
                paid: row.get(2),
                leased: row.get(3),
                rule: row.get(4),
            });
        }
        link.close().await.unwrap();
        books
    }

    /// I-1: at every instant, whoever looks.
    pub(crate) fn within_limits(&self) {
        for account in &self.accounts {
            let Some(limit) = account.limit else { continue };
            assert!(account.paid + account.leased <= limit, "over its limit: {account:?}");
            assert!(account.paid >= 0 && account.leased >= 0, "less than nothing: {account:?}");
        }
    }

    /// Balances are what the holds say.
    pub(crate) fn adds_up(&self) {
        let all: i64 = self.holds.values().sum();
        // Each key has one account that counts everything, and one for its limit.
        let counted: i64 = self.accounts.iter().filter(|a| a.rule.is_empty()).map(|a| a.paid).sum();
        let limited: i64 =
            self.accounts.iter().filter(|a| !a.rule.is_empty()).map(|a| a.paid).sum();
        assert_eq!((counted, limited), (all, all), "accounts and holds differ");
    }

    /// What callers have seen finished is there, once, at the price that they were told.
    pub(crate) fn knows(&self, seen: &[Seen]) {
        for one in seen.iter().filter(|one| one.finished && !one.refused) {
            let id = one.id.as_deref().unwrap();
            let hold = hold(id);
            let posted = self.holds.get(&hold);
            let Some(posted) = posted else { panic!("finished and not in the ledger: {one:?}") };
            if one.cached {
                assert_eq!(*posted, 0, "{one:?}");
            } else {
                assert!(*posted > 0, "used and not paid: {one:?}");
            }
            if let Some(cost) = &one.cost {
                assert_eq!(Money(*posted).to_string(), *cost, "{one:?}");
            }
        }
        // Who was refused pays nothing.
        for one in seen.iter().filter(|one| one.refused) {
            let posted = one.id.as_deref().and_then(|id| self.holds.get(&hold(id)));
            assert!(posted.is_none_or(|posted| *posted == 0), "refused and paid: {one:?}");
        }
    }

    /// What the upstream was asked is paid for by somebody: of calls whose ids were never heard,
    /// there are as many holds that nobody claims.
    pub(crate) fn covers(&self, seen: &[Seen], asked: &[String]) {
        let known: HashMap<&str, &Seen> = seen
            .iter()
            .filter(|one| one.id.is_some() && !one.cached)
            .map(|one| (one.words.as_str(), one))
            .collect();
        let claimed: HashSet<String> =
            seen.iter().filter_map(|one| one.id.as_deref()).map(hold).collect();
        let mut unknown = 0;
        for words in asked {
            match known.get(words.as_str()) {
                Some(one) => {
                    let id = hold(one.id.as_deref().unwrap());
                    let posted = self.holds.get(&id).copied();
                    assert!(
                        one.refused || posted.is_some_and(|posted| posted > 0),
                        "the upstream was asked and nobody pays: {one:?}, {posted:?}"
                    );
                }
                None => unknown += 1,
            }
        }
        let nobodys =
            self.holds.iter().filter(|(id, paid)| !claimed.contains(*id) && **paid > 0).count();
        assert!(nobodys >= unknown, "{unknown} calls without a head, and {nobodys} are paid for");
    }
}

/// A call's id as the ledger writes it.
fn hold(id: &str) -> String {
    const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let number = id.bytes().fold(0u128, |number, digit| {
        let value = DIGITS.iter().position(|d| *d == digit).unwrap();
        number << 5 | u128::try_from(value).unwrap()
    });
    format!("{number:032x}")
}
