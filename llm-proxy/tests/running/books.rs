//! The ledger's tables, read beside the proxy, and the laws that hold at every instant.

use std::collections::HashMap;

use sqlx::{AnyConnection, Connection as _, Row as _};

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
            let name = &account.name;
            assert!(
                account.paid + account.leased <= limit,
                "{name} is over its limit: {account:?}"
            );
            assert!(account.paid >= 0 && account.leased >= 0, "less than nothing: {account:?}");
        }
    }

    /// Balances are what the holds say.
    pub(crate) fn adds_up(&self) {
        let all: i64 = self.holds.values().sum();
        // Each key has one account that counts everything, and one for its limit where it has one.
        let (mut counted, mut limited) = (HashMap::new(), HashMap::new());
        for Account { name, rule, paid, .. } in &self.accounts {
            let of = if rule.is_empty() { &mut counted } else { &mut limited };
            *of.entry(name.as_str()).or_insert(0) += paid;
        }
        assert_eq!(counted.values().sum::<i64>(), all, "accounts and holds differ");
        for (name, paid) in limited {
            assert_eq!(Some(&paid), counted.get(name), "{name} is counted in two ways");
        }
    }
}

/// A call's id as the ledger writes it.
pub(crate) fn hold(id: &str) -> String {
    const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let number = id.bytes().fold(0u128, |number, digit| {
        let value = DIGITS.iter().position(|d| *d == digit).unwrap();
        number << 5 | u128::try_from(value).unwrap()
    });
    format!("{number:032x}")
}
