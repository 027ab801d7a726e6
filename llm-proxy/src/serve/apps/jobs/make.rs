//! A job is made: what is asked is read, paid for, and put into the queue.

use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method};
use llm_app::NotDone;
use llm_app::captions::{KIND as CAPTIONS, Wanted};
use llm_core::Str;
use llm_core::error::{Error, Kind as Why};
use llm_core::idempotency::{HEADER, IdempotencyKey};
use llm_core::ledger::HoldId;
use llm_core::principal::Priority;
use llm_dialects::multipart;
use llm_store::deposits::Owner;
use llm_store::jobs::{Draft, JobId, Made, Retention};
use serde_json::{Map, Value};

use super::super::super::admin::fields::Fields;
use super::super::super::admin::refusal::Refusal;
use super::super::super::admin::wallets::purse;
use super::super::super::batches;
use super::super::super::depot::Depot;
use super::super::super::files;
use super::super::super::house::House;
use super::super::super::inbound::{depot, owner};
use super::super::super::routes::ask::{AppCaller, Ask};
use super::super::super::upload::{self, Sent};
use super::super::{apps, captions, debts};
use super::{KINDS, WANTED, retention};

/// Bytes of a request without a file.
const BYTES_MAX: u64 = 64 << 10;
/// What surrounds a file in its form.
const FORM_BYTES: u64 = 64 << 10;
/// How long a sound is kept that came with its job.
const SOUND_KEEP: Duration = Duration::from_hours(24);
/// Begun so often: each death of a process is one of them.
const ATTEMPTS_MAX: u32 = 10;
/// What names are made with that a repeated request makes again.
const ONCE: &str = "llm-proxy 2026-11 jobs that are asked for again";

/// What makes a job the same one when it is asked for again.
struct Once {
    name: Option<Str>,
    hold: HoldId,
    file: Str,
}

impl Once {
    fn of(ask: &Ask, owner: &Owner) -> Result<Self, Refusal> {
        let key = IdempotencyKey::of(&Method::POST, &ask.headers);
        let key = key.map_err(|why| Refusal::wrong(HEADER, why.to_string()))?;
        let mut hash = blake3::Hasher::new_derive_key(ONCE);
        match &key {
            Some(key) => {
                let whose = owner.as_str();
                hash.update(&(whose.len() as u64).to_le_bytes()).update(whose.as_bytes());
                hash.update(key.as_str().as_bytes());
            }
            None => {
                let drawn = crate::secrets::hex::<16>().map_err(|error| {
                    Error::new(Why::Internal, "the system gives no random bytes").because(error)
                })?;
                hash.update(drawn.as_bytes());
            }
        }
        let (mut bytes, mut hold) = ([0; 32], [0; 16]);
        hash.finalize_xof().fill(&mut bytes);
        hold.copy_from_slice(&bytes[..16]);
        let text = blake3::Hash::from_bytes(bytes).to_hex();
        let name = key.map(|_| Str::from(format!("app/{text}")));
        let file = Str::from(format!("file-{}", &text[32..]));
        Ok(Self { name, hold: HoldId(u128::from_be_bytes(hold)), file })
    }
}

pub(super) async fn create(ask: &mut Ask, by: &AppCaller) -> Result<JobId, Refusal> {
    let (house, owner) = (ask.house.clone(), owner(by));
    let depot = depot(&house)?;
    let once = Once::of(ask, &owner)?;
    let Sent { headers, body } = ask.body()?;
    let form = is_form(&headers);
    let most = if form { depot.rules.files.size_max + FORM_BYTES } else { BYTES_MAX };
    let _place = match form {
        false => None,
        true => Some(depot.uploads.try_acquire().map_err(|_| {
            Error::new(Why::Busy, "other files are being uploaded: try again in a moment")
        })?),
    };
    let bytes = upload::read(&headers, body, most, &*house.clock).await?;
    let mut fields = if form { Fields::default() } else { Fields::parse(&bytes)? };
    let mut sound = None;
    if form {
        (fields, sound) = read_form(&headers, &bytes)?;
    }
    fields.among(&[WANTED])?;
    let kind: String = fields.need("kind")?;
    match &*kind {
        CAPTIONS => make_captions(&house, by, fields, sound, once).await,
        "batch" => {
            let wanted = batches::Wanted::read(&mut fields)?;
            fields.end()?;
            batches::begin(depot, by, wanted).await
        }
        _ => Err(Refusal::wrong("kind", format!("kind must be one of {}", KINDS.join(", ")))),
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("multipart/form-data"))
}

