//! A conversation's next turn.

use base64::Engine as _;
use llm_core::Str;
use llm_core::answer::UsageReport;
use llm_core::completion::{Candidate, Completion, Finish, FinishReason};
use llm_core::dialect::DialectId;
use llm_core::extra::Extra;
use llm_core::prompt::{
    Opaque, OutputFormat, Part, PartKind, ReasoningSpec, Request, Role, Text, TokenLogprob,
    ToolCall,
};
use llm_core::raw::{Raw, RawNumber};
use llm_core::usage::Usage;
use serde_json::{Value, json};

use super::hint::Hints;
use super::schema::instance;
use super::tokens::{head, pieces, tokens};
use super::{CREATED, Wish, hash, input, text, tools};

/// More candidates than any API gives are no test of anything.
const CANDIDATES_MAX: u16 = 128;

/// Answers a request.
pub(crate) fn complete(request: &Request, dialect: DialectId, wish: &Wish<'_>) -> Completion {
    let question = text::question(request);
    let seed = hash::hash(format!("{}\0{}", request.model, input::rendered(request)).as_bytes());
    let mut usage = input::usage(request, dialect, wish);
    let count = request.output.candidates.unwrap_or(1).clamp(1, CANDIDATES_MAX);
    let mut candidates = Vec::with_capacity(usize::from(count));
    for n in 0..count {
        let turn = Turn { request, dialect, wish, question: &question, seed };
        let (candidate, written) = turn.candidate(n);
        usage.output += written.output;
        usage.reasoning += written.reasoning;
        candidates.push(candidate);
    }
    Completion {
        id: Some(answer_id(dialect, seed).into()),
        model: Some(request.model.clone()),
        created: Some(CREATED),
        candidates,
        usage: Some(UsageReport { usage, extra: Extra::default() }),
        failure: None,
        ended: true,
        extra: Extra::default(),
    }
}

fn answer_id(dialect: DialectId, seed: u64) -> String {
    match dialect {
        DialectId::OpenaiChat => hash::id("chatcmpl-", seed, 29),
        DialectId::OpenaiResponses => format!("resp_{:016x}{:016x}", hash::mix(seed), seed),
        DialectId::OpenaiCompletions => hash::id("cmpl-", seed, 29),
        DialectId::Anthropic => hash::id("msg_01", seed, 22),
        DialectId::Gemini => hash::id("", seed, 22),
        _ => hash::uuid(seed),
    }
}

struct Turn<'a> {
    request: &'a Request,
    dialect: DialectId,
    wish: &'a Wish<'a>,
    question: &'a str,
    seed: u64,
}

/// What a candidate may still write.
struct Budget {
    left: u64,
    cut: bool,
}

impl Budget {
    /// As much of a text as is left.
    fn take<'t>(&mut self, text: &'t str) -> &'t str {
        let wanted = tokens(text);
        if wanted <= self.left {
            self.left -= wanted;
            return text;
        }
        self.cut = true;
        head(text, std::mem::take(&mut self.left))
    }
}

