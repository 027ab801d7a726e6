//! The request log and its sums. The log is written behind the calls and may have dropped some;
//! what a key has spent is the ledger's to say (`/key/info`).

use http::{StatusCode, Uri};
use llm_core::Str;
use llm_core::usage::TokenKind;
use llm_store::requests::{By, Cursor, Of, PAGE_MAX, Request, Search, Sums, Usage, UsageRow};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::super::office::Office;
use super::fields::Params;
use super::refusal::{Answered, Refusal};
use super::told;
use super::view::number;

/// Calls of a page unless it is said.
const PAGE_USUAL: usize = 100;

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
struct Listed {
    requests: Vec<Call>,
    next: Option<String>,
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

/// `GET /admin/requests?cursor=&key=&user=&model=&tag=&from=&to=&size=`, newest first.
pub(super) async fn requests(office: &Office, uri: &Uri) -> Answered {
    let mut params = Params::read(uri)?;
    let search = Search {
        of: of(office, &mut params, ["key", "user", "model"]).await?,
        ended: None,
        tag: params.take("tag").map(Str::from),
        from: params.parse("from", |text| office.instant(text))?,
        to: params.parse("to", |text| office.instant(text))?,
    };
    let after: Option<Cursor> = params.parse("cursor", |text| text.parse().ok())?;
    let size = params.parse("size", |text| text.parse().ok())?.unwrap_or(PAGE_USUAL);
    params.end()?;
    let page = office.requests.page(&search, after, size).await?;
    let requests = page.requests.into_iter().map(|request| Call::of(office, request)).collect();
    let next = page.next.map(|cursor| cursor.to_string());
    Ok(told(StatusCode::OK, &Listed { requests, next }))
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
            spend: number(sums.charged),
            spend_nanos: sums.charged.0,
            loss_nanos: sums.loss.0,
        }
    }
}

/// `GET /admin/usage?by=key,day&from=&to=&key=&user=&model=`, days of the operator's zone.
pub(super) async fn usage(office: &Office, uri: &Uri) -> Answered {
    let mut params = Params::read(uri)?;
    let by = params.parse("by", |text| text.split(',').map(By::parse).collect::<Option<_>>())?;
    let usage = Usage {
        of: of(office, &mut params, ["key", "user", "model"]).await?,
        by: by.unwrap_or_default(),
        from: params.parse("from", |text| office.day(text))?,
        to: params.parse("to", |text| office.day(text))?,
    };
    params.end()?;
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
            spend: number(request.charged),
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

/// `GET /spend/logs?api_key=&user_id=&model=&start_date=&end_date=`: the latest of them.
pub(super) async fn spend_logs(office: &Office, uri: &Uri) -> Answered {
    let mut params = Params::read(uri)?;
    let search = Search {
        of: of(office, &mut params, ["api_key", "user_id", "model"]).await?,
        from: params.parse("start_date", |text| office.instant(text))?,
        to: params.parse("end_date", |text| office.instant(text))?,
        ..Search::default()
    };
    params.end()?;
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

/// `GET /global/spend/report?start_date=&end_date=&group_by=team|customer|api_key`: by day and
/// group, in one list.
pub(super) async fn spend_report(office: &Office, uri: &Uri) -> Answered {
    let mut params = Params::read(uri)?;
    let group = params.parse("group_by", |word| match word {
        "customer" => Some(By::User),
        "api_key" => Some(By::Key),
        word => By::parse(word).filter(|by| *by != By::Day),
    })?;
    let usage = Usage {
        of: of(office, &mut params, ["api_key", "user_id", "model"]).await?,
        by: vec![By::Day, group.unwrap_or(By::Team)],
        from: params.parse("start_date", |text| office.day(text))?,
        to: params.parse("end_date", |text| office.day(text))?,
    };
    params.end()?;
    let rows = office.requests.usage(&usage).await?.into_iter().map(|row| {
        let mut words = row.of.into_iter();
        Spender {
            group_by_day: words.next().unwrap_or_default(),
            group: words.next().unwrap_or_default(),
            total_spend: number(row.sums.charged),
            total_spend_nanos: row.sums.charged.0,
            calls: row.sums.calls,
        }
    });
    Ok(told(StatusCode::OK, &rows.collect::<Vec<_>>()))
}
