use llm_providers::seam::SystemClock;

use super::*;

fn folder(data: &Path, shared: bool) -> Folder<'_> {
    Folder { data, shared, usual: journal::Settings::default() }
}

async fn taken(data: &Path, shared: bool) -> (Taken, Vec<Taken>) {
    take(folder(data, shared), &SystemClock).await.unwrap()
}

#[tokio::test]
async fn who_shares_an_address_shares_a_folder() {
    let data = tempfile::tempdir().unwrap();
    let mut names = Vec::new();
    let mut inside = Vec::new();
    for _ in 0..BERTHS_MAX {
        let (own, left) = taken(data.path(), true).await;
        assert!(left.is_empty());
        names.push(own.replica.clone());
        inside.push(own);
    }
    let all: std::collections::BTreeSet<_> = names.iter().collect();
    assert_eq!(all.len(), BERTHS_MAX, "each has a name of its own");
    assert!(folder(data.path(), true).free().unwrap().is_empty());
    // Whoever comes next lies where somebody has left, and takes up what others have left.
    inside.truncate(1);
    let (own, left) = taken(data.path(), true).await;
    assert_eq!((&own.replica, left.len()), (&names[1], BERTHS_MAX - 2));
}

#[tokio::test]
async fn who_shares_none_waits_for_the_first() {
    let data = tempfile::tempdir().unwrap();
    let (first, _) = taken(data.path(), true).await;
    let (second, _) = taken(data.path(), true).await;
    assert!(folder(data.path(), false).free().unwrap().is_empty(), "not beside somebody");
    drop(second);
    assert!(folder(data.path(), false).free().unwrap().is_empty(), "not in another's berth");
    let name = first.replica.clone();
    let ending = tokio::spawn(async move {
        SystemClock.sleep(3 * LOOK_EVERY).await;
        drop(first);
    });
    let (own, left) = taken(data.path(), false).await;
    assert_eq!((own.replica, left.len()), (name, 1), "and what was left beside it is taken up");
    ending.await.unwrap();
}

#[test]
fn the_first_berth_has_the_names_of_always() {
    let data = Path::new("data");
    let places = journal_places(data);
    let names: Vec<_> = places.iter().map(|place| &*place.name).collect();
    assert_eq!(names[..4], ["journal", "journal-credits", "journal-1", "journal-credits-1"]);
    assert_eq!(places[0].folder, data.join("journal"));
    assert_eq!(replica_paths(data)[0], ("replica".to_owned(), data.join("replica")));
}
