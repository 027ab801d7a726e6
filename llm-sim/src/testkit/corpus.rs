//! Recorded exchanges: one JSON file each, `DIR/<provider>/<operation>/<case>.json`.
//!
//! The files are read, never copied: their licences stay with their sources. Values are kept as
//! written, so that a body goes into a codec with the key order and the numbers of the wire.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use llm_core::call::Operation;
use llm_core::dialect::{DialectId, Framing};
use serde::Deserialize;
use serde_json::value::RawValue;

/// One exchange.
#[derive(Clone, Debug)]
pub struct Case {
    /// `<provider>/<operation>/<case>`.
    pub name: String,
    /// The wire format the provider was spoken to in.
    pub dialect: DialectId,
    /// What was asked for.
    pub operation: Operation,
    /// Whether the case is about a stream.
    pub stream: bool,
    /// Whether the provider refused.
    pub error: bool,
    /// The request.
    pub request: Request,
    /// The answer.
    pub response: Response,
}

/// What was sent.
#[derive(Clone, Debug)]
pub struct Request {
    /// `POST` or `GET`.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The JSON body; `None` for a GET, a form, or a source that did not keep it.
    pub body: Option<Bytes>,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Response {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: BTreeMap<String, String>,
    /// How its stream is framed; `None` for a whole body.
    pub framing: Option<Framing>,
    /// Its bytes, in the pieces in which they came where the source kept them.
    pub chunks: Vec<Bytes>,
}

impl Response {
    /// All bytes.
    pub fn bytes(&self) -> Bytes {
        match &self.chunks[..] {
            [one] => one.clone(),
            many => many.concat().into(),
        }
    }

    /// The head, as a client sees it.
    pub fn head(&self) -> http::response::Parts {
        let mut builder = http::Response::builder().status(self.status);
        for (name, value) in &self.headers {
            builder = builder.header(name, value);
        }
        builder.body(()).map(|r| r.into_parts().0).unwrap_or_else(|_| {
            // A source may hold a header that is none; its body can still be read.
            let mut plain = http::Response::new(());
            *plain.status_mut() =
                http::StatusCode::from_u16(self.status).unwrap_or(http::StatusCode::BAD_GATEWAY);
            plain.into_parts().0
        })
    }
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(default)]
    endpoint: Option<String>,
    #[serde(borrow)]
    request: WireRequest<'a>,
    #[serde(borrow)]
    response: WireResponse<'a>,
}

#[derive(Deserialize)]
struct WireRequest<'a> {
    #[serde(default)]
    method: String,
    #[serde(default)]
    path: String,
    #[serde(borrow, default)]
    body: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct WireResponse<'a> {
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(borrow, default)]
    body: Option<&'a RawValue>,
    #[serde(borrow, default)]
    sse: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    ndjson: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    text: Option<Cow<'a, str>>,
    #[serde(default)]
    chunks_b64: Option<Vec<String>>,
}

/// Where the recorded exchanges are: `LLM_WIRE`, or `shared/wire` beside the repository. `None`
/// when neither is there; tests then say that they skip.
pub fn folder() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/wire");
    let dir = std::env::var_os("LLM_WIRE").map_or_else(beside, PathBuf::from);
    dir.is_dir().then_some(dir)
}

/// Reads every case below `dir`, in order of name.
pub fn read(dir: &Path) -> io::Result<Vec<Case>> {
    let mut cases = Vec::new();
    for provider in folders(dir)? {
        for operation in folders(&provider)? {
            let mut files: Vec<PathBuf> =
                fs::read_dir(&operation)?.map(|e| e.map(|e| e.path())).collect::<Result<_, _>>()?;
            files.retain(|f| f.extension().is_some_and(|e| e == "json"));
            files.sort();
            for file in files {
                cases.push(read_case(&provider, &operation, &file)?);
            }
        }
    }
    Ok(cases)
}