impl Turn<'_> {
    fn candidate(&self, n: u16) -> (Candidate, Usage) {
        let cap = self.request.output.tokens_max.as_ref().and_then(RawNumber::as_u64);
        let cap = cap.filter(|_| !self.wish.ignore_max_tokens);
        let mut budget = Budget { left: cap.unwrap_or(u64::MAX), cut: false };
        let (mut parts, mut written) = (Vec::new(), Usage::default());
        if let Some(spec) = self.request.reasoning.as_ref().filter(|r| thinks(r)) {
            let thoughts = text::thoughts(self.question);
            let limit = spec.budget.as_ref().and_then(RawNumber::as_u64).unwrap_or(u64::MAX);
            let thoughts = budget.take(head(&thoughts, limit));
            written.reasoning = tokens(thoughts);
            parts.extend(self.thought(thoughts, spec));
        }
        let calls = match &self.wish.text {
            Some(_) => Vec::new(),
            None => tools::calls(self.request, self.question, self.dialect),
        };
        let finish = if calls.is_empty() {
            self.speak(n, &mut budget, &mut parts, &mut written)
        } else {
            self.call(calls, &mut budget, &mut parts, &mut written)
        };
        (Candidate { parts, finish: Some(finish) }, written)
    }

    fn call(
        &self,
        calls: Vec<ToolCall>,
        budget: &mut Budget,
        parts: &mut Vec<Part>,
        written: &mut Usage,
    ) -> Finish {
        for (n, mut call) in calls.into_iter().enumerate() {
            if budget.left == 0 {
                budget.cut = true;
                break;
            }
            let arguments = budget.take(&call.arguments).to_owned();
            // The name is written by the model as well.
            written.output += tokens(&call.name) + tokens(&arguments);
            call.arguments = arguments.into();
            let mut part = Part::new(PartKind::ToolCall(call));
            // Gemini signs the first call of a turn and wants the signature back.
            if self.dialect == DialectId::Gemini && n == 0 && self.signs() {
                part.state = self.signature();
            }
            parts.push(part);
        }
        Finish::new(if budget.cut { FinishReason::Length } else { FinishReason::ToolCalls })
    }

    fn speak(
        &self,
        n: u16,
        budget: &mut Budget,
        parts: &mut Vec<Part>,
        written: &mut Usage,
    ) -> Finish {
        let full = self.say(n);
        let (full, stop) = stopped(&full, &self.request.output.stop);
        let said = budget.take(full);
        written.output += tokens(said);
        if !said.is_empty() {
            let mut spoken = Text::new(said);
            if self.request.sampling.logprobs == Some(true) {
                spoken.logprobs = self.logprobs(said);
            }
            parts.push(Part::new(PartKind::Text(spoken)));
        }
        match stop {
            _ if budget.cut => Finish::new(FinishReason::Length),
            Some(stop) if self.dialect == DialectId::Anthropic => {
                let mut extra = Extra::new(DialectId::Anthropic);
                if let Ok(raw) = Raw::of(stop) {
                    extra.push("stop_sequence", raw);
                }
                let word = Some(Str::from_static("stop_sequence"));
                Finish { reason: FinishReason::Stop, word, extra }
            }
            _ => Finish::new(FinishReason::Stop),
        }
    }

    fn say(&self, n: u16) -> String {
        let said = self.say_all(n);
        // Models behind these APIs go on behind an answer that has begun; OpenAI's begin anew.
        let goes_on = match self.dialect {
            DialectId::Anthropic
            | DialectId::Gemini
            | DialectId::Cohere
            | DialectId::CohereV1
            | DialectId::Ollama
            | DialectId::OllamaGenerate => true,
            DialectId::OpenaiChat | DialectId::OpenaiResponses | DialectId::OpenaiCompletions => {
                false
            }
        };
        let begun = self.request.messages.last().filter(|m| goes_on && m.role == Role::Assistant);
        match begun.and_then(|m| said.strip_prefix(text::words(&m.parts).as_str())) {
            Some(rest) => rest.to_owned(),
            None => said,
        }
    }

    fn say_all(&self, n: u16) -> String {
        if let Some(text) = &self.wish.text {
            return text.clone();
        }
        if let Some(count) = self.wish.output_tokens {
            return text::filler(count, text::is_korean(self.question));
        }
        match &self.request.output.format {
            Some(OutputFormat::Schema(wanted)) => {
                let schema = serde_json::from_str(wanted.schema.get()).unwrap_or(Value::Null);
                instance(&schema, &Hints::new(self.question)).to_string()
            }
            Some(OutputFormat::Json) => {
                let said = text::answer(self.request, self.question, n);
                serde_json::json!({ "answer": said }).to_string()
            }
            Some(OutputFormat::Text) | None => text::answer(self.request, self.question, n),
        }
    }

    /// The part that shows the thinking, where the vendor shows it.
    fn thought(&self, thoughts: &str, spec: &ReasoningSpec) -> Option<Part> {
        let summary = spec.summary.is_some() || spec.visible == Some(true);
        let shown = match self.dialect {
            // Chat completions never show what a reasoning model thinks.
            DialectId::OpenaiChat | DialectId::OpenaiCompletions => return None,
            DialectId::OpenaiResponses => summary,
            DialectId::Gemini if !summary => return None,
            _ => true,
        };
        let mut part =
            Part::new(PartKind::Reasoning(if shown { thoughts.into() } else { Str::new() }));
        if self.signs() && self.dialect != DialectId::Gemini {
            part.state = self.signature();
        }
        Some(part)
    }

    fn signs(&self) -> bool {
        self.request.reasoning.as_ref().is_some_and(thinks)
    }

    /// What the vendor wants back with a thought. Made of the question, so that a test can see
    /// whether it came back unchanged.
    fn signature(&self) -> Option<Opaque> {
        let bytes = hash::id("sim", self.seed, 45).into_bytes();
        let text = base64::engine::general_purpose::STANDARD.encode(bytes);
        let (kind, value) = match self.dialect {
            DialectId::Anthropic => ("signature", json!(text)),
            DialectId::Gemini => ("thoughtSignature", json!(text)),
            // OpenAI shows its state only to those who ask, because they will not store it.
            DialectId::OpenaiResponses if self.wants_encrypted() => {
                let id = format!("rs_{:016x}", self.seed);
                ("reasoning", json!({"id": id, "encrypted_content": text}))
            }
            _ => return None,
        };
        let value = Raw::of(&value).ok()?;
        Some(Opaque { origin: self.dialect, kind: Str::from_static(kind), value })
    }

    fn wants_encrypted(&self) -> bool {
        let include = self.request.extra.get("include");
        include.is_some_and(|list| list.get().contains("reasoning.encrypted_content"))
    }

    fn logprobs(&self, said: &str) -> Vec<TokenLogprob> {
        let top = self.request.sampling.top_logprobs.as_ref().and_then(RawNumber::as_u64);
        let one = |token: &str, n: u64| TokenLogprob {
            token: token.into(),
            logprob: logprob(hash::hash(token.as_bytes()).wrapping_add(n), n),
            bytes: Some(token.as_bytes().to_vec()),
            top: Vec::new(),
        };
        pieces(said)
            .map(|token| {
                let mut entry = one(token, 0);
                let others = (0..top.unwrap_or(0).min(20)).map(|n| match n {
                    0 => one(token, 0),
                    n => one(&format!("{token}{n}"), n),
                });
                entry.top = others.collect();
                entry
            })
            .collect()
    }
}

