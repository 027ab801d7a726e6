use std::sync::Arc;
use std::time::Duration;

use llm_core::principal::{Grant, KeyId, Principal, Scope, TenantId, UserId};
use llm_core::quota::{Plan, Zone};
use llm_core::seam::Clock;
use llm_core::secret::Secret;
use llm_providers::Gateway;
use llm_providers::provider::ProviderSettings;
use llm_providers::seam::SystemClock;
use llm_sim::script::Script;
use llm_sim::upstream::Vendor;
use llm_sim::{Options, SimTransport};
use llm_store::seal::{Chest, FRESH_BYTES, Fresh, Keyring, SealKey, Sealer};
use tempfile::TempDir;

use super::*;
use crate::people::{Consent, People};
use crate::testing::database;

fn fresh() -> Fresh {
    let mut random = [0; FRESH_BYTES];
    getrandom::fill(&mut random).unwrap();
    Fresh::new(random)
}

/// Chat over simulated providers and a real file.
struct World {
    chat: Chat,
    people: People,
    sim: Arc<SimTransport>,
    folder: TempDir,
}

impl World {
    async fn new(change: impl FnOnce(&mut Settings)) -> Self {
        let (database, folder) = database().await;
        let sim = Arc::new(SimTransport::new(&Options::default()));
        let vendor = |name: &str| {
            let settings = ProviderSettings::new(name, name).key("sk-test");
            settings.build_over(Arc::clone(&sim) as Arc<dyn llm_core::seam::Transport>).unwrap()
        };
        let gateway = Gateway::builder()
            .vendor(vendor("openai"))
            .vendor(vendor("gemini"))
            .model("smart", [["openai/gpt-4o-mini"], ["gemini/gemini-2.5-flash"]])
            .model("titles", [["gemini/gemini-2.5-flash"]])
            .build()
            .unwrap();
        let keyring = Keyring::new(SealKey::new(Secret::new([7; 32])));
        let chest = Chest::new(Sealer::new(Arc::new(keyring)), fresh);
        let people = People::new(database.clone(), chest, fresh, true);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let entropy = Arc::clone(gateway.entropy());
        let ground = Ground { gateway, database, people: people.clone(), clock, entropy };
        let mut settings = Settings {
            chat: Feature { tokens_max: Some(500), ..Feature::new("chat", "smart") },
            titles: Feature::new("titles", "titles"),
            first_token: Duration::from_secs(3),
            window_max: None,
            keep: None,
        };
        change(&mut settings);
        Self { chat: Chat::new(ground, settings), people, sim, folder }
    }

    fn script(&self, vendor: Vendor, script: &str) {
        let rules = Script::parse(script.as_bytes()).unwrap();
        self.sim.upstream(vendor).unwrap().script(rules);
    }

    async fn opened(&self, grant: &Grant) -> Id {
        self.chat.create(grant, Opening::default()).await.unwrap().id
    }

    async fn path(&self, grant: &Grant, id: Id) -> Vec<Message> {
        let page = self.chat.messages(grant, id, None, None, 100).await.unwrap();
        page.items.into_iter().rev().map(|shown| shown.message).collect()
    }

