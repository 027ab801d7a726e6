//! Two replicas at once: one of them is first, whatever they do.

use std::time::Duration;

use llm_core::store::Shown;
use llm_store::directory::{About, By, Ensured, NotDone, Turn};
use llm_store::keys::{Draft, NotRotated, NotUsable};

use crate::place::*;

const HOUR: Duration = Duration::from_secs(3_600);
const ROUNDS: u32 = 20;

async fn all(place: &dyn Place) {
    rotations(place).await;
    revocations(place).await;
    issues(place).await;
    admins(place).await;
}

/// Of two rotations of a key one happens, and the line has one head.
async fn rotations(place: &dyn Place) {
    let (here, there) = (place.open().await, place.open().await);
    people(&here).await;
    let operator = By::Operator;
    for round in 0..ROUNDS {
        let [old, a, b] = [0, 1, 2].map(|n| 10_000 + round * 10 + n);
        issue(&here, old, Draft::new(of_user("ann"))).await;
        let (one, other) = tokio::join!(
            here.rotate(&operator, id(old), minted(a), HOUR),
            there.rotate(&operator, id(old), minted(b), HOUR),
        );
        let (won, lost, gone) = match (&one, &other) {
            (Ok(won), Err(lost)) => (won, lost, b),
            (Err(lost), Ok(won)) => (won, lost, a),
            both => panic!("{both:?}"),
        };
        assert_eq!(*lost, NotDone::NotRotated(NotRotated::Replaced(won.record.id.clone())));
        assert_eq!(shown(&there, gone).await, Shown::Unknown);
        granted(&there, old).await;
    }
}

/// A key that is rotated and revoked at once: its line is gone, or the one that replaced it stands
/// and is known to.
async fn revocations(place: &dyn Place) {
    let (here, there) = (place.open().await, place.open().await);
    let operator = By::Operator;
    for round in 0..ROUNDS {
        let [old, new] = [0, 1].map(|n| 20_000 + round * 10 + n);
        issue(&here, old, Draft::new(of_user("ann"))).await;
        let (rotated, revoked) = tokio::join!(
            here.rotate(&operator, id(old), minted(new), HOUR),
            there.turn(&operator, id(old), Turn::Revoke),
        );
        revoked.unwrap();
        assert_eq!(shown(&here, old).await, Shown::Unknown);
        match rotated {
            Ok(_) => drop(granted(&there, new).await),
            Err(why) => {
                assert_eq!(why, NotDone::NotUsable(NotUsable::Revoked));
                assert_eq!(shown(&there, new).await, Shown::Unknown);
            }
        }
    }
}

/// Issued by a key that is revoked at once: what came about does not work.
async fn issues(place: &dyn Place) {
    let (here, there) = (place.open().await, place.open().await);
    for round in 0..ROUNDS {
        let [by, below] = [0, 1].map(|n| 30_000 + round * 10 + n);
        issue(&here, by, admin(of_team("red"))).await;
        let issuer = By::Key(id(by));
        let (issued, revoked) = tokio::join!(
            here.issue(&issuer, Draft::new(of_user("ann")), minted(below), About::default()),
            there.turn(&By::Operator, id(by), Turn::Revoke),
        );
        revoked.unwrap();
        if let Err(why) = issued {
            assert_eq!(why, NotDone::NotUsable(NotUsable::Revoked));
        }
        assert_eq!(shown(&here, below).await, Shown::Unknown);
        // The same key by two at once is one.
        let same = 40_000 + round;
        let draft = || Draft::new(of_team("red"));
        let by = By::Operator;
        let make = |directory| issue_by(directory, &by, same, draft());
        let (one, other) = tokio::join!(make(&here), make(&there));
        assert_eq!(one.unwrap(), other.unwrap());
    }
}

async fn admins(place: &dyn Place) {
    let (here, there) = (place.open().await, place.open().await);
    let (one, other) =
        tokio::join!(here.ensure_admin(minted(1).print), there.ensure_admin(minted(2).print),);
    let made = [one, other].into_iter().filter(|made| *made == Ok(Ensured::Made)).count();
    assert_eq!(made, 1);
}

#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread")]
async fn in_a_file() {
    all(&InFile::new()).await;
}

#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread")]
async fn in_postgres() {
    let Some(server) = crate::server::Server::shared() else { return };
    all(&InDatabase::new(&server).await).await;
}
