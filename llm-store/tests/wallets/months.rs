//! What months come to, against the lines themselves.

use jiff::Timestamp;
use llm_core::ledger::HoldId;
use llm_core::money::Credits;
use llm_core::quota::WindowId;
use llm_core::wallet::{Cause, Refund};
use llm_store::wallets::{Filter, Line, Settings, Wallets};

use crate::place::{Place, sound, user};
use crate::suite::{ask, credits, gift, job, later};

const DAY: i64 = 86_400;

/// Granted, spent, refunded and ended in a month.
fn sums(lines: &[Line], month: WindowId) -> [Credits; 4] {
    let mut sums = [Credits(0); 4];
    for Line { entry, .. } in lines {
        if entry.at < month.start || entry.at >= month.end {
            continue;
        }
        let (of, moved) = match entry.cause {
            Cause::Grant { .. } => (0, entry.left.0),
            Cause::Settle(_) => (1, entry.spent.0),
            Cause::Refund { .. } => (2, -entry.spent.0),
            Cause::Expire { .. } => (3, -entry.left.0),
            Cause::Reserve(_) | Cause::Release(_) => continue,
        };
        sums[of].0 += moved;
    }
    sums
}

/// A step of each kind, around the ends of months of several time zones.
async fn busy_around_ends_of_months(place: &Place, wallets: &Wallets) {
    let who = user("u");
    let edges = ["2027-01-31T18:00:00Z", "2027-02-28T18:00:00Z", "2027-03-31T15:00:00Z"];
    for (number, edge) in (0_u128..).zip(edges) {
        let edge: Timestamp = edge.parse().unwrap();
        for (part, minutes) in (0..).zip([-61, -31, -29, 0, 29, 31, 61]) {
            place.set(edge.as_microsecond() + minutes * 60_000_000).await;
            let event = format!("{number}/{part}");
            let ends = Some(later(place, DAY));
            wallets.grant(&who, gift(&event, 10 + part, ends)).await.unwrap();
            let hold = number * 10 + u128::try_from(part).unwrap();
            wallets.reserve(&who, ask(hold, 5, job())).await.unwrap();
            wallets.settle(&who, HoldId(hold), credits(4)).await.unwrap();
            let back = Refund {
                event: event.into(),
                charge: HoldId(hold),
                amount: credits(1),
                usable_until: ends,
            };
            wallets.refund(&who, back).await.unwrap();
        }
    }
}

/// Where months begin in the middle of an hour, and on it; and when what is known of the hours was
/// made of lines that were there before.
pub(crate) async fn a_month_is_the_sum_of_its_lines(place: &Place) {
    let (wallets, who) = (place.wallets().await, user("u"));
    busy_around_ends_of_months(place, &wallets).await;
    let remake = match place.is_file() {
        true => "DROP TRIGGER wallet_entry_in_its_hour",
        false => {
            "DROP TRIGGER wallet_entry_in_its_hour ON wallet_entry; \
             DROP FUNCTION wallet_hour_added"
        }
    };
    for made_anew in [false, true] {
        if made_anew {
            let log = "CREATE INDEX request_tagged ON request (at, id); DROP TABLE request_label";
            place.raw(&format!("{remake}; DROP TABLE wallet_hour; {log}")).await;
            place.raw("DELETE FROM _sqlx_migrations WHERE version = 53").await;
        }
        for zone in ["Asia/Kolkata", "Asia/Seoul", "America/St_Johns", "UTC"] {
            let settings = Settings { zone: zone.into(), ..Settings::default() };
            let wallets = Wallets::new(place.database().await, settings).unwrap();
            let lines = wallets.history(&who, Filter::default(), None, 500).await.unwrap().lines;
            let begin = "2027-01-15T00:00:00Z".parse().unwrap();
            for month in wallets.months(&who, begin, later(place, 60 * DAY)).await.unwrap() {
                let told = [month.granted, month.spent, month.refunded, month.ended];
                assert_eq!(told, sums(&lines, month.period), "{zone}, {:?}", month.period);
            }
            sound(&wallets).await;
        }
    }
}
