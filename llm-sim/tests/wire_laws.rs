//! Laws over recorded traffic: what providers really sent and were sent goes through the codecs
//! and comes back as it was.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails, and says when it skips"
)]

use bytes::Bytes;
use llm_core::answer::Answer;
use llm_core::call::Operation;
use llm_core::capability::Capability;
use llm_core::completion::{Completion, collect};
use llm_core::dialect::{Body, CallerDialect, DialectId, RenderCx, Route, SendCx};
use llm_core::event::laws;
use llm_core::prompt::Prompt;
use llm_dialects::drive::Driver;
use llm_sim::testkit::corpus::{self, Case};
use llm_sim::testkit::reading::{Cut, events};
use llm_sim::testkit::rendering::stream_text;
use serde_json::Value;

/// Streams up to this size are cut at every byte; larger ones at [`CUTS`] seeded places.
const EVERY_BYTE_MAX: usize = 2_000;
const CUTS: usize = 256;
/// How many failures a report shows.
const SHOWN: usize = 12;

/// What is wrong with a case; `Ok(false)` when the law does not apply to it.
type Verdict = Result<bool, String>;

/// Checks a law over the corpus, and that it was no empty exercise.
fn over_corpus(law: &str, at_least: usize, check: impl Fn(&Case) -> Verdict) {
    let Some(dir) = corpus::folder() else {
        println!("skipped: {law}: no recorded traffic here");
        return;
    };
    let cases = corpus::read(&dir).expect("the corpus can be read");
    let (mut held, mut failures) = (0, Vec::new());
    for case in &cases {
        match check(case) {
            Ok(true) => held += 1,
            Ok(false) => {}
            Err(why) => failures.push(format!("{}: {why}", case.name)),
        }
    }
    println!("{law}: {held} cases hold, {} fail", failures.len());
    let shown = failures.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("\n");
    assert!(failures.is_empty(), "{} cases break the law: {law}\n{shown}", failures.len());
    assert!(held >= at_least, "{law}: only {held} cases to check, expected {at_least}");
}

#[test]
fn a_stream_reads_the_same_however_it_is_cut() {
    over_corpus("cuts change nothing", 120, |case| {
        let Some(upstream) = llm_dialects::upstream(case.dialect) else { return Ok(false) };
        let Some(framing) = case.response.framing else { return Ok(false) };
        let whole = events(case, upstream, Cut::Whole);
        laws::check(&whole).map_err(|v| format!("{v}"))?;
        let bytes = case.response.bytes();
        let check = |chunks: Vec<Bytes>, what: String| {
            let mut driver = Driver::new(framing, upstream.stream_decoder(case.operation));
            let mut out = Vec::new();
            chunks.into_iter().for_each(|c| driver.feed(c, &mut out));
            driver.finish(&mut out);
            if out == whole { Ok(()) } else { Err(format!("cut {what} reads something else")) }
        };
        // Copies, so that a decoder that looks past the end of its piece is found out.
        let copy = |from: usize, to: usize| Bytes::copy_from_slice(&bytes[from..to]);
        if bytes.len() <= EVERY_BYTE_MAX {
            for at in 0..bytes.len() {
                check(vec![copy(0, at), copy(at, bytes.len())], format!("at byte {at}"))?;
            }
            check((0..bytes.len()).map(|i| copy(i, i + 1)).collect(), "everywhere".into())?;
        } else {
            let mut cuts = seeded_places(&case.name, bytes.len());
            cuts.sort_unstable();
            let starts = std::iter::once(0).chain(cuts.iter().copied());
            let ends = cuts.iter().copied().chain(std::iter::once(bytes.len()));
            check(starts.zip(ends).map(|(a, b)| copy(a, b)).collect(), "at seeded places".into())?;
            check((0..bytes.len()).map(|i| copy(i, i + 1)).collect(), "everywhere".into())?;
        }
        Ok(true)
    });
}

/// Places that differ from case to case and never from run to run.
fn seeded_places(name: &str, len: usize) -> Vec<usize> {
    let mut state = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    (0..CUTS)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % len as u64) as usize
        })
        .collect()
}

#[test]
fn a_request_returns_as_it_came() {
    over_corpus("encode(decode(request)) = request", 250, |case| {
        let Some(upstream) = llm_dialects::upstream(case.dialect) else { return Ok(false) };
        let Some((_, prompt, body)) = decoded(case)? else { return Ok(false) };
        let (model, stream) = asked(&prompt);
        let capability = Capability::ALL;
        let cx = SendCx { model: &model, stream, usage_frame: false, capability: &capability };
        let encoded = upstream.encode(&prompt, &cx).map_err(|e| format!("cannot encode: {e}"))?;
        if !encoded.losses.is_empty() {
            return Err(format!("losses in its own dialect: {:?}", encoded.losses));
        }
        same_json(&body, &encoded.body)?;
        Ok(true)
    });
}

