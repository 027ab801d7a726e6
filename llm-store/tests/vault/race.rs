//! Many owners on one account: whoever looks, whenever, never sees more than the limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use llm_core::ledger::AccountId;
use llm_core::store::vault::{Fold, Tenure};
use llm_core::store::{NotReserved, StoreError};

use crate::suite::{Place, Shared, ask, ended, key, sound, tenant, usd};

const OWNERS: usize = 24;
const LIMIT: i64 = 20_000;

/// Each takes credit, pays part of it and gives the rest back, until there is none.
pub(crate) async fn run(place: &dyn Place) {
    let vault = place.open().await;
    vault.set_limit(&tenant(), Some(usd(LIMIT))).await.unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let polls = tokio::spawn(poll(vault.clone(), done.clone()));
    let paid = Arc::new(AtomicI64::new(0));
    let mut owners = Vec::new();
    for index in 0..OWNERS {
        let (who, _) = vault.enter(&format!("replica {index}")).await.unwrap();
        owners.push(tokio::spawn(spend(vault.clone(), who, index, paid.clone())));
    }
    for owner in owners {
        owner.await.unwrap();
    }
    done.store(true, Ordering::SeqCst);
    let polls = polls.await.unwrap();
    assert!(polls > 10, "{polls} polls");
    let end = vault.balance(&tenant()).await.unwrap().unwrap();
    assert_eq!((end.settled.0, end.held.0), (paid.load(Ordering::SeqCst), 0));
    // What still fits is admitted to the piece, and not one more.
    let rest = LIMIT - end.settled.0;
    let (late, _) = vault.enter("late").await.unwrap();
    let more = vault.lease(&late, &[ask(tenant(), Some(LIMIT), [0, rest + 1, rest + 1])]).await;
    assert!(matches!(more, Err(NotReserved::Refused { .. })), "{more:?}");
    let all = vault.lease(&late, &[ask(tenant(), Some(LIMIT), [0, rest, rest])]).await;
    assert_eq!(all, Ok(vec![usd(rest)]));
    let audit = sound(&vault).await;
    assert_eq!(audit.accounts, 1 + OWNERS as u64);
    println!("{polls} polls, {} entries", audit.entries);
}

/// Owners that work while they are buried: each step of theirs is before it or refused, and what
/// they had is paid or given back to the piece.
pub(crate) async fn burials(place: &dyn Place) {
    let vault = place.open().await;
    for round in 0..6_u128 {
        let replica = format!("replica {round}");
        let (who, _) = vault.enter(&replica).await.unwrap();
        let used = round.is_multiple_of(2);
        let workers = (0..3).map(|n| tokio::spawn(work(vault.clone(), who.clone(), round * 9 + n)));
        let workers: Vec<_> = workers.collect();
        tokio::time::sleep(std::time::Duration::from_millis(40)).await;
        let next = if used {
            vault.bury(&who, used).await.unwrap();
            None
        } else {
            Some(vault.enter(&replica).await.unwrap())
        };
        let end = vault.balance(&tenant()).await.unwrap();
        for worker in workers {
            worker.await.unwrap();
        }
        assert_eq!(vault.balance(&tenant()).await.unwrap(), end, "a step after its owner's end");
        sound(&vault).await;
        if let Some((heir, left)) = next {
            let leased: i64 = left.iter().flat_map(|estate| &estate.leases).map(|l| l.1.0).sum();
            assert_eq!(end.unwrap_or_default().held.0, leased);
            vault.bury(&heir, false).await.unwrap();
        }
        assert_eq!(vault.balance(&tenant()).await.unwrap().unwrap_or_default().held.0, 0);
    }
    sound(&vault).await;
}

async fn work(vault: Shared, who: Tenure, worker: u128) {
    for turn in 0_u128.. {
        let asks = [ask(tenant(), None, [turn as i64 % 50, 5, 60])];
        let leased = vault.lease(&who, &asks).await;
        let batch =
            Fold { ended: vec![ended(worker << 64 | turn, 5, (1, 1), &[tenant()])], keeps: vec![] };
        for error in [leased.err(), vault.fold(&who, &batch).await.err().map(Into::into)] {
            match error {
                None | Some(NotReserved::Store(StoreError::Unavailable(_))) => {}
                Some(NotReserved::Store(StoreError::Conflict(_))) => return,
                // Three of them share one lease; one may have spent it before another.
                Some(NotReserved::Store(StoreError::Corrupt(_))) => {}
                Some(error) => panic!("{error}"),
            }
        }
        tokio::task::yield_now().await;
    }
}

async fn poll(vault: Shared, done: Arc<AtomicBool>) -> u32 {
    let mut polls = 0;
    while !done.load(Ordering::SeqCst) {
        let now = match vault.balance(&tenant()).await {
            Err(StoreError::Unavailable(_)) => continue,
            now => now.unwrap().unwrap(),
        };
        assert!(now.within().is_ok() && now.settled.0 + now.held.0 <= LIMIT, "{now:?}");
        polls += 1;
        tokio::task::yield_now().await;
    }
    polls
}

async fn spend(vault: Shared, who: Tenure, index: usize, paid: Arc<AtomicI64>) {
    let mine = key(&format!("k{index}"));
    let mut has = [0, 0];
    for turn in 0_u128.. {
        // In either order: it is the store's to lock in one.
        let mut path: Vec<(AccountId, i64, Option<i64>)> =
            vec![(mine.clone(), has[0], None), (tenant(), has[1], Some(LIMIT))];
        if turn.is_multiple_of(2) {
            path.reverse();
        }
        let asks: Vec<_> = path
            .iter()
            .map(|(id, has, limit)| ask(id.clone(), *limit, [*has, (40 - has).max(0), 400]))
            .collect();
        match vault.lease(&who, &asks).await {
            Ok(mut now) => {
                if turn.is_multiple_of(2) {
                    now.reverse();
                }
                has = [now[0].0, now[1].0];
            }
            Err(NotReserved::Refused { account, .. }) => {
                assert_eq!(account, Some(tenant()));
                break;
            }
            // Too many at once for this machine: what is asked again is not granted twice.
            Err(NotReserved::Store(StoreError::Unavailable(_))) => continue,
            Err(NotReserved::Store(error)) => panic!("{error}"),
        }
        let hold = (index as u128) << 64 | turn;
        let cost = 1 + i64::try_from((turn * 7 + index as u128) % 40).unwrap();
        let end = ended(hold, 40, (cost, 0), &[tenant(), mine.clone()]);
        has = has.map(|has| has - cost);
        let batch = Fold { ended: vec![end], keeps: vec![(tenant(), usd(has[1] / 2))] };
        has[1] /= 2;
        for _ in 0..1 + turn % 2 {
            carry(&vault, &who, &batch).await;
        }
        paid.fetch_add(cost, Ordering::SeqCst);
        tokio::task::yield_now().await;
    }
    let keeps = vec![(tenant(), usd(0)), (mine, usd(0))];
    carry(&vault, &who, &Fold { ended: Vec::new(), keeps }).await;
}

async fn carry(vault: &Shared, who: &Tenure, batch: &Fold) {
    loop {
        match vault.fold(who, batch).await {
            Ok(()) => break,
            Err(StoreError::Unavailable(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}
