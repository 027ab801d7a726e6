//! A caption job in a queue, with simulated providers.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use llm_core::principal::{Grant, TenantId};
use llm_core::seam::{BoxFuture, Clock, Entropy};
use llm_providers::Gateway;
use llm_providers::provider::ProviderSettings;
use llm_providers::seam::{SystemClock, SystemEntropy};
use llm_sim::script::Script;
use llm_sim::upstream::Vendor;
use llm_sim::{Options, SimTransport};
use llm_store::deposits::{Deposits, Draft as Deposit, Kind, Owner};
use llm_store::jobs::runner::{Done, Run, Runner, Settings, Trouble, Work};
use llm_store::jobs::{Draft, Job, JobId, Jobs, Whose};
use serde_json::{Value, json};

use super::sound::Cut;
use super::sound::tests::wav;
use super::*;
use crate::feature::Feature;
use crate::people::{Consent, People};
use crate::testing::{chest, database, fresh};
use crate::{Ground, own};

/// A queue with one kind of work, and what it works with.
struct World {
    captions: Captions,
    ground: Ground,
    jobs: Jobs,
    deposits: Deposits,
    simulated: Arc<SimTransport>,
    owner: Owner,
    grant: Arc<Grant>,
    _folder: tempfile::TempDir,
}

#[derive(Debug)]
struct Makes(Captions, Arc<Grant>);

impl Work for Makes {
    fn run<'a>(&'a self, run: &'a Run) -> BoxFuture<'a, Result<Done, Trouble>> {
        Box::pin(async move {
            let order: Order = serde_json::from_slice(run.input()).unwrap();
            self.0.carry_out(run, &self.1, &order).await
        })
    }
}

async fn world(cut: Cut) -> World {
    let simulated = Arc::new(SimTransport::new(&Options::default()));
    let openai = ProviderSettings::new("openai", "openai").key("sk-test-0123456789");
    let gateway = Gateway::builder()
        .vendor(openai.build_over(Arc::clone(&simulated) as _).unwrap())
        .model("smart", [["openai/gpt-4o-mini"]])
        .model("ears", [["openai/whisper-1"]])
        .build()
        .unwrap();
    let (database, folder) = database().await;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    let people = People::new(database.clone(), chest(), fresh, true);
    let jobs = Jobs::new(database.clone(), Some(chest()), Arc::clone(&clock), Arc::clone(&entropy));
    let deposits = Deposits::new(database.clone(), Some(chest()));
    let ground = Ground { gateway, database, people, clock, entropy };
    let features = (Feature::new(KIND, "ears"), Feature::new("translation", "smart"));
    let captions = Captions::new(ground.clone(), deposits.clone(), features, cut);
    let grant = Arc::new(Grant::embedded());
    let owner = Owner::of(&grant.principal);
    ground.people.of(&owner).await.unwrap();
    World { captions, ground, jobs, deposits, simulated, owner, grant, _folder: folder }
}

impl World {
    async fn made(&self, sound: Bytes, lasts: u64) -> Job {
        let file = Deposit {
            owner: self.owner.clone(),
            id: "file-1".into(),
            kind: Kind::File,
            head: "{}".into(),
            previous: None,
            keep: None,
            body: sound,
        };
        self.deposits.put(file).await.unwrap();
        let wanted =
            Wanted { languages: vec!["en".into(), "ko".into()], language: None, model: None };
        let (owner, file) = (self.owner.as_str().to_owned(), "file-1".to_owned());
        let order = Order { owner, print: [0; 32], file, lasts, wanted, charge: 7 };
        let input = Bytes::from(serde_json::to_vec(&order).unwrap());
        let draft =
            Draft { attempts_max: 2, ..Draft::new(TenantId::default(), KIND.into(), input) };
        let id = self.jobs.create(draft).await.unwrap().id;
        self.ended(id).await
    }

