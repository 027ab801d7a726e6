//! A thousand callers at once on a budget worth ten calls.
//!
//! The upstream answers with exactly the output that was allowed, and the input is free, so that
//! each call costs what was held for it: then the number that fits is exactly known. In the second
//! run answers are shorter than what was held, and what comes back is used again.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::StatusCode;
use llm_sim::upstream::Vendor;

use crate::books::Books;
use crate::client::{Client, ask, client};
use crate::proxy::{Key, Place, Proxy, simulator, sqlite};
use crate::server::Server;

const CALLERS: usize = 1_000;
/// How often a caller asks who is told that the ledger did not answer in time: a machine that tests
/// run on beside others is slow for all thousand of them.
const TRIES_MAX: usize = 30;
/// At 600 billionths of a dollar for each of twenty tokens, ten of these are the budget.
const FITS: usize = 10;
const KEY: Key =
    Key { name: "ten", key: "sk-ten-0123456789abcdef0123456789", limit: "$0.00012/month" };
const PRICE: &str = "[prices.\"openai/gpt-4o-mini\"]\ninput = \"0\"\noutput = \"0.60\"\n";
/// More words than the cap lets through.
const LONG: &str = "please reply with exactly: one two three four five six seven eight nine ten \
    one two three four five six seven eight nine ten one two three four five six seven eight \
    nine ten one two three four five six seven eight nine ten";
const SHORT: &str = "please reply with exactly: one two";

/// A call and what it came to. Whoever is told that nobody can say in time asks again, as clients do:
/// what may not happen is a wrong yes, or a no that is none.
async fn asked(client: Client, proxy: SocketAddr, body: String) -> u16 {
    let mut said = String::new();
    for _ in 0..TRIES_MAX {
        let response = ask(&client, proxy, KEY.key, body.clone()).await.unwrap();
        if response.status() != StatusCode::SERVICE_UNAVAILABLE {
            return response.status().as_u16();
        }
        assert!(response.headers().contains_key("retry-after"), "and when to come again");
        said = String::from_utf8_lossy(response.body()).into_owned();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("nobody could say, {TRIES_MAX} times over: {said}")
}

/// What came of a crowd, by status.
async fn crowd(proxies: &[Proxy], words: &'static str, callers: usize) -> BTreeMap<u16, usize> {
    let client = client();
    let calls = (0..callers).map(|number| {
        let (client, proxy) = (client.clone(), proxies[number % proxies.len()].address);
        let stream = number.is_multiple_of(2);
        let body = format!(
            r#"{{"model":"plain","stream":{stream},"max_tokens":20,"messages":[{{"role":"user","content":"{words}"}}]}}"#
        );
        tokio::spawn(asked(client, proxy, body))
    });
    let calls: Vec<_> = calls.collect();
    let mut came = BTreeMap::new();
    for call in calls {
        *came.entry(call.await.unwrap()).or_default() += 1;
    }
    came
}

/// Looks again and again, until it is told to stop.
async fn watch(url: String, over: Arc<AtomicBool>) -> usize {
    let mut polls = 0;
    while !over.load(Ordering::Relaxed) {
        Books::read(&url).await.within_limits();
        polls += 1;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    polls
}

async fn attack(store: &str, url: &str, replicas: usize) {
    let simulator = simulator().await;
    let upstream = simulator.upstream(Vendor::OpenAi).unwrap();
    let places: Vec<Place> = (0..replicas)
        .map(|_| {
            let folder = tempfile::tempdir().unwrap();
            let at = simulator.base_url(Vendor::OpenAi);
            Place { keys: vec![KEY], more: PRICE, ..Place::new(folder, url.to_owned(), at) }
        })
        .collect();
    let proxies: Vec<Proxy> = places.iter().map(|p| Proxy::start(p, None).unwrap()).collect();
    let over = Arc::new(AtomicBool::new(false));
    let watching = tokio::spawn(watch(url.to_owned(), Arc::clone(&over)));
    let came = crowd(&proxies, LONG, CALLERS).await;
    assert_eq!(
        came,
        BTreeMap::from([(200, FITS), (429, CALLERS - FITS)]),
        "{store}, {replicas} replicas"
    );
    assert_eq!(upstream.requests().len(), FITS, "whoever was refused was not sent");
    let later = crowd(&proxies, LONG, 20).await;
    assert_eq!(later, BTreeMap::from([(429, 20)]), "nothing is left");
    over.store(true, Ordering::Relaxed);
    let polls = watching.await.unwrap();
    for proxy in proxies {
        proxy.stop();
    }
    let books = Books::read(url).await;
    books.within_limits();
    books.adds_up();
    let paid: i64 = books.holds.values().sum();
    assert_eq!(paid, 120_000, "to the billionth of a dollar");
    println!("{store}, {replicas} replicas: {came:?}, {polls} polls, none over");
    simulator.shutdown().await;
}

/// Answers that cost less than was held: what comes back is used again, and the end is the same.
async fn cheaper(store: &str, url: &str, replicas: usize) {
    let simulator = simulator().await;
    let places: Vec<Place> = (0..replicas)
        .map(|_| {
            let folder = tempfile::tempdir().unwrap();
            let at = simulator.base_url(Vendor::OpenAi);
            Place { keys: vec![KEY], more: PRICE, ..Place::new(folder, url.to_owned(), at) }
        })
        .collect();
    let proxies: Vec<Proxy> = places.iter().map(|p| Proxy::start(p, None).unwrap()).collect();
    let over = Arc::new(AtomicBool::new(false));
    let watching = tokio::spawn(watch(url.to_owned(), Arc::clone(&over)));
    let mut served = 0;
    // Each round finds what the one before gave back, within the second that it may take.
    for _ in 0..60 {
        let came = crowd(&proxies, SHORT, 40).await;
        served += came.get(&200).copied().unwrap_or_default();
        if !came.contains_key(&200) {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    over.store(true, Ordering::Relaxed);
    watching.await.unwrap();
    for proxy in proxies {
        proxy.stop();
    }
    let books = Books::read(url).await;
    books.within_limits();
    books.adds_up();
    let paid: i64 = books.holds.values().sum();
    assert!(served > FITS, "what came back was used again: {served}");
    // Less is left than a call would hold.
    assert!((108_000..=120_000).contains(&paid), "{paid} of 120000");
    println!("{store}, {replicas} replicas: {served} served, {paid} paid");
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_admits_what_fits_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    attack("sqlite", &sqlite(folder.path()), 1).await;
    let folder = tempfile::tempdir().unwrap();
    cheaper("sqlite", &sqlite(folder.path()), 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_admit_together_what_fits_and_no_more() {
    let Some(server) = Server::shared() else { return };
    for replicas in 1..=3 {
        attack("postgres", &server.database().await, replicas).await;
    }
    cheaper("postgres", &server.database().await, 3).await;
}