#[test]
fn relay_leaves_every_other_byte_alone() {
    over_corpus("relay touches only its splices", 200, |case| {
        let Some(upstream) = llm_dialects::upstream(case.dialect) else { return Ok(false) };
        let Some(caller) = llm_dialects::caller(case.dialect) else { return Ok(false) };
        let Some((route, prompt, body)) = decoded(case)? else { return Ok(false) };
        let peek = caller.peek(&route, &body).map_err(|e| format!("cannot peek: {e}"))?;
        let (model, stream) = asked(&prompt);
        if peek.model.value != model.as_str() {
            return Err(format!("peeked model {:?}, decoded {model:?}", peek.model.value));
        }
        if peek.stream != stream {
            return Err(format!("peeked stream {}, decoded {stream}", peek.stream));
        }
        let capability = Capability::ALL;
        let cx = |model| SendCx { model, stream, usage_frame: false, capability: &capability };
        let same = upstream.relay(&body, &peek, &cx(&model)).map_err(|e| e.to_string())?;
        if same.concat() != body {
            return Err("a relay that changes nothing changed something".into());
        }
        let other = upstream.relay(&body, &peek, &cx("other-model")).map_err(|e| e.to_string())?;
        let want = match &peek.model.span {
            // A batch of Gemini's repeats the path's model with each input.
            None if case.dialect == DialectId::Gemini && case.operation == Operation::Embed => {
                let (from, to) = (format!("\"models/{model}\""), "\"models/other-model\"");
                String::from_utf8_lossy(&body).replace(&from, to).into_bytes()
            }
            None => body.to_vec(),
            Some(span) => [&body[..span.start], b"\"other-model\"", &body[span.end..]].concat(),
        };
        if other.concat() != want {
            return Err("more than the model changed".into());
        }
        Ok(true)
    });
}

#[test]
fn a_whole_reply_returns_as_it_came() {
    over_corpus("encode(decode(reply)) = reply", 120, |case| {
        if case.response.status != 200 || case.response.framing.is_some() {
            return Ok(false);
        }
        let Some(upstream) = llm_dialects::upstream(case.dialect) else { return Ok(false) };
        let Some(caller) = llm_dialects::caller(case.dialect) else { return Ok(false) };
        let bytes = case.response.bytes();
        let content_type = case.response.headers.get("content-type").map(String::as_str);
        let body = Body { bytes: &bytes, content_type };
        let Ok(answer) = upstream.decode_answer(case.operation, body) else { return Ok(false) };
        if let Answer::Chat(completion) = &answer {
            if completion.failure.is_some() {
                return Ok(false);
            }
            let again = collect(&completion.explode());
            if again != *completion {
                return Err(format!("collect(explode) differs: {again:?} from {completion:?}"));
            }
            laws::check(&completion.explode()).map_err(|v| v.to_string())?;
        }
        let rendered = caller.encode_answer(&answer, &RenderCx::default());
        if !rendered.losses.is_empty() {
            return Err(format!("losses in its own dialect: {:?}", rendered.losses));
        }
        match same_json(&bytes, &rendered.body) {
            // A list of tool calls that is `null` says that there are none, and official clients
            // trip over it.
            Err(at) if at.ends_with("tool_calls is gone: null") => Ok(true),
            // xAI counts reasoning beside the output; callers get OpenAI's convention.
            Err(at) if case.name.contains("xai") && at.starts_with(".usage.completion_tokens") => {
                Ok(true)
            }
            Err(at) => Err(at),
            Ok(()) => Ok(true),
        }
    });
}

#[test]
fn what_a_caller_is_streamed_reads_back() {
    let callers = [DialectId::OpenaiChat, DialectId::OpenaiResponses, DialectId::Anthropic]
        .into_iter()
        .chain([DialectId::Gemini, DialectId::Cohere, DialectId::Ollama]);
    for id in callers {
        over_corpus(&format!("{id} streams read back"), 200, |case| {
            if case.response.status != 200 || case.operation != Operation::Chat {
                return Ok(false);
            }
            let completion = completion(case)?;
            if completion.failure.is_some() || completion.candidates.is_empty() {
                return Ok(false);
            }
            let caller = llm_dialects::caller(id).ok_or("no caller half")?;
            let (first, mut second) = (shown(&completion), streamed(caller, &completion)?);
            for ((_, first), (_, second)) in first.1.iter().zip(&mut second.1) {
                if first.is_null() {
                    *second = Value::Null;
                }
            }
            if first == second { Ok(true) } else { Err(format!("{first:?} became {second:?}")) }
        });
    }
}

/// Encodes a completion as a stream of `caller`'s dialect and reads it with its upstream half.
fn streamed(caller: &dyn CallerDialect, completion: &Completion) -> Result<Shown, String> {
    let cx = RenderCx { id: "gw-1".into(), include_usage: true, ..RenderCx::default() };
    let text = stream_text(caller, &completion.explode(), &cx);
    let upstream = llm_dialects::upstream(caller.id()).ok_or("no upstream half")?;
    let framing = upstream
        .framing(caller.stream_content_type(None))
        .ok_or("its own content type is no stream")?;
    let mut driver = Driver::new(framing, upstream.stream_decoder(Operation::Chat));
    let mut out = Vec::new();
    driver.feed(text.into(), &mut out);
    driver.finish(&mut out);
    match laws::check(&out) {
        // Whether arguments are JSON is the model's doing, and here a recorded model's.
        Ok(()) | Err(laws::Violation::Arguments(_)) => Ok(shown(&collect(&out))),
        Err(violation) => Err(violation.to_string()),
    }
}