    /// Whether a text stands in the file, its log, or anything beside it.
    fn is_readable(&self, text: &str) -> bool {
        let files = std::fs::read_dir(self.folder.path()).unwrap();
        let mut files = files.map(|file| std::fs::read(file.unwrap().path()).unwrap());
        files.any(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
    }
}

fn grant(user: &str) -> Arc<Grant> {
    let principal = Principal {
        key: KeyId::from("key"),
        tenant: TenantId::from("t"),
        user: Some(UserId(Str::from(user.to_owned()))),
        team: None,
        org: None,
        scope: Scope::all(),
    };
    let plan = Plan { models: Scope::all(), ..Plan::default() };
    Arc::new(Grant::new(principal, Arc::new(plan), Vec::new(), &Zone::UTC))
}

fn says(content: &str) -> Post {
    Post { content: content.to_owned(), ..Post::default() }
}

/// Answers slowly, so that there is time to leave.
const SLOW: &str = r#"{"times":"always","do":{"chunk_ms":40,"text":"하나 둘 셋 넷 다섯 여섯 일곱 여덟 아홉 열 끝"}}"#;

#[tokio::test]
async fn a_conversation_is_kept_and_nobody_can_read_it_in_the_file() {
    let world = World::new(|_| ()).await;
    world.script(Vendor::OpenAi, r#"{"times":"always","do":{"text":"unlikelyanswer 그래요"}}"#);
    world.script(Vendor::Gemini, r#"{"times":"always","do":{"text":"\"Rare titleword\""}}"#);
    let (alice, bob) = (grant("alice"), grant("bob"));
    let manner = Manner { system: Some("oddpersona".into()), ..Manner::default() };
    let opening = Opening { manner, ..Opening::default() };
    let id = world.chat.create(&alice, opening).await.unwrap().id;
    let replied = world.chat.post(&alice, id, says("uncommonquestion 서울에서")).await.unwrap();
    let reply = replied.following.whole().await.unwrap();
    assert_eq!((reply.state, &*reply.text), (State::Done, "unlikelyanswer 그래요"));
    let (read, written) = reply.tokens.unwrap();
    assert!(read > 10 && written > 0, "{reply:?}");
    assert!(reply.cost.unwrap().0 > 0, "{reply:?}");
    assert_eq!(world.path(&alice, id).await.last(), Some(&reply), "as it was told");
    // A title comes by itself.
    for _ in 0..100 {
        if world.chat.get(&alice, id).await.unwrap().title.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(world.chat.get(&alice, id).await.unwrap().title.as_deref(), Some("Rare titleword"));
    // Found by what was said and by what was answered.
    for (words, hits) in
        [("서울", 1), ("uncommonquestion", 1), ("그래요 unlikelyanswer", 1), ("서울 그래요", 0)]
    {
        let page = world.chat.search(&alice, words, None, 10).await.unwrap();
        assert_eq!(page.items.len(), hits, "{words}");
        assert_eq!(world.chat.search(&bob, words, None, 10).await.unwrap().items, []);
    }
    for text in ["unlikelyanswer", "uncommonquestion", "서울", "titleword", "oddpersona"] {
        assert!(!world.is_readable(text), "{text}");
    }
    let export = world.chat.export(&alice, id).await.unwrap();
    assert!(export.markdown().contains("unlikelyanswer"));
    // Another's is not there, whatever is asked.
    let of = reply.id;
    let unknown = |done: Result<(), NotDone>| {
        assert!(matches!(done, Err(NotDone::Unknown(_))), "{done:?}");
    };
    unknown(world.chat.get(&bob, id).await.map(drop));
    unknown(world.chat.messages(&bob, id, None, None, 9).await.map(drop));
    unknown(world.chat.post(&bob, id, says("x")).await.map(drop));
    unknown(world.chat.edit(&bob, id, of, says("x")).await.map(drop));
    unknown(world.chat.regenerate(&bob, id, of, Post::default()).await.map(drop));
    unknown(world.chat.stop(&bob, id, of).await.map(drop));
    unknown(world.chat.follow(&bob, id, of, None).await.map(drop));
    unknown(world.chat.export(&bob, id).await.map(drop));
    unknown(world.chat.change(&bob, id, Change::default()).await.map(drop));
    unknown(world.chat.delete(&bob, id).await);
}

#[tokio::test]
async fn whoever_leaves_and_comes_back_reads_every_letter_once() {
    let world = World::new(|_| ()).await;
    world.script(Vendor::OpenAi, SLOW);
    let alice = grant("alice");
    let id = world.opened(&alice).await;
    let mut replied = world.chat.post(&alice, id, says("천천히")).await.unwrap();
    let (mut read, mut mark) = (String::new(), Mark::START);
    assert!(matches!(replied.following.next().await, Some(Heard::Start)));
    for _ in 0..3 {
        match replied.following.next().await {
            Some(Heard::Delta(at, text)) => (read, mark) = (read + &text, at),
            other => panic!("{other:?}"),
        }
    }
    drop(replied.following);
    assert!(matches!(
        world.chat.post(&alice, id, says("zwei")).await,
        Err(NotDone::Contradicts(_))
    ));
    let mut following = world.chat.follow(&alice, id, replied.reply, Some(mark)).await.unwrap();
    let end = loop {
        match following.next().await.unwrap() {
            Heard::Delta(at, text) => (read, mark) = (read + &text, at),
            Heard::End(message) => break message,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((read.as_str(), end.state), (&*end.text, State::Done));
    assert!(end.text.ends_with('끝'), "{}", end.text);
    // Behind the end, and in the middle of a letter.
    let mut again = world.chat.follow(&alice, id, replied.reply, Some(mark)).await.unwrap();
    assert!(matches!(again.next().await, Some(Heard::End(_))));
    assert!(again.next().await.is_none());
    let inside = world.chat.follow(&alice, id, replied.reply, Some(Mark::At(1))).await;
    assert!(matches!(inside, Err(NotDone::Wrong { .. })));
}

#[tokio::test]
async fn a_reply_is_stopped_and_what_there_is_of_it_stays() {
    let world = World::new(|_| ()).await;
    world.script(Vendor::OpenAi, SLOW);
    let alice = grant("alice");
    let id = world.opened(&alice).await;
    let mut replied = world.chat.post(&alice, id, says("천천히")).await.unwrap();
    while !matches!(replied.following.next().await, Some(Heard::Delta(..))) {}
    let stopped = world.chat.stop(&alice, id, replied.reply).await.unwrap();
    assert_eq!(stopped.state, State::Stopped);
    assert!(!stopped.text.is_empty() && !stopped.text.contains('끝'), "{}", stopped.text);
    assert!(stopped.cost.is_some_and(|cost| cost.0 > 0), "what was read is paid for");
    assert_eq!(world.chat.stop(&alice, id, replied.reply).await.unwrap(), stopped);
    // The place is free again.
    let next = world.chat.post(&alice, id, says("weiter")).await.unwrap();
    world.chat.close().await;
    assert_eq!(next.following.whole().await.unwrap().state, State::Interrupted);
}

#[tokio::test]
async fn branches_stand_beside_each_other() {
    let world = World::new(|_| ()).await;
    let alice = grant("alice");
    let id = world.opened(&alice).await;
    let first = world.chat.post(&alice, id, says("eins")).await.unwrap();
    let (one, a) = (first.asked.unwrap(), first.reply);
    first.following.whole().await.unwrap();
    let second = world.chat.post(&alice, id, says("zwei")).await.unwrap();
    let (two, b) = (second.asked.unwrap(), second.reply);
    second.following.whole().await.unwrap();
    let names = |path: Vec<Message>| path.into_iter().map(|one| one.id).collect::<Vec<_>>();
    assert_eq!(names(world.path(&alice, id).await), [one, a, two, b]);
    let again = world.chat.regenerate(&alice, id, b, Post::default()).await.unwrap();
    let c = again.reply;
    again.following.whole().await.unwrap();
    assert_eq!(names(world.path(&alice, id).await), [one, a, two, c]);
    let edited = world.chat.edit(&alice, id, two, says("drei")).await.unwrap();
    let (three, d) = (edited.asked.unwrap(), edited.reply);
    edited.following.whole().await.unwrap();
    assert_eq!(names(world.path(&alice, id).await), [one, a, three, d]);
    let page = world.chat.messages(&alice, id, Some(b), None, 2).await.unwrap();
    let shown: Vec<Id> = page.items.iter().map(|shown| shown.message.id).collect();
    assert_eq!(shown, [b, two]);
    assert_eq!(page.items[0].versions, [b, c]);
    assert_eq!(page.items[1].versions, [two, three]);
    let before = page.next.unwrap().parse().unwrap();
    let rest = world.chat.messages(&alice, id, Some(b), Some(before), 9).await.unwrap();
    assert_eq!((rest.items.len(), rest.next), (2, None));
    // Back to the other branch, where it goes on.
    let change = Change { branch: Some(two), ..Change::default() };
    assert_eq!(world.chat.change(&alice, id, change).await.unwrap().leaf, Some(c));
    let on = world.chat.post(&alice, id, says("weiter")).await.unwrap();
    on.following.whole().await.unwrap();
    assert_eq!(world.path(&alice, id).await.len(), 6);
    let wrong = world.chat.edit(&alice, id, b, says("x")).await;
    assert!(matches!(wrong, Err(NotDone::Contradicts(_))));
}

#[tokio::test]
async fn the_same_post_is_one_post() {
    let world = World::new(|_| ()).await;
    let alice = grant("alice");
    let id = world.opened(&alice).await;
    let post = || Post { key: Some("k-1".into()), ..says("einmal") };
    let first = world.chat.post(&alice, id, post()).await.unwrap();
    let together = world.chat.post(&alice, id, post()).await.unwrap();
    assert_eq!((together.reply, together.again), (first.reply, true));
    let told = first.following.whole().await.unwrap();
    let again = world.chat.post(&alice, id, post()).await.unwrap();
    assert_eq!((again.asked, again.reply, again.again), (first.asked, first.reply, true));
    assert_eq!(again.following.whole().await.unwrap(), told);
    assert_eq!(world.path(&alice, id).await.len(), 2);
    let other = world.chat.post(&alice, id, Post { key: Some("k-1".into()), ..says("anders") });
    assert!(matches!(other.await, Err(NotDone::Contradicts(_))));
    // Nothing is left of one that failed before its first word, and its key is free.
    world.script(Vendor::OpenAi, r#"{"times":"always","do":{"error":"server_error"}}"#);
    world.script(Vendor::Gemini, r#"{"times":"always","do":{"error":"server_error"}}"#);
    let failing = || Post { key: Some("k-2".into()), ..says("vergebens") };
    let failed = world.chat.post(&alice, id, failing()).await;
    assert!(matches!(failed, Err(NotDone::Call(_))), "{failed:?}");
    assert_eq!(world.path(&alice, id).await.len(), 2);
    assert_eq!(world.chat.search(&alice, "vergebens", None, 9).await.unwrap().items, []);
    world.script(Vendor::OpenAi, "[]");
    world.script(Vendor::Gemini, "[]");
    // The targets rest for a while after what they have done.
    let mut done = world.chat.post(&alice, id, failing()).await;
    for _ in 0..40 {
        if done.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        done = world.chat.post(&alice, id, failing()).await;
    }
    assert_eq!(done.unwrap().following.whole().await.unwrap().state, State::Done);
}

#[tokio::test]
async fn nothing_is_kept_of_who_does_not_want_it() {
    let world = World::new(|_| ()).await;
    let alice = grant("alice");
    let id = world.opened(&alice).await;
    let owner = Owner::of(&alice.principal);
    world.people.agree(&owner, Consent::Withdrawn).await.unwrap();
    let refused = |done: Result<(), NotDone>| {
        assert!(matches!(done, Err(NotDone::NoConsent)), "{done:?}");
    };
    refused(world.chat.create(&alice, Opening::default()).await.map(drop));
    refused(world.chat.post(&alice, id, says("x")).await.map(drop));
    refused(world.chat.change(&alice, id, Change::default()).await.map(drop));
    // What there is can be looked at and deleted.
    assert!(world.chat.get(&alice, id).await.is_ok());
    world.chat.delete(&alice, id).await.unwrap();
}

#[tokio::test]
async fn who_is_silent_is_left_for_the_next_within_three_seconds() {
    let world = World::new(|_| ()).await;
    world.script(Vendor::OpenAi, r#"{"times":"always","do":{"hang":"after_head"}}"#);
    let alice = grant("alice");
    let id = world.opened(&alice).await;
    let clock = SystemClock;
    let began = clock.now();
    let mut replied = world.chat.post(&alice, id, says("jemand da?")).await.unwrap();
    while !matches!(replied.following.next().await, Some(Heard::Delta(..))) {}
    let took = clock.now().duration_since(began);
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert_eq!(replied.following.whole().await.unwrap().state, State::Done);
}

#[tokio::test]
async fn what_does_not_fit_is_left_out_and_noted() {
    let world = World::new(|settings| {
        settings.chat.tokens_max = Some(20);
        settings.window_max = Some(1_500);
    })
    .await;
    world.script(Vendor::Gemini, r#"{"times":"always","do":{"text":"notedfacts"}}"#);
    let alice = grant("alice");
    let opening = Opening { title: Some("t".into()), ..Opening::default() };
    let id = world.chat.create(&alice, opening).await.unwrap().id;
    // Some three hundred tokens each: four of them fit.
    for n in 0..9 {
        let long = format!("post{n} {}", "word ".repeat(180));
        let replied = world.chat.post(&alice, id, says(&long)).await.unwrap();
        assert_eq!(replied.following.whole().await.unwrap().state, State::Done, "{n}");
    }
    let last = || {
        let seen = world.sim.upstream(Vendor::OpenAi).unwrap().requests();
        seen.last().unwrap().body.clone()
    };
    let body = last();
    assert!(body.contains("post8 ") && body.contains("post7 "), "{body}");
    assert!(!body.contains("post0 ") && !body.contains("post1 "), "the oldest are left out");
    let person = world.people.of(&Owner::of(&alice.principal)).await.unwrap();
    for _ in 0..200 {
        if world.chat.kept(&person, id).await.unwrap().summary.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let replied = world.chat.post(&alice, id, says("und?")).await.unwrap();
    replied.following.whole().await.unwrap();
    assert!(last().contains("notedfacts"), "notes of what was left out: {}", last());
    assert!(!world.is_readable("notedfacts"));
}
