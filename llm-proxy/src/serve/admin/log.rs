//! The request log and its sums. The log is written behind the calls and may have dropped some;
//! what a key has spent is the ledger's to say (`/key/info`).

use http::StatusCode;
use llm_core::Str;
use llm_core::usage::TokenKind;
use llm_store::requests::{By, Cursor, Of, PAGE_MAX, Request, Search, Sums, Usage, UsageRow};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::super::office::Office;
use super::super::routes::ask::{Ask, Part, office};
use super::super::routes::shape::{
    self, ASKED_MAX, Field, PART, Shape, counts, flag, key, list, number,
};
use super::super::routes::shape::{text, whole};
use super::super::routes::{Route, operator};
use super::fields::Params;
use super::refusal::{Answered, Refusal};
use super::view::exact;
use super::{Listed, told};

const OF: &[Field] = &[key("key", ""), text("user", ""), text("model", "")];
const WHEN: &[Field] =
    &[text("from", "a day, or an instant"), text("to", "a day, or an instant: before that")];
const MORE: &[Field] =
    &[text("tag", "with this tag"), whole("size", "the same as limit").least(1).most(ASKED_MAX)];
const OF_THEIRS: &[Field] = &[
    key("api_key", ""),
    text("user_id", ""),
    text("model", ""),
    text("start_date", "a day, or an instant"),
    text("end_date", "a day, or an instant: before that"),
];
const CALL: &[Field] = &[
    text("id", "").need(),
    text("at", "").need(),
    text("key", "the public id of the key's line").need(),
    text("user", "").need(),
    text("team", "").need(),
    text("feature", "").need(),
    text("operation", "").need(),
    text("model", "").need(),
    text("target", "who answered").need(),
    flag("cached", "").need(),
    whole("attempts", "").need(),
    flag("stream", "").need(),
    text("outcome", "done, left, or the kind of the error").need(),
    counts("tokens", "").need(),
    whole("cost_nanos", "what the caller was charged, in billionths of a USD").need(),
    whole("loss_nanos", "what the operator paid beside it").need(),
    text("credits", "what the caller was charged in credits, where it pays in credits"),
    text("plan", "what was sold to the caller").need(),
    whole("first_byte_us", ""),
    whole("total_us", "").need(),
    list("tags", &shape::Of::Text, "").need(),
];
const ROW: &[Field] = &[
    text("tenant", ""),
    text("key", ""),
    text("user", ""),
    text("team", ""),
    text("feature", ""),
    text("operation", ""),
    text("model", ""),
    text("provider", ""),
    text("target", ""),
    text("day", ""),
    text("month", ""),
    whole("calls", "").need(),
    whole("errors", "").need(),
    whole("cached", "").need(),
    counts("tokens", "").need(),
    whole("images", "").need(),
    whole("pieces", "").need(),
    whole("audio_ms", "").need(),
    number("spend", "USD"),
    whole("spend_nanos", "").need(),
    whole("loss_nanos", "").need(),
];
const REPORT: &[Field] =
    &[list("by", &shape::Of::Text, "").need(), list("rows", &shape::Of::Table(&[ROW]), "").need()];
const SPEND_LOG: &[Field] = &[
    text("request_id", "").need(),
    text("call_type", "").need(),
    text("api_key", "the public id of the key's line").need(),
    text("user", "").need(),
    text("team_id", "").need(),
    text("model", "").need(),
    number("spend", "USD"),
    whole("spend_nanos", "").need(),
    whole("prompt_tokens", "").need(),
    whole("completion_tokens", "").need(),
    whole("total_tokens", "").need(),
    text("startTime", "").need(),
    flag("cache_hit", "").need(),
    list("request_tags", &shape::Of::Text, "").need(),
    text("status", "").need(),
];
const SPENDER: &[Field] = &[
    text("group_by_day", "").need(),
    text("group", "").need(),
    number("total_spend", "USD"),
    whole("total_spend_nanos", "").need(),
    whole("calls", "").need(),
];

pub(crate) const ROUTES: &[Route] = &[
    Route::get("/admin/requests", "The request log, newest first.", operator!(Read, requests))
        .query(&[OF, WHEN, MORE, PART])
        .gives(Shape::Named("requests", &[CALL])),
    Route::get("/admin/usage", "Sums of days, by whatever is asked.", operator!(Read, usage))
        .query(&[OF, WHEN, &[text("by", "key, user, team, model, day, month … between commas")]])
        .gives(Shape::Table(&[REPORT])),
    Route::get("/spend/logs", "The latest calls, as LiteLLM lists them.", operator!(Read, logs))
        .query(&[OF_THEIRS])
        .gives(Shape::List(&[SPEND_LOG])),
    Route::get(
        "/global/spend/report",
        "Spend by day and group, in one list.",
        operator!(Read, spend_report),
    )
    .query(&[OF_THEIRS, &[text("group_by", "team, customer or api_key")]])
    .gives(Shape::List(&[SPENDER])),
];