/// What must survive in any dialect: the words of the first answer.
type Shown = (String, Vec<(String, Value)>, bool);

fn shown(completion: &Completion) -> Shown {
    use llm_core::prompt::PartKind;
    let mut text = String::new();
    let mut calls = Vec::new();
    for part in completion.candidates.first().map_or(&[][..], |c| &c.parts) {
        match &part.kind {
            // Refusals are plain text where a dialect has no word for them.
            PartKind::Text(t) | PartKind::Refusal(t) => text.push_str(&t.text),
            // Free text has to be wrapped where a dialect takes only objects.
            PartKind::ToolCall(call) if call.custom => {
                calls.push((call.name.to_string(), Value::Null));
            }
            PartKind::ToolCall(call) => {
                let text = if call.arguments.is_empty() { "{}" } else { &*call.arguments };
                // So must arguments that were cut short.
                let arguments = serde_json::from_str(text).unwrap_or(Value::Null);
                calls.push((call.name.to_string(), arguments));
            }
            _ => {}
        }
    }
    (text, calls, completion.failure.is_none())
}

fn completion(case: &Case) -> Result<Completion, String> {
    let upstream = llm_dialects::upstream(case.dialect).ok_or("no upstream half")?;
    if case.response.framing.is_some() {
        return Ok(collect(&events(case, upstream, Cut::Whole)));
    }
    let bytes = case.response.bytes();
    match upstream.decode_answer(case.operation, Body::json(&bytes)) {
        Ok(Answer::Chat(completion)) => Ok(completion),
        Ok(_) => Err("not a completion".into()),
        Err(corrupt) => Err(corrupt.to_string()),
    }
}

/// The request of a case in words, with the way it came; `None` where there is no JSON body or
/// nobody reads it (Cohere v1 has no caller half).
fn decoded(case: &Case) -> Result<Option<(Route, Prompt, Bytes)>, String> {
    let Some(caller) = llm_dialects::caller(case.dialect) else { return Ok(None) };
    let Some(body) = case.request.body.clone() else { return Ok(None) };
    // A request that the provider refused may be one that we refuse as well.
    if case.error {
        return Ok(None);
    }
    let method = case.request.method.parse().map_err(|_| "no method".to_owned())?;
    let Some(route) = caller.route(&method, &case.request.path) else {
        return Err(format!("no route for {} {}", case.request.method, case.request.path));
    };
    let prompt = caller
        .decode(&route, Body::json(&body))
        .map_err(|e| format!("cannot decode: {e} ({:?})", e.param))?;
    Ok(Some((route, prompt, body)))
}

fn asked(prompt: &Prompt) -> (String, bool) {
    match prompt {
        Prompt::Chat(r) | Prompt::CountTokens(r) => (r.model.to_string(), r.stream),
        Prompt::Embed(r) => (r.model.to_string(), false),
        Prompt::Rerank(r) => (r.model.to_string(), false),
        Prompt::Moderate(r) => (r.model.to_string(), false),
        Prompt::Transcribe(r) => (r.model.to_string(), r.stream),
        Prompt::Image(r) => (r.model.to_string(), false),
        Prompt::ListModels(r) => (r.model.as_deref().unwrap_or_default().to_owned(), false),
    }
}

fn same_json(a: &[u8], b: &[u8]) -> Result<(), String> {
    let parse =
        |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).map_err(|e| format!("not JSON: {e}"));
    let (a, b) = (parse(a)?, parse(b)?);
    match difference(&a, &b, String::new()) {
        None => Ok(()),
        Some(at) => Err(at),
    }
}

/// The first place where two values differ.
fn difference(a: &Value, b: &Value, path: String) -> Option<String> {
    match (a, b) {
        (Value::Object(x), Value::Object(y)) => {
            let names = x.keys().chain(y.keys().filter(|k| !x.contains_key(*k)));
            names.into_iter().find_map(|k| {
                let at = format!("{path}.{k}");
                match (x.get(k), y.get(k)) {
                    (Some(x), Some(y)) => difference(x, y, at),
                    (Some(x), None) => Some(format!("{at} is gone: {x}")),
                    (None, y) => Some(format!("{at} is new: {y:?}")),
                }
            })
        }
        (Value::Array(x), Value::Array(y)) if x.len() == y.len() => (0..)
            .zip(x.iter().zip(y))
            .find_map(|(i, (x, y))| difference(x, y, format!("{path}.{i}"))),
        _ if a == b => None,
        _ => Some(format!("{path}: {a} became {b}")),
    }
}
