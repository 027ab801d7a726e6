//! Providers' keys that operators store: on this replica at once, on others soon.

use std::time::{Duration, Instant};

use http::Method;
use llm_sim::upstream::Vendor;

use crate::client::{ask, client, operate};
use crate::proxy::{Key, Place, Proxy, simulator};
use crate::server::Server;

const APP: Key = Key { name: "app", key: "sk-app-0123456789abcdef0123456789", limit: "" };
const BODY: &str = r#"{"model":"plain","messages":[{"role":"user","content":"hi"}]}"#;
const STORED: &str = "sk-stored-canary-0123456789";
/// What one replica stores, another uses by then.
const HEARD_MAX: Duration = Duration::from_secs(5);
/// A line of 32 bytes that are no secret here.
const SEAL: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::disallowed_methods, reason = "it measures the real time that passes")]
async fn a_key_that_one_replica_stores_is_used_by_the_other() {
    let Some(server) = Server::shared() else { return };
    let simulator = simulator().await;
    let url = server.database().await;
    let proxies = [(); 2].map(|()| {
        let folder = tempfile::tempdir().unwrap();
        let at = simulator.base_url(Vendor::OpenAi);
        let keys = vec![APP];
        let place = Place { keys, ..Place::new(folder, url.clone(), at) };
        // Replicas open what each other has sealed.
        std::fs::create_dir(place.folder.path().join("data")).unwrap();
        std::fs::write(place.folder.path().join("data/seal-keys"), SEAL).unwrap();
        let proxy = Proxy::start(&place, None).unwrap();
        (place, proxy)
    });
    let client = client();
    let path = "/admin/providers/openai/keys";
    let body = format!(r#"{{"mode":"add","keys":[{{"key":"{STORED}","label":"spare"}}]}}"#);
    let (status, answer) = operate(proxies[0].1.address, Method::PUT, path, &body).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["keys"][1]["id"], "spare");
    let began = Instant::now();
    loop {
        let (_, listed) = operate(proxies[1].1.address, Method::GET, path, "").await;
        // Listed as soon as it is stored; by its letters once this replica has opened it.
        if listed["keys"][1]["id"] == "spare" && listed["keys"][1]["last_four"] == "…6789" {
            break;
        }
        assert!(began.elapsed() < HEARD_MAX, "{listed}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    println!("heard after {:?}", began.elapsed());
    for (_, proxy) in &proxies {
        for _ in 0..2 {
            let answer = ask(&client, proxy.address, APP.key, BODY.to_owned()).await.unwrap();
            assert_eq!(answer.status(), 200);
        }
    }
    // Both keys of the pool were shown, by either replica.
    let requests = simulator.upstream(Vendor::OpenAi).unwrap().requests();
    let mut shown: Vec<_> = requests.iter().map(|r| r.headers["authorization"].clone()).collect();
    shown.sort_unstable();
    shown.dedup();
    assert_eq!(shown.len(), 2, "{shown:?}");
    for (_, proxy) in proxies {
        assert!(!proxy.said().contains("canary"), "{}", proxy.said());
        proxy.stop();
    }
}
