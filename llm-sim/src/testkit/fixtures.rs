//! Cases written by us from the providers' specifications: `fixtures/<dialect>/<case>/`.
//!
//! The recorded corpus shows what providers did; these show one thing each, carry the same names
//! in every dialect, and may be read by anyone. A case that a dialect cannot have stands in its
//! `unsupported.txt` with the reason.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use llm_core::call::Operation;
use llm_core::dialect::{DialectId, Framing};

/// One case of one dialect.
#[derive(Clone, Debug)]
pub struct Fixture {
    /// Whose it is.
    pub dialect: DialectId,
    /// What it shows.
    pub case: String,
    /// What it asks for.
    pub operation: Operation,
    /// What is sent.
    pub request: Option<Bytes>,
    /// What comes back.
    pub reply: Option<Reply>,
}

/// What comes back.
#[derive(Clone, Debug)]
pub enum Reply {
    /// A whole answer.
    Whole(Bytes),
    /// A stream.
    Stream(Framing, Bytes),
    /// A refusal with its status.
    Refused(u16, Bytes),
}

/// The dialects that have fixtures.
pub const DIALECTS: [DialectId; 6] = [
    DialectId::OpenaiChat,
    DialectId::OpenaiResponses,
    DialectId::Anthropic,
    DialectId::Gemini,
    DialectId::Cohere,
    DialectId::Ollama,
];

/// Where a caller of a dialect sends a request.
pub fn path(dialect: DialectId, operation: Operation, stream: bool) -> Option<&'static str> {
    let embed = operation == Operation::Embed;
    let rerank = operation == Operation::Rerank;
    if !embed && !rerank && operation != Operation::Chat {
        return None;
    }
    Some(match dialect {
        DialectId::OpenaiChat if embed => "/v1/embeddings",
        DialectId::OpenaiChat if rerank => "/v1/rerank",
        DialectId::OpenaiChat => "/v1/chat/completions",
        DialectId::OpenaiResponses if !embed && !rerank => "/v1/responses",
        DialectId::Anthropic if !embed && !rerank => "/v1/messages",
        DialectId::Gemini if embed => "/v1beta/models/gemini-embedding-001:batchEmbedContents",
        DialectId::Gemini if rerank => return None,
        DialectId::Gemini if stream => {
            "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse"
        }
        DialectId::Gemini => "/v1beta/models/gemini-2.5-flash:generateContent",
        DialectId::Cohere if embed => "/v2/embed",
        DialectId::Cohere if rerank => "/v2/rerank",
        DialectId::Cohere => "/v2/chat",
        DialectId::Ollama if embed => "/api/embed",
        DialectId::Ollama if !rerank => "/api/chat",
        DialectId::OpenaiResponses
        | DialectId::OpenaiCompletions
        | DialectId::Anthropic
        | DialectId::CohereV1
        | DialectId::Ollama
        | DialectId::OllamaGenerate => return None,
    })
}

/// Every fixture, in order of dialect and case.
pub fn all() -> io::Result<Vec<Fixture>> {
    let mut out = Vec::new();
    for dialect in DIALECTS {
        let mut folders: Vec<PathBuf> = fs::read_dir(root().join(dialect.name()))?
            .map(|e| e.map(|e| e.path()))
            .collect::<Result<_, _>>()?;
        folders.retain(|p| p.is_dir());
        folders.sort();
        for folder in folders {
            out.push(one(dialect, &folder)?);
        }
    }
    Ok(out)
}

/// The cases a dialect cannot have, each with its reason.
pub fn unsupported(dialect: DialectId) -> io::Result<BTreeMap<String, String>> {
    let text = fs::read_to_string(root().join(dialect.name()).join("unsupported.txt"))?;
    Ok(text
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(case, reason)| (case.to_owned(), reason.to_owned()))
        .collect())
}

/// The names of all cases in any dialect.
pub fn names(fixtures: &[Fixture]) -> BTreeSet<String> {
    fixtures.iter().map(|f| f.case.clone()).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn one(dialect: DialectId, folder: &Path) -> io::Result<Fixture> {
    let case = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let file = |name: &str| match fs::read(folder.join(name)) {
        Ok(bytes) => Ok(Some(Bytes::from(bytes))),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    };
    let operation = match case.split('_').next() {
        Some("embed") => Operation::Embed,
        Some("rerank") => Operation::Rerank,
        _ => Operation::Chat,
    };
    let mut reply = file("reply.json")?.map(Reply::Whole);
    for (name, framing) in [("reply.sse", Framing::Sse), ("reply.ndjson", Framing::Ndjson)] {
        if let Some(bytes) = file(name)? {
            reply = Some(Reply::Stream(framing, bytes));
        }
    }
    for status in [400, 401, 429, 500, 503, 529] {
        if let Some(bytes) = file(&format!("reply.{status}.json"))? {
            reply = Some(Reply::Refused(status, bytes));
        }
    }
    Ok(Fixture { dialect, case, operation, request: file("request.json")?, reply })
}
