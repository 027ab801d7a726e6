//! What the proxy is told of deposits (answers, files, batches) and of APIs that it passes calls
//! through to without understanding them.

use std::collections::BTreeMap;
use std::time::Duration;

use http::{HeaderName, Method};
use llm_core::Str;

use super::reference::Hidden;

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Inbound {
    /// Answers that a later question goes on from.
    pub(crate) responses: Responses,
    /// Files.
    pub(crate) files: Files,
    /// Batches.
    pub(crate) batches: Batches,
    /// APIs behind `/passthrough/NAME/`.
    pub(crate) passthrough: BTreeMap<Str, Passthrough>,
}

/// How answers are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Responses {
    /// For how long, from the last question that went on from them.
    pub(crate) keep: Duration,
    /// Bytes of one owner's; beyond it the oldest go.
    pub(crate) size_max: u64,
}

impl Default for Responses {
    fn default() -> Self {
        Self { keep: Duration::from_hours(24 * 30), size_max: 256 << 20 }
    }
}

/// How files are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Files {
    /// Bytes of one.
    pub(crate) size_max: u64,
    /// Bytes of one owner's.
    pub(crate) total_max: u64,
}

impl Default for Files {
    fn default() -> Self {
        Self { size_max: 32 << 20, total_max: 1 << 30 }
    }
}

/// How batches are carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Batches {
    /// Batches beside each other in this process; 0 carries out none.
    pub(crate) width: usize,
    /// Lines of a batch beside each other.
    pub(crate) lines: usize,
    /// After so long without a word of its worker another one goes on.
    pub(crate) lease: Duration,
}

impl Default for Batches {
    fn default() -> Self {
        Self { width: 2, lines: 4, lease: Duration::from_secs(20) }
    }
}

/// An API that calls are passed through to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Passthrough {
    /// Where it is: scheme, host and the beginning of every path.
    pub(crate) base_url: Str,
    /// How its key is shown to it.
    pub(crate) auth: Option<Auth>,
    /// Which methods callers may use.
    pub(crate) methods: Vec<Method>,
    /// How paths may begin that callers ask for; none is any.
    pub(crate) paths: Vec<Str>,
    /// For how long answers to GET are kept in memory, if at all.
    pub(crate) cache_ttl: Option<Duration>,
    /// How often a request that may be repeated is repeated.
    pub(crate) retries: u8,
    /// Until its answer begins, and between two pieces of it.
    pub(crate) timeout: Duration,
    /// Bytes of a request and of an answer.
    pub(crate) body_max: u64,
    /// Requests at once.
    pub(crate) in_flight: usize,
}

/// Where a key is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Auth {
    /// In a header of that name.
    Header(HeaderName, Hidden),
    /// As a parameter of that name.
    Query(Str, Hidden),
    /// `authorization: Bearer`.
    Bearer(Hidden),
}

impl Passthrough {
    /// With nothing said but where it is.
    pub(crate) fn new(base_url: Str) -> Self {
        Self {
            base_url,
            auth: None,
            methods: vec![Method::GET, Method::POST],
            paths: Vec::new(),
            cache_ttl: None,
            retries: 1,
            timeout: Duration::from_secs(60),
            body_max: 32 << 20,
            in_flight: 64,
        }
    }
}
