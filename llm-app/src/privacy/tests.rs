//! What is kept of somebody comes out, and goes.

use bytes::Bytes;
use llm_core::seam::{Clock, Entropy};
use llm_providers::Gateway;
use llm_providers::seam::{SystemClock, SystemEntropy};
use llm_sim::{Options, SimTransport};
use llm_store::deposits::{Deposits, Draft as Deposit, Kind};
use llm_store::jobs::{Draft, Jobs};
use serde_json::json;

use super::*;
use crate::people::People;
use crate::testing::{chest, database, fresh};

pub(super) async fn world() -> (Privacy, Deposits, Jobs, tempfile::TempDir) {
    let simulated = Arc::new(SimTransport::new(&Options::default()));
    let openai = llm_providers::provider::ProviderSettings::new("openai", "openai").key("sk-test");
    let gateway = Gateway::builder().vendor(openai.build_over(simulated).unwrap());
    let gateway = gateway.model("smart", [["openai/gpt-4o-mini"]]).build().unwrap();
    let (database, folder) = database().await;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    let people = People::new(database.clone(), chest(), fresh, true);
    let jobs = Jobs::new(database.clone(), Some(chest()), Arc::clone(&clock), Arc::clone(&entropy));
    let deposits = Deposits::new(database.clone(), Some(chest())).under(Arc::new(people.clone()));
    let keepers: Vec<Arc<dyn Keeps>> = vec![
        Arc::new(JobKeeper::new(jobs.clone(), Arc::clone(&clock))),
        Arc::new(DepositKeeper(deposits.clone())),
    ];
    let ground = Ground { gateway, database, people, clock, entropy };
    (Privacy::new(ground, keepers), deposits, jobs, folder)
}

pub(super) fn left(owner: &Owner, id: &str) -> Deposit {
    Deposit {
        owner: owner.clone(),
        id: id.to_owned().into(),
        kind: Kind::File,
        head: r#"{"filename":"pangolin-holiday.txt"}"#.into(),
        previous: None,
        keep: None,
        body: Bytes::from_static(b"pangolin"),
    }
}

#[tokio::test]
async fn what_is_kept_of_one_comes_out_and_goes_and_that_of_others_stays() {
    let (privacy, deposits, jobs, folder) = world().await;
    let tenant = TenantId::from("t");
    let [one, other] = ["one", "other"].map(|name| UserId(name.to_owned().into()));
    for user in [&one, &other] {
        let owner = Owner::user(&tenant, user);
        privacy.ground.people.of(&owner).await.unwrap();
        deposits.put(left(&owner, &format!("file-{user}"))).await.unwrap();
        let draft = Draft::new(tenant.clone(), "x".into(), Bytes::from_static(b"pangolin"));
        jobs.create(Draft { user: Some(user.clone()), ..draft }).await.unwrap();
    }
    let who = privacy.who(tenant.clone(), one.clone()).await.unwrap();
    let kept = privacy.export(&who).await.unwrap();
    assert_eq!(kept["deposits"][0]["content"], "pangolin");
    assert_eq!(
        (&kept["jobs"][0]["state"], kept["jobs"].as_array().unwrap().len()),
        (&json!("pending"), 1)
    );
    // With the key alone it is gone: what is still there of it opens for nobody.
    let other_owner = Owner::user(&tenant, &other);
    let entry = deposits.get(&who.owner, Kind::File, "file-one").await.unwrap().unwrap();
    privacy.ground.people.forget(&who.owner).await.unwrap();
    assert_eq!(deposits.bytes(&who.owner, &entry).await, Ok(None));
    assert_eq!(deposits.get(&who.owner, Kind::File, "file-one").await, Ok(None));
    assert!(deposits.get(&other_owner, Kind::File, "file-other").await.unwrap().is_some());
    privacy.ground.people.of(&who.owner).await.unwrap();
    let receipt = privacy.erase(&who, [("cached_answers", 3)]).await.unwrap();
    assert!(receipt.key_forgotten && receipt.scrubbed);
    assert_eq!(receipt.removed, [("cached_answers", 3), ("deposits", 1), ("jobs", 1)].into());
    let empty = privacy.export(&who).await.unwrap();
    assert_eq!((&empty["deposits"], &empty["jobs"]), (&json!([]), &json!([])));
    // Again there is nothing, and another receipt.
    let again = privacy.erase(&who, []).await.unwrap();
    assert!(!again.key_forgotten && again.removed.values().all(|count| *count == 0));
    assert_ne!(again.hash, receipt.hash);
    let who = privacy.who(tenant, other).await.unwrap();
    assert_eq!(privacy.export(&who).await.unwrap()["deposits"][0]["content"], "pangolin");
    privacy.erase(&who, []).await.unwrap();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(8).any(|window| window == b"pangolin"));
    }
}