/// Whose calls, by the names that parameters have.
async fn of(office: &Office, params: &mut Params, names: [&str; 3]) -> Result<Of, Refusal> {
    let [key, user, model] = names;
    let key = match params.take(key) {
        Some(key) => Some(office.line(&key).await?),
        None => None,
    };
    let (user, model) = (params.take(user).map(Str::from), params.take(model).map(Str::from));
    Ok(Of { key, user, model, ..Of::default() })
}

#[derive(Serialize)]
struct Call {
    id: String,
    at: String,
    key: Str,
    user: Str,
    team: Str,
    feature: Str,
    operation: Str,
    model: Str,
    target: Str,
    cached: bool,
    attempts: u32,
    stream: bool,
    outcome: Str,
    tokens: Map<String, Value>,
    cost_nanos: i64,
    loss_nanos: i64,
    credits: Option<String>,
    plan: Str,
    first_byte_us: Option<u64>,
    total_us: u64,
    tags: Vec<Str>,
}

impl Call {
    fn of(office: &Office, request: Request) -> Self {
        let micros =
            |span: std::time::Duration| u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        let Request { subject, usage, .. } = request;
        Self {
            id: request.id.to_string(),
            at: office.zone.show(request.at),
            key: subject.key,
            user: subject.user,
            team: subject.team,
            feature: subject.feature,
            operation: subject.operation,
            model: subject.model,
            target: subject.target,
            cached: subject.cached,
            attempts: request.attempts,
            stream: request.stream,
            outcome: request.outcome,
            tokens: tokens(|kind| usage.tokens(kind)),
            cost_nanos: request.charged.0,
            loss_nanos: request.loss.0,
            credits: request.credits.map(|credits| credits.to_string()),
            plan: request.plan,
            first_byte_us: request.first_byte.map(micros),
            total_us: micros(request.total),
            tags: request.tags,
        }
    }
}

/// Counts by their kinds, without those that are none.
fn tokens(of: impl Fn(TokenKind) -> u64) -> Map<String, Value> {
    let all = TokenKind::ALL.into_iter().map(|kind| (kind.name().to_owned(), of(kind)));
    all.filter(|(_, count)| *count > 0).map(|(name, count)| (name, count.into())).collect()
}

async fn requests(ask: &mut Ask) -> Answered {
    let Part { cursor, limit } = ask.part()?;
    let Ask { house, query, .. } = ask;
    let office = office(house)?;
    let search = Search {
        of: of(office, query, ["key", "user", "model"]).await?,
        ended: None,
        tag: query.take("tag").map(Str::from),
        from: query.parse("from", |text| office.instant(text))?,
        to: query.parse("to", |text| office.instant(text))?,
    };
    let odd = |_| Refusal::wrong("cursor", "not a cursor of this list");
    let after: Option<Cursor> = cursor.map(|text| text.parse().map_err(odd)).transpose()?;
    let page = office.requests.page(&search, after, limit).await?;
    let data = page.requests.into_iter().map(|request| Call::of(office, request)).collect();
    let listed = Listed { data, next: page.next.map(|cursor| cursor.to_string()) };
    Ok(told(StatusCode::OK, &listed.named("requests")))
}

#[derive(Serialize)]
struct Report {
    by: Vec<&'static str>,
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    /// A word for each that was asked for.
    #[serde(flatten)]
    of: Map<String, Value>,
    calls: u64,
    errors: u64,
    cached: u64,
    tokens: Map<String, Value>,
    images: u64,
    pieces: u64,
    audio_ms: u64,
    spend: Option<Box<RawValue>>,
    spend_nanos: i64,
    loss_nanos: i64,
}

