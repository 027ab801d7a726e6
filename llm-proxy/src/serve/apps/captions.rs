//! Captions as jobs: what is asked of a sound, what that costs, and who carries it out.

use std::fmt;
use std::num::NonZeroU64;
use std::sync::Weak;

use bytes::Bytes;
use llm_app::captions::sound::{self, CUT, Container};
use llm_app::captions::{BYTES_MAX, Captions, KIND, LASTS_MAX, Order, PIECES_MAX, Wanted};
use llm_app::feature::Feature;
use llm_app::{Ground, NotDone};
use llm_core::Str;
use llm_core::error::Kind as Why;
use llm_core::money::Credits;
use llm_core::seam::BoxFuture;
use llm_core::store::KeyHash;
use llm_core::wallet::formula::{Count, Formula};
use llm_store::deposits::{Kind, Owner};
use llm_store::jobs::runner::{Done, Run, Trouble, Work};
use llm_store::seal::Chest;

use super::super::admin::refusal::Refusal;
use super::super::depot::Depot;
use super::super::house::House;
use super::{debts, deposits};
use crate::config::Config;

/// What they cost where the configuration names no price of this job.
const PRICE: &str = "10 credits/minute + 5 credits/minute per target language";
const MILLIS: NonZeroU64 = NonZeroU64::new(60_000).unwrap();
const SECOND: NonZeroU64 = NonZeroU64::new(1_000).unwrap();
/// Models that listen and say when what was said; the first one that there is.
const LISTENERS: [&str; 2] = ["whisper-1", "gpt-4o-transcribe-diarize"];
/// Who has the first of them, where no model of the configuration is called so.
const HOSTS: [&str; 2] = ["openai", "simulated"];

/// Who makes captions, as the configuration has it.
pub(super) fn open(config: &Config, ground: &Ground, chest: &Chest) -> Captions {
    let deposits = deposits(ground, chest);
    let listening = config.feature(Feature::new(KIND, listener(config)));
    let translation = config.feature(Feature::new("translation", config.usual_model()));
    Captions::new(ground.clone(), deposits, (listening, translation), CUT)
}

/// The model that listens unless somebody says otherwise.
fn listener(config: &Config) -> Str {
    let known = LISTENERS.into_iter().find(|name| config.models.contains_key(*name));
    let host = || HOSTS.into_iter().find(|name| config.providers.contains_key(*name));
    let usual = known.map(Str::from_static);
    let hosted = || Some(Str::from(format!("{}/{}", host()?, LISTENERS[0])));
    usual.or_else(hosted).unwrap_or_else(|| config.usual_of(&LISTENERS))
}

/// What the price of the configuration makes of it.
pub(super) fn price(
    formula: Option<&Formula>,
    lasts: u64,
    languages: usize,
) -> Result<Credits, Refusal> {
    let usual = PRICE.parse();
    let formula = match (formula, &usual) {
        (Some(formula), _) | (None, Ok(formula)) => formula,
        (None, Err(why)) => return Err(unpriced(why)),
    };
    let mut given = Vec::new();
    for name in formula.quantities() {
        let count = match name.rsplit(' ').next() {
            Some("minute") => Count::of(lasts, MILLIS),
            Some("second") => Count::of(lasts, SECOND),
            Some("language") => Count::from(languages as u64),
            Some(_) | None => return Err(unpriced(&format!("who counts {name:?}?"))),
        };
        given.push((name, count));
    }
    formula.price(&given).map_err(|why| unpriced(&why))
}

/// The operator's mistake, and not the caller's.
fn unpriced(why: &impl fmt::Display) -> Refusal {
    tracing::error!(%why, "credits.jobs.captions is no price of captions");
    Refusal::new(http::StatusCode::NOT_IMPLEMENTED, "not_priced", "captions have no price here")
}