fn folders(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut out: Vec<PathBuf> =
        fs::read_dir(dir)?.map(|e| e.map(|e| e.path())).collect::<Result<_, _>>()?;
    out.retain(|p| p.is_dir());
    out.sort();
    Ok(out)
}

fn read_case(provider: &Path, operation: &Path, file: &Path) -> io::Result<Case> {
    let [provider, operation, case] = [provider, operation, file]
        .map(|p| p.file_stem().unwrap_or_default().to_string_lossy().into_owned());
    let name = format!("{provider}/{operation}/{case}");
    let wrong =
        |what: String| io::Error::new(io::ErrorKind::InvalidData, format!("{name}: {what}"));
    let text = fs::read_to_string(file)?;
    let wire: Wire<'_> = serde_json::from_str(&text).map_err(|e| wrong(e.to_string()))?;
    let error = operation == "error";
    let about = if error { wire.endpoint.as_deref().unwrap_or("chat") } else { &operation };
    let (about, stream) = match about.strip_suffix("_stream") {
        Some(about) => (about, true),
        None => (about, false),
    };
    let (dialect, op) =
        spoken(&provider, about).ok_or_else(|| wrong("no such provider or operation".into()))?;
    // Ollama's older path for vectors takes a prompt, as its text generation does.
    let dialect = match (dialect, &*wire.request.path) {
        (DialectId::Ollama, "/api/embeddings") => DialectId::OllamaGenerate,
        (dialect, _) => dialect,
    };
    let response = response(wire.response, stream).map_err(wrong)?;
    let body = |raw: &RawValue| Bytes::copy_from_slice(raw.get().as_bytes());
    let request = Request {
        method: wire.request.method,
        path: wire.request.path,
        body: wire.request.body.filter(|b| b.get() != "null").map(body),
    };
    Ok(Case { name, dialect, operation: op, stream, error, request, response })
}

/// Which wire format a provider speaks for an operation.
fn spoken(provider: &str, operation: &str) -> Option<(DialectId, Operation)> {
    let chat = match provider {
        "openai" | "openai_compat" => DialectId::OpenaiChat,
        "anthropic" => DialectId::Anthropic,
        "gemini" => DialectId::Gemini,
        "cohere" => DialectId::Cohere,
        "ollama" => DialectId::Ollama,
        _ => return None,
    };
    Some(match operation {
        "chat" => (chat, Operation::Chat),
        "chat_v1" => (DialectId::CohereV1, Operation::Chat),
        "responses" => (DialectId::OpenaiResponses, Operation::Chat),
        "generate" => (DialectId::OllamaGenerate, Operation::Chat),
        "embeddings" => (chat, Operation::Embed),
        "rerank" => (chat, Operation::Rerank),
        "models" => (chat, Operation::ListModels),
        // OpenAI counts tokens for responses only.
        "tokens" if chat == DialectId::OpenaiChat => {
            (DialectId::OpenaiResponses, Operation::CountTokens)
        }
        "tokens" => (chat, Operation::CountTokens),
        "transcription" => (chat, Operation::Transcribe),
        "moderations" => (chat, Operation::Moderate),
        _ => return None,
    })
}

fn response(wire: WireResponse<'_>, stream: bool) -> Result<Response, String> {
    let (framing, bytes) = match (wire.sse, wire.ndjson, wire.body, wire.text) {
        (Some(sse), ..) => (Some(Framing::Sse), sse.into_owned()),
        (_, Some(lines), ..) => (Some(Framing::Ndjson), lines.into_owned()),
        (_, _, Some(body), _) => (stream.then_some(Framing::JsonArray), body.get().to_owned()),
        (.., Some(text)) => (None, text.into_owned()),
        _ => (None, String::new()),
    };
    let chunks = match wire.chunks_b64 {
        None => vec![Bytes::from(bytes)],
        Some(chunks) => chunks
            .iter()
            .map(|c| STANDARD.decode(c).map(Bytes::from).map_err(|e| e.to_string()))
            .collect::<Result<_, _>>()?,
    };
    Ok(Response { status: wire.status, headers: wire.headers, framing, chunks })
}