impl Row {
    fn new(by: &[By], row: UsageRow) -> Self {
        let UsageRow { of, sums } = row;
        let names = by.iter().map(|by| by.name().to_owned());
        let Sums { calls, errors, cached, images, pieces, audio_ms, .. } = sums;
        let counts = sums.tokens;
        let count = |kind: TokenKind| counts.get(kind as usize).copied().unwrap_or_default();
        Self {
            of: names.zip(of.iter().map(|word| Value::from(word.to_string()))).collect(),
            calls,
            errors,
            cached,
            tokens: tokens(count),
            images,
            pieces,
            audio_ms,
            spend: exact(sums.charged),
            spend_nanos: sums.charged.0,
            loss_nanos: sums.loss.0,
        }
    }
}

async fn usage(ask: &mut Ask) -> Answered {
    let Ask { house, query: params, .. } = ask;
    let office = office(house)?;
    let by = params.parse("by", |text| text.split(',').map(By::parse).collect::<Option<_>>())?;
    let usage = Usage {
        of: of(office, params, ["key", "user", "model"]).await?,
        by: by.unwrap_or_default(),
        from: params.parse("from", |text| office.day(text))?,
        to: params.parse("to", |text| office.day(text))?,
    };
    let rows = office.requests.usage(&usage).await?;
    let rows = rows.into_iter().map(|row| Row::new(&usage.by, row)).collect();
    let by = usage.by.iter().map(|by| by.name()).collect();
    Ok(told(StatusCode::OK, &Report { by, rows }))
}

/// A call as LiteLLM lists it.
#[derive(Serialize)]
#[expect(non_snake_case, reason = "LiteLLM's names")]
struct SpendLog {
    request_id: String,
    call_type: Str,
    api_key: Str,
    user: Str,
    team_id: Str,
    model: Str,
    spend: Option<Box<RawValue>>,
    spend_nanos: i64,
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    startTime: String,
    cache_hit: bool,
    request_tags: Vec<Str>,
    status: Str,
}

impl SpendLog {
    fn of(office: &Office, request: Request) -> Self {
        let counted = |read: bool| {
            let kinds = TokenKind::ALL.into_iter().filter(move |kind| kind.is_read() == read);
            kinds.map(|kind| request.usage.tokens(kind)).sum::<u64>()
        };
        let (prompt_tokens, completion_tokens) = (counted(true), counted(false));
        Self {
            request_id: request.id.to_string(),
            call_type: request.subject.operation,
            api_key: request.subject.key,
            user: request.subject.user,
            team_id: request.subject.team,
            model: request.subject.model,
            spend: exact(request.charged),
            spend_nanos: request.charged.0,
            prompt_tokens,
            completion_tokens,
            total_tokens: prompt_tokens + completion_tokens,
            startTime: office.zone.show(request.at),
            cache_hit: request.subject.cached,
            request_tags: request.tags,
            status: request.outcome,
        }
    }
}

async fn logs(ask: &mut Ask) -> Answered {
    let Ask { house, query: params, .. } = ask;
    let office = office(house)?;
    let search = Search {
        of: of(office, params, ["api_key", "user_id", "model"]).await?,
        from: params.parse("start_date", |text| office.instant(text))?,
        to: params.parse("end_date", |text| office.instant(text))?,
        ..Search::default()
    };
    let page = office.requests.page(&search, None, PAGE_MAX).await?;
    let logs = page.requests.into_iter().map(|request| SpendLog::of(office, request));
    Ok(told(StatusCode::OK, &logs.collect::<Vec<_>>()))
}

#[derive(Serialize)]
struct Spender {
    group_by_day: Str,
    group: Str,
    total_spend: Option<Box<RawValue>>,
    total_spend_nanos: i64,
    calls: u64,
}

async fn spend_report(ask: &mut Ask) -> Answered {
    let Ask { house, query: params, .. } = ask;
    let office = office(house)?;
    let group = params.parse("group_by", |word| match word {
        "customer" => Some(By::User),
        "api_key" => Some(By::Key),
        word => By::parse(word).filter(|by| *by != By::Day),
    })?;
    let usage = Usage {
        of: of(office, params, ["api_key", "user_id", "model"]).await?,
        by: vec![By::Day, group.unwrap_or(By::Team)],
        from: params.parse("start_date", |text| office.day(text))?,
        to: params.parse("end_date", |text| office.day(text))?,
    };
    let rows = office.requests.usage(&usage).await?.into_iter().map(|row| {
        let mut words = row.of.into_iter();
        Spender {
            group_by_day: words.next().unwrap_or_default(),
            group: words.next().unwrap_or_default(),
            total_spend: exact(row.sums.charged),
            total_spend_nanos: row.sums.charged.0,
            calls: row.sums.calls,
        }
    });
    Ok(told(StatusCode::OK, &rows.collect::<Vec<_>>()))
}