/// The more unlikely, the further down the list.
fn logprob(seed: u64, rank: u64) -> RawNumber {
    let thousandths = rank * 2_000 + hash::mix(seed) % 900 + 1;
    let text = format!("-{}.{:03}", thousandths / 1_000, thousandths % 1_000);
    RawNumber::parse(text).unwrap_or_else(|| RawNumber::from(-1i64))
}

/// Whether thinking was asked for.
pub(crate) fn thinks(spec: &ReasoningSpec) -> bool {
    let off = spec.enabled == Some(false)
        || spec.effort.as_deref() == Some("none")
        || spec.budget.as_ref().and_then(RawNumber::as_u64) == Some(0);
    let on = spec.enabled == Some(true) || spec.effort.is_some() || spec.budget.is_some();
    // Who wants to see thoughts wants them, as much of them as the model likes.
    (on || spec.visible == Some(true)) && !off
}

/// The text up to the first stop sequence, and that sequence.
fn stopped<'t, 's>(text: &'t str, stops: &'s [Str]) -> (&'t str, Option<&'s str>) {
    let places = stops.iter().filter(|s| !s.is_empty()).filter_map(|s| Some((text.find(&**s)?, s)));
    match places.min_by_key(|(at, _)| *at) {
        Some((at, stop)) => (&text[..at], Some(stop)),
        None => (text, None),
    }
}
