//! `rediss://`: only to whom a trusted authority vouches for.

use std::fs;
use std::sync::Arc;

use llm_core::store::Counters;
use llm_store::redis::{Redis, Settings, State};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::clocks::RealClock;
use crate::owner;
use crate::server::{Server, free_port};

#[tokio::test(flavor = "multi_thread")]
async fn only_to_whom_an_authority_vouches_for() {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let root = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![String::from("localhost")]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap().pem();

    let folder = std::env::temp_dir().join(format!("llm-store-tls-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let write = |name: &str, text: &str| {
        fs::write(folder.join(name), text).unwrap();
        folder.join(name).display().to_string()
    };
    let (port, no) = (free_port(), String::from("no"));
    let mut more = vec![String::from("--tls-port"), port.to_string()];
    for (option, value) in [
        ("--tls-cert-file", write("cert.pem", &certificate)),
        ("--tls-key-file", write("key.pem", &key.serialize_pem())),
        ("--tls-ca-cert-file", write("root.pem", &root)),
        ("--tls-auth-clients", no),
    ] {
        more.extend([String::from(option), value]);
    }
    let server = Server::start_with(&more);
    let _ = fs::remove_dir_all(&folder);
    let Some(_server) = server else { return };

    let settings = Settings {
        roots: Some(root.into_bytes()),
        ..Settings::new(format!("rediss://localhost:{port}/0"))
    };
    let connect = |settings: Settings| async move {
        Redis::connect(&settings, Arc::new(RealClock)).await.unwrap()
    };
    let store = connect(settings.clone()).await;
    assert_eq!(store.state(), State::Up);
    let asks = [("1/hour".parse().unwrap(), 1)];
    assert!(store.take(&owner("tls"), &asks).await.unwrap()[0].allowed);

    let strangers = connect(Settings { roots: None, ..settings.clone() }).await;
    assert!(matches!(strangers.state(), State::Degraded { .. }));
    let address = format!("rediss://127.0.0.1:{port}/0");
    let other = Settings { roots: settings.roots, ..Settings::new(address) };
    assert!(matches!(connect(other).await.state(), State::Degraded { .. }), "another name");
}
