//! A caption job from the file to its artefacts, behind what was done before.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use llm_core::Str;
use llm_core::call::CacheUse;
use llm_core::error::Error;
use llm_core::principal::Grant;
use llm_core::store::StoreError;
use llm_store::deposits::{Deposits, Kind, Owner};
use llm_store::jobs::NotDone as NotKept;
use llm_store::jobs::runner::{Done, Run, Trouble};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::notation::{Notation, written};
use super::segment::{Heard, Place, Segment, rebased};
use super::sound::{Container, Cut, Piece, cut};
use super::{BYTES_MAX, Order, PIECES_MAX, artefact, listen, translate};
use crate::again::may_pass;
use crate::feature::Feature;
use crate::own::Own;
use crate::{Ground, people::Person};

/// Calls of one job beside each other.
const WIDTH: usize = 4;
/// How often a batch is asked for before it is halved.
const TRIES_MAX: u32 = 3;
/// By how much a sound may be longer than whoever declared it said, in milliseconds.
const LONGER_MAX: u64 = 60_000;
/// How much of the job is done, in percent: when the sound is cut, heard, and translated.
const CUT: u8 = 2;
const HEARD: u8 = 50;
const TRANSLATED: u8 = 95;

/// Who makes captions. Cheap to clone.
#[derive(Clone)]
pub struct Captions {
    ground: Ground,
    deposits: Deposits,
    listening: Feature,
    translation: Feature,
    cut: Cut,
}

/// One attempt.
struct Attempt<'a> {
    captions: &'a Captions,
    grant: &'a Arc<Grant>,
    order: &'a Order,
    run: &'a Run,
    own: Own<'a>,
}

/// Where pieces lie, as a step keeps it.
#[derive(Serialize, Deserialize)]
struct Lies {
    start: u64,
    end: Option<u64>,
}

impl Captions {
    /// With the files that people have left, and the features that listen and translate.
    pub fn new(
        ground: Ground,
        deposits: Deposits,
        (listening, translation): (Feature, Feature),
        cut: Cut,
    ) -> Self {
        Self { ground, deposits, listening, translation, cut }
    }

    /// Carries a job out, or as much as is left of it.
    pub async fn carry_out(
        &self,
        run: &Run,
        grant: &Arc<Grant>,
        order: &Order,
    ) -> Result<Done, Trouble> {
        let owner = Owner::from(Str::from(order.owner.clone()));
        let person = self.ground.people.find(&owner).await.map_err(passing)?;
        let person = person.filter(Person::may_be_kept);
        let person = person.ok_or_else(|| Trouble::lasting("nothing is kept of this user"))?;
        let own = Own::new(run, &person);
        let attempt = Attempt { captions: self, grant, order, run, own };
        tokio::select! {
            done = attempt.go() => done,
            // What is not kept by now is done again by whoever goes on.
            _ = run.stopped() => Err(Trouble::passing("it was stopped")),
        }
    }

    /// The bytes of a sound.
    async fn sound(&self, order: &Order) -> Result<Bytes, Trouble> {
        let owner = Owner::from(Str::from(order.owner.clone()));
        let gone = || Trouble::lasting("the file was deleted");
        let entry = self.deposits.get(&owner, Kind::File, &order.file).await.map_err(passing)?;
        let entry = entry.ok_or_else(gone)?;
        if entry.size > BYTES_MAX {
            return Err(Trouble::lasting("the file is too large"));
        }
        self.deposits.bytes(&owner, &entry).await.map_err(passing)?.ok_or_else(gone)
    }
}