/// The fields of a form, as they would stand in JSON, and its file.
fn read_form(headers: &HeaderMap, bytes: &Bytes) -> Result<(Fields, Option<Bytes>), Refusal> {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let (mut said, mut file) = (Map::new(), None);
    for part in multipart::parse(kind.unwrap_or_default(), bytes)? {
        let name = &*part.name;
        if name == "file" {
            file = Some(part.bytes);
            continue;
        }
        let text = str::from_utf8(&part.bytes).map_err(|_| Refusal::wrong(name, "no text"))?;
        let text = text.trim();
        let value = match name {
            "duration_seconds" => text.parse::<u64>().map_or(Value::from(text), Value::from),
            // Several of one name, or one with commas.
            "languages" | "languages[]" => {
                let more = text.split(',').map(str::trim).filter(|tag| !tag.is_empty());
                let known = said.entry("languages").or_insert_with(|| Value::Array(Vec::new()));
                if let Value::Array(known) = known {
                    known.extend(more.map(Value::from));
                }
                continue;
            }
            _ => Value::from(text),
        };
        said.insert(name.to_owned(), value);
    }
    Ok((Fields::parse(Value::from(said).to_string().as_bytes())?, file))
}

async fn make_captions(
    house: &House,
    by: &AppCaller,
    mut fields: Fields,
    sound: Option<Bytes>,
    once: Once,
) -> Result<JobId, Refusal> {
    let wanted = Wanted {
        languages: fields.take("languages")?.set().unwrap_or_default(),
        language: fields.take("language")?.set(),
        model: fields.take("model")?.set(),
    };
    wanted.check()?;
    let declared: Option<u64> = fields.take("duration_seconds")?.set();
    let file: Option<String> = fields.take("input_file_id")?.set();
    let kept: Option<String> = fields.take("retention")?.set();
    fields.end()?;
    let print = by.print.ok_or_else(|| {
        let text = "this token allows less than its user may ask, and a job would outlast it";
        Refusal::new(http::StatusCode::FORBIDDEN, "permission_denied", text)
    })?;
    let retention = match kept {
        Some(word) => retention(house, by, &word).await?,
        None => Retention::default(),
    };
    if !apps(house)?.ground.person(&by.grant).await?.may_be_kept() {
        return Err(NotDone::NoConsent.into());
    }
    let (depot, owner) = (depot(house)?, owner(by));
    let file = match (file, sound) {
        (Some(file), None) => file,
        (None, Some(sound)) => keep_sound(depot, &owner, &once, sound).await?,
        _ => {
            let text = "a file of /v1/files, or a form with the file itself, and not both";
            return Err(Refusal::wrong("input_file_id", text));
        }
    };
    let lasts = captions::lasts(depot, &owner, &file, declared).await?;
    let rules = purse(house)?.terms();
    let price = rules.rules.jobs.get(CAPTIONS);
    let amount = captions::price(price, lasts, wanted.languages.len())?;
    let held = debts::hold(house, &by.grant, (amount, once.hold)).await?;
    let input = captions::order(&owner, print, (file, lasts), wanted, amount)?;
    let principal = &by.grant.principal;
    let draft = Draft {
        user: principal.user.clone(),
        key: Some(principal.key.clone()),
        priority: Priority::Default,
        attempts_max: ATTEMPTS_MAX,
        retention,
        payment: held.as_ref().map(debts::Held::payment),
        once: once.name,
        ..Draft::new(principal.tenant.clone(), Str::from_static(CAPTIONS), input)
    };
    match (depot.jobs.create(draft).await, held) {
        (Ok(Made { id, .. }), Some(held)) => {
            held.given(house, id).await;
            Ok(id)
        }
        (Ok(Made { id, .. }), None) => Ok(id),
        // Nobody knows whether it was made: it goes back by itself, unless a job takes it over.
        (Err(why @ llm_store::jobs::NotDone::Store(_)), _) | (Err(why), None) => Err(why.into()),
        // Another request had this name, and the hold may be its job's.
        (Err(why @ llm_store::jobs::NotDone::Reused), Some(_)) => Err(why.into()),
        (Err(why), Some(held)) => {
            held.back(house).await;
            Err(why.into())
        }
    }
}

/// A sound that came with its job.
async fn keep_sound(
    depot: &Depot,
    owner: &Owner,
    once: &Once,
    sound: Bytes,
) -> Result<String, Refusal> {
    let head = files::Head { filename: "sound".to_owned(), purpose: "user_data".to_owned() };
    files::put(depot, owner, once.file.clone(), &head, (Some(SOUND_KEEP), sound)).await?;
    Ok(once.file.to_string())
}