    async fn ended(&self, id: JobId) -> Job {
        let makes: Arc<dyn Work> = Arc::new(Makes(self.captions.clone(), Arc::clone(&self.grant)));
        let mut settings = Settings::new("w".into());
        (settings.idle, settings.backoff) = (Duration::from_millis(10), Duration::from_millis(10));
        let runner = Runner::new(self.jobs.clone(), [(KIND.into(), makes)], settings);
        let over = async {
            loop {
                let (job, _) = self.jobs.get(id, &Whose::all()).await.unwrap();
                if job.state.is_over() {
                    return job;
                }
                self.ground.clock.sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            job = over => job,
            () = runner.run(std::future::pending()) => unreachable!(),
        }
    }

    async fn artefact(&self, id: JobId, name: &str) -> Bytes {
        let (media, sealed) =
            self.jobs.artefact(id, &Whose::all(), name.to_owned().into()).await.unwrap();
        assert!(own::is_sealed(&media));
        let person = self.ground.people.find(&self.owner).await.unwrap().unwrap();
        own::artefact(&person, id, name, sealed).unwrap()
    }

    fn script(&self, rules: Value) {
        let rules = Script::parse(rules.to_string().as_bytes()).unwrap();
        self.simulated.upstream(Vendor::OpenAi).unwrap().script(rules);
    }

    fn asked(&self, part: &str) -> usize {
        let all = self.simulated.upstream(Vendor::OpenAi).unwrap().requests();
        all.iter().filter(|one| one.path.contains(part)).count()
    }
}

/// Ninety-five seconds, of which a piece has forty.
fn sound() -> (Bytes, Cut) {
    (wav(1_000, 1, &[0x80; 95_000]), Cut { bytes: 1 << 20, millis: 40_000 })
}

#[tokio::test]
async fn a_long_sound_is_heard_in_pieces_and_told_as_one() {
    let (sound, cut) = sound();
    let world = world(cut).await;
    // The first translation is none, and is asked for again.
    world.script(json!([{"match": {"operation": "chat"}, "times": 1, "do": {"text": "sorry"}}]));
    let job = world.made(sound, 95_000).await;
    assert_eq!(job.state.as_str(), "completed", "{:?}", job.problem);
    assert_eq!((job.percent, job.attempts), (100, 1));
    assert_eq!((world.asked("transcriptions"), world.asked("chat")), (3, 3));
    let mut spans = Vec::new();
    for language in ["original", "en", "ko"] {
        let whole = world.artefact(job.id, &format!("{language}.json")).await;
        let whole: Value = serde_json::from_slice(&whole).unwrap();
        let segments: Vec<segment::Segment> =
            serde_json::from_value(whole["segments"].clone()).unwrap();
        spans.push(segments.iter().map(|one| (one.start, one.end)).collect::<Vec<_>>());
        for notation in notation::Notation::ALL {
            let name = artefact((language != "original").then_some(language), notation.ending());
            let text = world.artefact(job.id, &name).await;
            let read = notation.read(str::from_utf8(&text).unwrap()).unwrap();
            let said: Vec<_> = segments.iter().map(|one| notation.said(one)).collect();
            assert_eq!(read, said);
        }
    }
    let times: Vec<u64> = (0..10).map(|at| at * 10_000).collect();
    assert_eq!(spans[0].iter().map(|span| span.0).collect::<Vec<_>>(), times);
    assert!(spans[0].last().unwrap().1 == 95_000 && spans.iter().all(|one| *one == spans[0]));
}

#[tokio::test]
async fn what_nobody_translates_fails_and_says_why() {
    let (sound, cut) = sound();
    let world = world(cut).await;
    world.script(json!([{"match": {"operation": "chat"}, "times": "always",
        "do": {"text": "{\"s1\": \"\"}"}}]));
    let job = world.made(sound, 95_000).await;
    assert_eq!((job.state.as_str(), job.attempts), ("failed", 1));
    assert!(job.problem.unwrap().contains("translation"));
}

#[tokio::test]
async fn what_passes_is_tried_again_behind_what_was_heard() {
    let (sound, cut) = sound();
    let world = world(cut).await;
    // The gateway repeats some by itself: all of an attempt, and then well.
    world.script(
        json!([{"match": {"operation": "chat"}, "times": 12, "do": {"error": "server_error"}}]),
    );
    let job = world.made(sound, 95_000).await;
    assert_eq!(job.attempts, 2, "{job:?}");
    assert_eq!(world.asked("transcriptions"), 3, "it was heard once");
}

#[tokio::test]
async fn nothing_is_made_for_who_was_forgotten_or_has_not_agreed() {
    let (sound, cut) = sound();
    let world = world(cut).await;
    world.ground.people.agree(&world.owner, Consent::Withdrawn).await.unwrap();
    let job = world.made(sound, 95_000).await;
    assert_eq!(job.state.as_str(), "failed");
    assert_eq!(world.asked("transcriptions"), 0);
}