impl Attempt<'_> {
    async fn go(&self) -> Result<Done, Trouble> {
        let heard = self.listen().await?;
        self.translate(&heard).await?;
        self.write(&heard).await?;
        Ok(Done { charge: self.order.charge })
    }

    async fn kept<T: DeserializeOwned>(&self, step: &str) -> Result<Option<T>, Trouble> {
        let Some(body) = self.own.kept(step.to_owned()).await? else { return Ok(None) };
        let odd = |_| passing(StoreError::Corrupt("what a step has come to".into()));
        serde_json::from_slice(&body).map(Some).map_err(odd)
    }

    async fn keep(&self, step: String, what: &impl Serialize) -> Result<(), Trouble> {
        let body = serde_json::to_vec(what);
        let body = body.map_err(|_| Trouble::lasting("a step that cannot be written"))?;
        self.own.checkpoint(step, &body).await
    }

    async fn progress(&self, percent: u8, step: &'static str, done: u8) -> Result<(), Trouble> {
        Ok(self.run.progress(percent, Some((Str::from_static(step), done))).await?)
    }

    /// All that is said, with the times of the whole.
    async fn listen(&self) -> Result<Heard, Trouble> {
        let known: Option<Vec<Lies>> = self.kept("split").await?;
        let known: Option<Vec<Place>> = known
            .map(|all| all.iter().map(|lies| Place { start: lies.start, end: lies.end }).collect());
        let mut heard: Vec<Option<Heard>> = Vec::new();
        for at in 0..known.as_ref().map_or(0, Vec::len) {
            heard.push(self.kept(&format!("heard/{at}")).await?);
        }
        if let Some(places) = &known
            && heard.iter().all(Option::is_some)
        {
            self.progress(HEARD, "transcribe", 100).await?;
            return Ok(rebased(places.iter().copied().zip(heard.into_iter().flatten())));
        }
        let sound = self.captions.sound(self.order).await?;
        let odd = |why: super::sound::NotSound| Trouble::lasting(why.to_string());
        let container = Container::of(&sound).map_err(odd)?;
        // Samples are copied, and nobody else waits for whoever copies a hundred megabytes.
        let by = self.captions.cut;
        let pieces = tokio::task::spawn_blocking(move || cut(&sound, by)).await;
        let pieces = pieces.map_err(|_| Trouble::passing("cutting broke off"))?.map_err(odd)?;
        if pieces.len() > PIECES_MAX {
            return Err(Trouble::lasting("the sound has too many pieces"));
        }
        let places: Vec<Place> = pieces.iter().map(|piece| piece.place).collect();
        if known.is_none() {
            let lies = |place: &Place| Lies { start: place.start, end: place.end };
            self.keep("split".to_owned(), &places.iter().map(lies).collect::<Vec<_>>()).await?;
        }
        self.progress(CUT, "split", 100).await?;
        let heard = self.hear_all(container, pieces, heard).await?;
        Ok(rebased(places.into_iter().zip(heard)))
    }

    async fn hear_all(
        &self,
        container: Container,
        pieces: Vec<Piece>,
        known: Vec<Option<Heard>>,
    ) -> Result<Vec<Heard>, Trouble> {
        let (count, done) = (pieces.len(), AtomicUsize::new(0));
        let known = known.into_iter().chain(std::iter::repeat(None));
        let each = pieces.into_iter().zip(known).enumerate().map(|(at, (piece, known))| {
            let done = &done;
            async move {
                let heard = match known {
                    Some(heard) => heard,
                    None => self.hear(container, &piece, at).await?,
                };
                let part = share(done.fetch_add(1, Ordering::Relaxed) + 1, count);
                self.progress(between(CUT, HEARD, part), "transcribe", part).await?;
                Ok(heard)
            }
        });
        stream::iter(each).buffered(WIDTH).try_collect().await
    }

    async fn hear(&self, container: Container, piece: &Piece, at: usize) -> Result<Heard, Trouble> {
        let (captions, wanted) = (self.captions, &self.order.wanted);
        let model = wanted.model.as_ref().unwrap_or(&captions.listening.model);
        let request = listen::asked(model, wanted.language.as_ref(), container, piece);
        let asking = captions.ground.asking(&captions.listening, self.grant);
        let transcript = asking.transcribe(request).await.map_err(|error| trouble(&error))?;
        let most = self.order.lasts.saturating_add(LONGER_MAX);
        if listen::lasted(&transcript).is_some_and(|lasts| lasts > most) {
            return Err(Trouble::lasting("the sound is longer than it was declared to be"));
        }
        let heard = listen::heard(&transcript);
        let heard = heard.map_err(|why| Trouble::lasting(why.to_string()))?;
        self.keep(format!("heard/{at}"), &heard).await?;
        Ok(heard)
    }

    /// Every language, one after the other; each is kept as a whole.
    async fn translate(&self, heard: &Heard) -> Result<(), Trouble> {
        let languages = &self.order.wanted.languages;
        let batches = translate::batches(&heard.segments);
        let (count, done) = (batches.len() * languages.len(), AtomicUsize::new(0));
        for language in languages {
            let step = format!("words/{language}");
            if self.own.kept(step.clone()).await?.is_some() {
                done.fetch_add(batches.len(), Ordering::Relaxed);
                continue;
            }
            let each = batches.iter().cloned().map(|batch| {
                let done = &done;
                async move {
                    let said = self.batch(heard, language, batch).await?;
                    let part = share(done.fetch_add(1, Ordering::Relaxed) + 1, count);
                    self.progress(between(HEARD, TRANSLATED, part), "translate", part).await?;
                    Ok::<_, Trouble>(said)
                }
            });
            let said: Vec<Vec<Segment>> = stream::iter(each).buffered(WIDTH).try_collect().await?;
            let segments = said.concat();
            if !translate::is_same(&heard.segments, &segments) {
                return Err(Trouble::passing("a translation has lost a segment"));
            }
            self.keep(step, &segments).await?;
        }
        self.progress(TRANSLATED, "translate", 100).await
    }

    /// One batch; what nobody translates as a whole is asked for in halves.
    async fn batch(
        &self,
        heard: &Heard,
        into: &str,
        batch: Range<usize>,
    ) -> Result<Vec<Segment>, Trouble> {
        let (mut waiting, mut said) = (vec![batch], Vec::new());
        while let Some(Range { start, end }) = waiting.pop() {
            let lines = heard.segments.get(start..end).unwrap_or_default();
            match self.ask(into, lines).await? {
                Ok(lines) => said.extend(lines),
                Err(_) if lines.len() > 1 => {
                    let middle = start.midpoint(end);
                    waiting.extend([middle..end, start..middle]);
                }
                Err(why) => return Err(Trouble::lasting(why.to_string())),
            }
        }
        Ok(said)
    }

    async fn ask(
        &self,
        into: &str,
        lines: &[Segment],
    ) -> Result<Result<Vec<Segment>, translate::NotTranslated>, Trouble> {
        let feature = &self.captions.translation;
        let mut why = translate::NotTranslated::Shape;
        for tried in 0..TRIES_MAX {
            // What is wrong in the cache would be wrong each time.
            let cache = if tried == 0 { CacheUse::Use } else { CacheUse::Refresh };
            let asking = self.captions.ground.asking(feature, self.grant).cache(cache);
            let request = translate::request(feature, into, lines);
            let answer = asking.chat(request).await.map_err(|error| trouble(&error))?;
            match translate::read(&answer.text(0), lines) {
                Ok(said) => return Ok(Ok(said)),
                Err(not) => why = not,
            }
        }
        Ok(Err(why))
    }

    /// Every language in every notation.
    async fn write(&self, heard: &Heard) -> Result<(), Trouble> {
        let language = heard.language.clone();
        self.write_one(None, language.as_deref(), &heard.segments).await?;
        for language in &self.order.wanted.languages {
            let segments: Option<Vec<Segment>> = self.kept(&format!("words/{language}")).await?;
            let lost = || Trouble::passing("a translation is not there any more");
            self.write_one(Some(language), Some(language), &segments.ok_or_else(lost)?).await?;
        }
        self.progress(99, "write", 100).await
    }

    async fn write_one(
        &self,
        into: Option<&str>,
        language: Option<&str>,
        segments: &[Segment],
    ) -> Result<(), Trouble> {
        for notation in Notation::ALL {
            let text = written(notation, segments);
            let text = text.map_err(|_| Trouble::lasting("the captions cannot be written"))?;
            let name = artefact(into, notation.ending());
            self.own.attach(&name, notation.media(), text.as_bytes()).await?;
        }
        let whole = json!({"language": language, "duration_ms": self.order.lasts,
            "segments": segments});
        let name = artefact(into, "json");
        self.own.attach(&name, "application/json", whole.to_string().as_bytes()).await
    }
}

/// So many of them, in percent.
fn share(done: usize, of: usize) -> u8 {
    u8::try_from(done.saturating_mul(100) / of.max(1)).unwrap_or(100).min(100)
}

/// So much of the way from one to the other.
fn between(from: u8, to: u8, part: u8) -> u8 {
    let way = u16::from(to.saturating_sub(from)) * u16::from(part) / 100;
    from.saturating_add(u8::try_from(way).unwrap_or_default())
}

fn passing(error: StoreError) -> Trouble {
    Trouble::from(NotKept::Store(error))
}

/// Why a call was not answered, and whether it may be another time.
fn trouble(error: &Error) -> Trouble {
    let problem = error.message().to_owned();
    if may_pass(error) { Trouble::passing(problem) } else { Trouble::lasting(problem) }
}

impl fmt::Debug for Captions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Captions").field("listening", &self.listening.model).finish_non_exhaustive()
    }
}
