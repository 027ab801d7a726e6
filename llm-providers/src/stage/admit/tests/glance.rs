//! What is refused before anybody reads it, and what is not.

use super::*;

fn look(house: &Admission, grant: &Grant) -> Result<(), Error> {
    house.glance(grant, &OwnerRules::default(), Priority::Default)
}

#[tokio::test(start_paused = true)]
async fn who_has_nothing_left_is_told_so_at_once_and_one_in_a_second_goes_the_whole_way() {
    let house = admission(10, RuntimeClock::new());
    let (spent, other) = (grant("k", &["2/hour"]), grant("other", &["2/hour"]));
    let rules = OwnerRules::default();
    for _ in 0..2 {
        assert!(look(&house, &spent).is_ok());
        drop(house.enter(entrant(&house, &spent, &rules)).await.unwrap());
    }
    assert!(look(&house, &spent).is_ok(), "nobody has been refused yet");
    let whole = house.enter(entrant(&house, &spent, &rules)).await.unwrap_err();
    for _ in 0..3 {
        assert!(look(&house, &spent).is_ok(), "the first of its second");
        for _ in 0..100 {
            let error = look(&house, &spent).unwrap_err();
            assert_eq!((error.kind(), error.message()), (whole.kind(), whole.message()));
            assert_eq!(error.refusal().unwrap().resets_at, whole.refusal().unwrap().resets_at);
        }
        assert!(look(&house, &other).is_ok(), "it is not theirs");
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    let more = grant("k", &["3/hour"]);
    assert!(look(&house, &more).is_ok() && look(&house, &more).is_ok(), "another limit holds");
    drop(house.enter(entrant(&house, &more, &rules)).await.unwrap());
    tokio::time::advance(Duration::from_secs(3_700)).await;
    assert!(look(&house, &spent).is_ok() && look(&house, &spent).is_ok(), "another hour");
}

#[tokio::test(start_paused = true)]
async fn an_owner_with_all_its_calls_is_refused_until_one_ends() {
    let house = admission(10, RuntimeClock::new());
    let key = Rules { rules: Vec::new(), in_flight_max: Some(1) };
    let (rules, grant) = (OwnerRules { key, ..OwnerRules::default() }, grant("k", &[]));
    let running = house.enter(entrant(&house, &grant, &rules)).await.unwrap();
    assert!(house.enter(entrant(&house, &grant, &rules)).await.is_err());
    let look = || house.glance(&grant, &rules, Priority::Default);
    assert!(look().is_ok(), "the first");
    assert_eq!(&*look().unwrap_err().refusal().unwrap().rule, "key calls in flight");
    drop(running);
    assert!(look().is_ok() && look().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_whoever_would_not_be_let_in_for_another() {
    let queue = Bounds { slots: 1, waiting_max: 1, waiting_bytes_max: 1 << 20 };
    let wait_max = Duration::from_secs(10);
    let bounds = AdmissionBounds { queue, wait_max, lines: Lines::Key, zone: Zone::UTC };
    let house = Arc::new(Admission::new(bounds, RuntimeClock::new()));
    let (rules, grant) = (OwnerRules::default(), Arc::new(grant("k", &[])));
    let running = house.enter(entrant(&house, &grant, &rules)).await.unwrap();
    let waiting = tokio::spawn({
        let (house, grant) = (Arc::clone(&house), Arc::clone(&grant));
        async move { house.enter(entrant(&house, &grant, &OwnerRules::default())).await }
    });
    tokio::task::yield_now().await;
    let whole = house.enter(entrant(&house, &grant, &rules)).await.unwrap_err();
    assert!(look(&house, &grant).is_ok(), "the first");
    let error = look(&house, &grant).unwrap_err();
    assert_eq!((error.kind(), error.message()), (Kind::Busy, whole.message()));
    assert!(error.refusal().unwrap().retry_after.is_some());
    let critical = || house.glance(&grant, &rules, Priority::Critical);
    assert!(critical().is_ok() && critical().is_ok(), "somebody else makes room for it");
    drop(running);
    let slot = waiting.await.unwrap().unwrap();
    assert!(look(&house, &grant).is_ok() && look(&house, &grant).is_ok(), "it may wait");
    drop(slot);
}