/// How long a sound lasts: as its container says, else as whoever asks does.
pub(super) async fn lasts(
    depot: &Depot,
    owner: &Owner,
    file: &str,
    declared: Option<u64>,
) -> Result<u64, Refusal> {
    let wrong = |why: String| Refusal::wrong("input_file_id", why);
    let entry = depot.deposits.get(owner, Kind::File, file).await?;
    let entry = entry.ok_or_else(|| wrong("there is no such file".to_owned()))?;
    if entry.size > BYTES_MAX {
        return Err(wrong(format!("a sound may have {BYTES_MAX} bytes at the most")));
    }
    let bytes = depot.deposits.bytes(owner, &entry).await?;
    let bytes = bytes.ok_or_else(|| wrong("there is no such file".to_owned()))?;
    // Frames of an hour are a quarter of a million.
    let looked = tokio::task::spawn_blocking(move || look(&bytes)).await;
    let known = match looked {
        Ok(Ok(known)) => known,
        Ok(Err(why)) => return Err(wrong(why.to_string())),
        Err(_) => return Err(wrong("this sound cannot be looked at".to_owned())),
    };
    let said = declared.map(|seconds| seconds.saturating_mul(1_000));
    let lasts = known.or(said).ok_or_else(|| {
        let text = "how long a sound of this kind lasts has to be said";
        Refusal::wrong("duration_seconds", text)
    })?;
    let most = LASTS_MAX / 60_000;
    if !(1..=LASTS_MAX).contains(&lasts) {
        let param = if known.is_some() { "input_file_id" } else { "duration_seconds" };
        return Err(Refusal::wrong(param, format!("captions are made of up to {most} minutes")));
    }
    Ok(lasts)
}

fn look(bytes: &Bytes) -> Result<Option<u64>, sound::NotSound> {
    let container = Container::of(bytes)?;
    let known = sound::lasts(bytes)?;
    match container {
        // These are cut, and so may be as long as there may be pieces.
        Container::Wav | Container::Mp3 => {
            let most = CUT.bytes.saturating_mul(PIECES_MAX);
            if bytes.len() > most { Err(sound::NotSound::TooLarge(most)) } else { Ok(known) }
        }
        Container::Flac | Container::Ogg | Container::Mp4 | Container::Webm => {
            sound::cut(bytes, CUT).map(|_| known)
        }
    }
}

/// What a job is told.
pub(super) fn order(
    owner: &Owner,
    print: KeyHash,
    (file, lasts): (String, u64),
    wanted: Wanted,
    charge: Credits,
) -> Result<Bytes, Refusal> {
    let (owner, charge) = (owner.as_str().to_owned(), charge.0);
    let order = Order { owner, print: print.0, file, lasts, wanted, charge };
    let odd = |_| Refusal::from(NotDone::wrong("body", "cannot be written down"));
    serde_json::to_vec(&order).map(Bytes::from).map_err(odd)
}

/// The work of captions.
pub(crate) struct CaptionWork {
    /// The house ends with its workers, and not the other way round.
    house: Weak<House>,
}

impl CaptionWork {
    /// The kind of its jobs.
    pub(crate) const KIND: &str = KIND;

    pub(crate) fn new(house: Weak<House>) -> Self {
        Self { house }
    }

    async fn done(&self, run: &Run) -> Result<Done, Trouble> {
        let leaving = || Trouble::passing("the process is ending");
        let house = self.house.upgrade().ok_or_else(leaving)?;
        let order: Order = serde_json::from_slice(run.input())
            .map_err(|_| Trouble::lasting("what was asked for cannot be read"))?;
        debts::take_over(&house, run.job()).await?;
        let grant = house.keys.grant_of(&KeyHash(order.print)).await.map_err(|error| {
            let barred = matches!(error.kind(), Why::Unauthenticated | Why::Forbidden);
            let text = error.message().to_owned();
            if barred { Trouble::lasting(text) } else { Trouble::passing(text) }
        })?;
        let apps = house.apps.as_ref().ok_or_else(leaving)?.now();
        apps.captions.carry_out(run, &grant, &order).await
    }
}

impl Work for CaptionWork {
    fn run<'a>(&'a self, run: &'a Run) -> BoxFuture<'a, Result<Done, Trouble>> {
        Box::pin(self.done(run))
    }
}

impl fmt::Debug for CaptionWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CaptionWork")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn begun_minutes_are_paid_and_each_language_beside_them() {
        let price = |formula: Option<&str>, lasts, languages| {
            let formula = formula.map(|text| text.parse::<Formula>().unwrap());
            price(formula.as_ref(), lasts, languages).map(|credits| credits.to_string())
        };
        assert_eq!(price(None, 720_000, 2).unwrap(), "240");
        assert_eq!(price(None, 720_001, 0).unwrap(), "130");
        assert_eq!(price(Some("1 credit/exact second"), 1_500, 3).unwrap(), "1.5");
        assert!(price(Some("1 credit/page"), 1_500, 3).is_err());
    }
}
