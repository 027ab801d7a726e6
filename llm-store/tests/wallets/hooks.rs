//! What others hear: written with what happened, delivered at least once, and never for ever.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use llm_core::Str;
use llm_core::ledger::HoldId;
use llm_core::seam::BoxFuture;
use llm_core::secret::Secret;
use llm_store::wallets::{Settings, Wallets};
use llm_store::webhooks::{
    BUDGET_REACHED, Endpoint, Event, Letter, NotSent, Outbox, Secrets, Sender, Shown, TRIES_MAX,
    Webhooks, Worker,
};

use crate::clock::Dice;
use crate::place::{Place, sound, user};
use crate::suite::{ask, credits, gift, job};

const SECRET: &str = "a webhook secret of some length";

fn endpoint(name: &str, kinds: &[&'static str]) -> Endpoint {
    Endpoint {
        name: Str::from(name.to_owned()),
        url: Secret::new("https://example.test/hook".to_owned()),
        kinds: kinds.iter().map(|kind| Str::from_static(kind)).collect(),
        secrets: Secrets::new([SECRET]).unwrap(),
    }
}

fn outbox(kinds: &[&'static str]) -> Outbox {
    Outbox::new(vec![endpoint("one", kinds)]).unwrap()
}

/// What an endpoint makes of a letter, by how many it has seen before.
type Mood = fn(u32) -> Option<Duration>;

/// An endpoint: believes what is signed, keeps what it took, and fails as its mood is.
#[derive(Debug)]
struct Post {
    seen: AtomicU32,
    sleep: Duration,
    mood: Mood,
    taken: Mutex<BTreeMap<Str, (u32, Str)>>,
}

impl Post {
    fn new(mood: Mood) -> Arc<Self> {
        let (seen, taken) = (AtomicU32::new(0), Mutex::default());
        Arc::new(Self { seen, sleep: Duration::ZERO, mood, taken })
    }

    fn take(&self, letter: Letter) {
        let mut taken = self.taken.lock().unwrap();
        let kept = taken.entry(letter.id).or_insert((0, letter.body.clone()));
        kept.0 += 1;
        assert_eq!(kept.1, letter.body, "one id, one body");
    }

    fn taken(&self) -> BTreeMap<Str, (u32, Str)> {
        self.taken.lock().unwrap().clone()
    }
}

/// The post as a sender: what it is given outlives it.
#[derive(Debug)]
struct Round(Arc<Post>);

impl Sender for Round {
    fn send(&self, letter: Letter) -> BoxFuture<'static, Result<(), NotSent>> {
        let post = self.0.clone();
        Box::pin(async move {
            let stamp = letter.second.to_string();
            let shown = Shown { id: &letter.id, timestamp: &stamp, signature: &letter.signature };
            let now = jiff::Timestamp::from_second(letter.second).unwrap();
            let secrets = Secrets::new([SECRET]).unwrap();
            secrets.verify(shown, letter.body.as_bytes(), now).unwrap();
            if let Some(after) = (post.mood)(post.seen.fetch_add(1, Ordering::SeqCst)) {
                return Err(NotSent {
                    why: "503 sk-live-abcdefghijklmnopqrst".into(),
                    after: Some(after),
                });
            }
            post.take(letter);
            tokio::time::sleep(post.sleep).await;
            Ok(())
        })
    }
}

async fn worker(place: &Place, outbox: &Outbox, post: &Arc<Post>) -> (Worker, Webhooks) {
    let webhooks = Webhooks::new(place.database().await, outbox.clone());
    let sender = Arc::new(Round(post.clone()));
    let dice = Arc::new(Dice(AtomicI64::new(0)));
    (Worker::new(webhooks.clone(), sender, place.clock.clone(), dice), webhooks)
}

async fn wallets(place: &Place, outbox: &Outbox, low: Vec<i64>) -> Wallets {
    let low = low.into_iter().map(credits).collect();
    let settings = Settings { low, outbox: outbox.clone(), ..Settings::default() };
    Wallets::new(place.database().await, settings).unwrap()
}

fn kinds(post: &Post) -> Vec<String> {
    let bodies = post.taken();
    let mut found: Vec<_> = bodies
        .values()
        .map(|(_, body)| {
            let kind = body.split('"').nth(3).unwrap().to_owned();
            let credits = body.split("\"credits\":").nth(1).unwrap();
            format!("{kind} {}", credits.split([',', '}']).next().unwrap())
        })
        .collect();
    found.sort();
    found
}

pub(crate) async fn a_low_balance_is_told_once(place: &Place) {
    let outbox = outbox(&["credits.*"]);
    let wallets = wallets(place, &outbox, vec![20, 5]).await;
    let post = Post::new(|_| None);
    let (worker, webhooks) = worker(place, &outbox, &post).await;
    let who = user("u");
    wallets.grant(&who, gift("g", 100, None)).await.unwrap();
    // Set aside and given back is not spent, and nobody is alarmed.
    wallets.reserve(&who, ask(1, 90, job())).await.unwrap();
    wallets.release(&who, HoldId(1)).await.unwrap();
    worker.deliver().await.unwrap();
    assert_eq!(kinds(&post), ["credits.granted 100"]);
    for (hold, spent) in [(2, 85), (3, 5), (4, 6)] {
        wallets.reserve(&who, ask(hold, spent, job())).await.unwrap();
        wallets.settle(&who, HoldId(hold), credits(spent)).await.unwrap();
        wallets.settle(&who, HoldId(hold), credits(spent)).await.unwrap();
    }
    worker.deliver().await.unwrap();
    assert_eq!(kinds(&post), ["credits.granted 100", "credits.low 20", "credits.low 5"]);
    // Above, and below again: told again. A threshold of one's own stands in for all.
    wallets.grant(&who, gift("h", 46, None)).await.unwrap();
    wallets.watch(&who, Some(vec![credits(10)])).await.unwrap();
    wallets.reserve(&who, ask(5, 41, job())).await.unwrap();
    wallets.settle(&who, HoldId(5), credits(41)).await.unwrap();
    while worker.deliver().await.unwrap().arrived > 0 {}
    let all = kinds(&post);
    assert_eq!(
        all[1..],
        ["credits.granted 46", "credits.low 10", "credits.low 20", "credits.low 5"]
    );
    assert_eq!(webhooks.waiting().await.unwrap(), 0);
    assert!(post.taken().values().all(|(times, _)| *times == 1));
    // What nobody wants is not even written.
    let quiet = Outbox::new(vec![endpoint("jobs", &["job.*"])]).unwrap();
    let silent = self::wallets(place, &quiet, vec![20]).await;
    silent.grant(&user("v"), gift("g", 1, None)).await.unwrap();
    assert_eq!(webhooks.waiting().await.unwrap(), 0);
    sound(&wallets).await;
}

pub(crate) async fn each_event_arrives(place: &Place) {
    let kinds = ["credits.granted", "budget.threshold"];
    let both = vec![endpoint("one", &kinds), endpoint("two", &kinds)];
    let outbox = Outbox::new(both).unwrap();
    let wallets = wallets(place, &outbox, Vec::new()).await;
    // Two of three fail.
    let post = Post::new(|n| (!n.is_multiple_of(3)).then_some(Duration::ZERO));
    let (worker, webhooks) = worker(place, &outbox, &post).await;
    for number in 0..20 {
        wallets.grant(&user("u"), gift(&format!("e{number}"), 1, None)).await.unwrap();
    }
    let spent = Event::new("budget.threshold", "team/2027-01", place.clock.at(), &["80 %"]);
    for _ in 0..3 {
        webhooks.put(spent.clone().unwrap()).await.unwrap();
    }
    let mut rounds = 0;
    while webhooks.waiting().await.unwrap() > 0 {
        worker.deliver().await.unwrap();
        place.pass(5 * 3_600).await;
        rounds += 1;
        assert!(rounds <= 2 * TRIES_MAX, "more tries than there are");
    }
    // One post for both: each took each once.
    let taken = post.taken();
    assert_eq!(taken.len(), 21);
    assert!(taken.values().all(|(times, _)| *times == 2), "{taken:?}");
    assert_eq!(webhooks.dead(10).await.unwrap(), []);
}

/// Between the send and the mark; before the send; and with the mark not answered.
pub(crate) async fn a_worker_that_dies_loses_nothing(place: &Place) {
    let outbox = outbox(&["*"]);
    let wallets = wallets(place, &outbox, Vec::new()).await;
    for number in 0..3 {
        wallets.grant(&user("u"), gift(&format!("e{number}"), 1, None)).await.unwrap();
    }
    let slow = Arc::new(Post {
        seen: AtomicU32::new(0),
        sleep: Duration::from_secs(3_600),
        mood: |_| None,
        taken: Mutex::default(),
    });
    let (dying, webhooks) = worker(place, &outbox, &slow).await;
    let life = tokio::spawn(async move { dying.run().await });
    while slow.taken().len() < 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    life.abort();
    assert!(life.await.unwrap_err().is_cancelled());
    // It took all of them and nobody knows: they are somebody else's when the lease is over.
    assert_eq!(webhooks.waiting().await.unwrap(), 3);
    let post = Post::new(|_| None);
    let (worker, _) = worker(place, &outbox, &post).await;
    assert_eq!(worker.deliver().await.unwrap().arrived, 0);
    place.pass(60).await;
    assert_eq!(worker.deliver().await.unwrap().arrived, 3);
    assert_eq!(webhooks.waiting().await.unwrap(), 0);
    assert_eq!(post.taken(), slow.taken(), "the same events under the same ids");
    // What was sent is known for days, and then forgotten.
    place.pass(5 * 86_400).await;
    assert_eq!(worker.deliver().await.unwrap().arrived, 0);
}

pub(crate) async fn what_is_never_taken_is_dead(place: &Place) {
    let outbox = outbox(&["*"]);
    let wallets = wallets(place, &outbox, Vec::new()).await;
    wallets.grant(&user("u"), gift("e", 1, None)).await.unwrap();
    let post = Post::new(|_| Some(Duration::ZERO));
    let (worker, webhooks) = worker(place, &outbox, &post).await;
    let mut waited = 0;
    while webhooks.waiting().await.unwrap() > 0 {
        worker.deliver().await.unwrap();
        place.pass(600).await;
        waited += 600;
        assert!(waited < 3 * 86_400, "it is tried for ever");
    }
    assert_eq!(post.seen.load(Ordering::SeqCst), TRIES_MAX);
    assert!(waited > 4 * 3_600, "{waited} seconds of tries");
    let dead = webhooks.dead(10).await.unwrap();
    let [dead] = &dead[..] else { panic!("{dead:?}") };
    assert_eq!((&*dead.endpoint, dead.tries), ("one", TRIES_MAX));
    let why = dead.why.as_deref().unwrap();
    assert!(why.contains("503") && !why.contains("abcdefghij"), "{why}");
    // Somebody mends the endpoint and has it sent again.
    let (event, name) = (dead.event.clone(), dead.endpoint.clone());
    assert!(webhooks.again(event.clone(), name.clone()).await.unwrap());
    assert!(!webhooks.again(event.clone(), name).await.unwrap());
    let mended = Post::new(|_| None);
    let (worker, _) = self::worker(place, &outbox, &mended).await;
    assert_eq!(worker.deliver().await.unwrap().arrived, 1);
    assert_eq!(mended.taken().keys().collect::<Vec<_>>(), [&event]);
    assert_eq!(webhooks.dead(10).await.unwrap(), []);
}

/// Workers of several processes: nobody sends what another has in hand.
pub(crate) async fn one_letter_is_one_workers(place: &Place) {
    let outbox = outbox(&["*"]);
    let wallets = wallets(place, &outbox, Vec::new()).await;
    for number in 0..40 {
        wallets.grant(&user("u"), gift(&format!("e{number}"), 1, None)).await.unwrap();
    }
    let post = Post::new(|_| None);
    let mut workers = Vec::new();
    for _ in 0..3 {
        let (worker, _) = worker(place, &outbox, &post).await;
        workers.push(tokio::spawn(async move { worker.run().await }));
    }
    let (_, webhooks) = worker(place, &outbox, &post).await;
    for _ in 0..600 {
        if webhooks.waiting().await.is_ok_and(|waiting| waiting == 0) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for worker in workers {
        worker.abort();
        let _ = worker.await;
    }
    let taken = post.taken();
    assert_eq!(taken.len(), 40);
    assert!(taken.values().all(|(times, _)| *times == 1), "{taken:?}");
}

/// A budget is told once in its window, which may last longer than what is known of other events.
pub(crate) async fn a_budget_is_not_told_again(place: &Place) {
    let outbox = outbox(&["budget.*"]);
    let post = Post::new(|_| None);
    let (worker, webhooks) = worker(place, &outbox, &post).await;
    let event =
        || Event::new(BUDGET_REACHED, "key/k/80", jiff::Timestamp::UNIX_EPOCH, &80).unwrap();
    let mut arrived = 0;
    for _ in 0..10 {
        webhooks.put(event()).await.unwrap();
        arrived += worker.deliver().await.unwrap().arrived;
        place.pass(30 * 86_400).await;
    }
    assert_eq!(arrived, 1, "within a year");
    place.pass(200 * 86_400).await;
    worker.deliver().await.unwrap();
    webhooks.put(event()).await.unwrap();
    assert_eq!(worker.deliver().await.unwrap().arrived, 1, "in another year");
}
