use super::*;

#[test]
fn never_more_than_the_cap_and_none_when_all_are_gone() {
    let flight = Arc::new(Flight::new(2));
    let (a, b) = (flight.take(), flight.take());
    assert!(a.is_some() && b.is_some() && flight.take().is_none());
    drop(a);
    assert_eq!(flight.held(), 1);
    flight.set_max(1);
    assert!(flight.take().is_none(), "a lowered cap lets nobody join");
    drop(b);
    assert!(flight.take().is_some());
    assert_eq!(flight.held(), 0);
}

#[test]
fn threads_never_hold_more_than_the_cap() {
    let flight = Arc::new(Flight::new(3));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20_000 {
                    let slot = flight.take();
                    assert!(flight.held() <= 3);
                    drop(slot);
                }
            });
        }
    });
    assert_eq!(flight.held(), 0);
}

#[tokio::test]
async fn a_hundred_thousand_aborted_calls_hold_nothing() {
    let flight = Arc::new(Flight::new(u32::MAX));
    for _ in 0..100 {
        let tasks: Vec<_> = (0..1_000)
            .map(|_| {
                let flight = Arc::clone(&flight);
                tokio::spawn(async move {
                    let _slot = flight.take();
                    std::future::pending::<()>().await;
                })
            })
            .collect();
        tokio::task::yield_now().await;
        assert!(flight.held() > 0);
        tasks.iter().for_each(tokio::task::JoinHandle::abort);
        for task in tasks {
            assert!(task.await.unwrap_err().is_cancelled());
        }
    }
    assert_eq!(flight.held(), 0);
}
