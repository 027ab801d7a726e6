//! What is listed is forgotten, whatever brings it back; what came later stays.

use bytes::Bytes;
use llm_store::deposits::{Draft, Kind};

use super::super::tests::{left as deposit, world};
use super::*;

fn mark(at: i64, name: &str) -> Mark {
    Mark::new(at, &Owner::user(&TenantId::from("t"), &UserId(name.to_owned().into())))
}

#[test]
fn lines_are_added_once_and_one_that_was_cut_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let list = List::new(folder.path().join("erasures"));
    assert_eq!(list.read().unwrap(), BTreeSet::new());
    let (one, other) = (mark(7, "pangolin"), mark(-3, "pangolin"));
    assert_eq!(one.to_string().parse(), Ok(one));
    assert!(one.is_of(&other) && !one.is_of(&mark(7, "okapi")));
    list.add([one]).unwrap();
    let mut file = File::options().append(true).open(list.path()).unwrap();
    file.write_all(&other.to_string().as_bytes()[..40]).unwrap();
    assert_eq!(list.read().unwrap(), [one].into());
    for _ in 0..2 {
        list.add([one, other]).unwrap();
        assert_eq!(list.read().unwrap(), [one, other].into());
    }
    let text = fs::read_to_string(list.path()).unwrap();
    assert_eq!(text.lines().filter(|line| line.parse::<Mark>().is_ok()).count(), 2);
    assert!(!text.contains("pangolin"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(list.path()).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

/// As a copy of the database from before is.
struct Older;

impl Task for Older {
    type Out = ();

    async fn run(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        session.run("DELETE FROM erasure", &[]).await.map(drop)
    }
}

#[tokio::test]
async fn what_a_copy_brings_back_goes_and_what_comes_later_stays() {
    let (privacy, deposits, _, folder) = world().await;
    let list = List::new(folder.path().join("erasures"));
    let privacy = privacy.listing(list.clone());
    let database = privacy.ground.database.clone();
    let who = async || {
        let (tenant, user) = (TenantId::from("a/b%2F"), UserId::from("one/2"));
        privacy.who(tenant, user).await.unwrap()
    };
    let owner = who().await.owner;
    assert_eq!(owner.person(), Some(("a/b%2F".into(), "one/2".into())));
    let lives = async |id: &str| {
        privacy.ground.people.of(&owner).await.unwrap();
        let body = Bytes::from_static(b"x");
        deposits.put(Draft { body, ..deposit(&owner, id) }).await.unwrap();
    };
    let there = async |id: &str| deposits.get(&owner, Kind::File, id).await.unwrap().is_some();
    lives("file-1").await;
    privacy.erase(&who().await, []).await.unwrap();
    assert_eq!(left(&database, list.read().unwrap()).await, Ok(BTreeSet::new()));
    let again = async |since| privacy.again(since).await.unwrap();
    assert_eq!((privacy.shred().await, again(i64::MIN).await.len()), (Ok(0), 0));
    // She is there again, and nobody has asked for her to be forgotten since.
    database.write(Older).await.unwrap();
    lives("file-2").await;
    assert_eq!(privacy.shred().await, Ok(1));
    assert!(privacy.ground.people.find(&owner).await.unwrap().is_none());
    let done = again(i64::MIN).await;
    assert_eq!(done.len(), 1);
    assert_eq!((done[0].0.owner.clone(), done[0].1.removed["deposits"]), (owner.clone(), 1));
    lives("file-3").await;
    assert_eq!((privacy.shred().await, again(i64::MIN).await.len()), (Ok(0), 0));
    assert!(there("file-3").await);
    // Another replica has its own list, and hears of it.
    let listed = list.read().unwrap();
    fs::remove_file(list.path()).unwrap();
    again(listed.first().unwrap().at + 1).await;
    assert_eq!(list.read().unwrap(), BTreeSet::new(), "no older ones are asked for");
    again(listed.first().unwrap().at).await;
    assert_eq!(list.read().unwrap(), listed);
}
