use super::*;

fn t0() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[test]
fn nobody_waits_and_every_place_comes_back() {
    let slots = Arc::new(Slots::fixed(2));
    let held: Vec<_> = (0..3).filter_map(|_| slots.take()).collect();
    assert_eq!((held.len(), slots.held()), (2, 2));
    held[0].overloaded(t0());
    assert_eq!(slots.max(), 2, "a fixed number is not learned");
    drop(held);
    assert_eq!(slots.held(), 0);
}

#[test]
fn what_the_target_shows_changes_how_many_may_be_there() {
    let now = t0();
    let slots = Arc::new(Slots::adaptive(10, 100, now));
    let held: Vec<_> = (0..11).filter_map(|_| slots.take()).collect();
    assert_eq!(held.len(), 10);
    let later = now + Duration::from_secs(1);
    held.iter().for_each(|slot| slot.answered(100, Duration::from_millis(200), later));
    assert!(slots.max() > 10, "{}", slots.max());
    assert!(slots.take().is_some());
    let later = later + Duration::from_secs(1);
    held[0].overloaded(later);
    assert!(slots.max() < 10 && slots.held() == 10, "{}", slots.max());
    assert!(slots.take().is_none());
}
