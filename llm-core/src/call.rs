//! What a caller wants, before anyone has agreed to do it.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::Str;
use crate::dialect::{BadRequest, DialectId, Route};
use crate::principal::{FeatureId, Grant, Priority};
use crate::prompt::Prompt;
use crate::provider::Credential;
use crate::trace::Trace;

/// One call, from acceptance to its single ending. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Call {
    /// Names the call everywhere; also the ledger's idempotency key.
    pub id: CallId,
    /// What kind of thing is asked for.
    pub operation: Operation,
    /// What the caller speaks.
    pub dialect: DialectId,
    /// The question.
    pub payload: Payload,
    /// The few facts of it that a gateway must know.
    pub peek: Peek,
    /// Who asks, and so who pays, and what was sold to them.
    pub grant: Arc<Grant>,
    /// For which purpose: selects the plan and the price tag.
    pub feature: FeatureId,
    /// Who waits when not all can be served.
    pub priority: Priority,
    /// When the caller stops caring. Every wait below is the lesser of its own limit and this.
    pub deadline: Deadline,
    /// What the caller asked of the gateway itself.
    pub controls: Controls,
    /// Headers of the caller's that go upstream: an edge's allow-list decided which.
    pub headers: http::HeaderMap,
}

/// What a caller asks of the gateway, beside what it asks of a model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Controls {
    /// How the cache may be used.
    pub cache: CacheUse,
    /// For how long an answer may be kept, where that is shorter than what the model allows.
    pub cache_ttl: Option<Duration>,
    /// Labels for the record and for forgetting cached answers.
    pub tags: Vec<Str>,
    /// An answer from the cache may be so old, and no older.
    pub cache_age: Option<Duration>,
    /// Answers that are kept under this name are apart from all others.
    pub cache_space: Option<Str>,
    /// Stay with the first tier.
    pub no_fallback: bool,
    /// Models that are asked when the one that was asked for cannot answer, in their order.
    pub fallbacks: Vec<Str>,
    /// How often one target is asked again; `None` leaves it to the vendor's settings.
    pub retries: Option<u8>,
    /// Calls of one session go to the same target while it is well: providers keep prompt caches.
    pub session: Option<Str>,
    /// Go on elsewhere when a stream breaks; `None` leaves it to the model's settings.
    pub resume: Option<bool>,
    /// When an answer should have begun. While somebody else could be asked, an attempt is given a
    /// half of what is left until then; the last one may take its time.
    pub begin_by: Option<Instant>,
    /// Keys of providers that came with the call.
    pub own_keys: Option<Arc<OwnKeys>>,
    /// The trace that the caller has begun. Boxed: few have.
    pub trace: Option<Box<Trace>>,
}

/// Keys of providers that came with a call: each is used for this call, at its provider, and is
/// remembered nowhere. What it buys is its owner's to pay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnKeys {
    /// By the names of providers in configuration.
    pub keys: Vec<(Str, Arc<Credential>)>,
    /// Nobody is asked whose key did not come.
    pub only: bool,
    /// The call is charged as if none had come.
    pub charged: bool,
}

impl Controls {
    /// The key that came for a provider.
    pub fn own_key(&self, provider: &str) -> Option<&Arc<Credential>> {
        let own = self.own_keys.as_ref()?;
        own.keys.iter().find(|(name, _)| &**name == provider).map(|(_, key)| key)
    }

    /// Whether a provider may only be asked with a key that did not come.
    pub fn lacks_key(&self, provider: &str) -> bool {
        self.own_keys.as_ref().is_some_and(|own| own.only) && self.own_key(provider).is_none()
    }

    /// Whether what a provider answers is paid for elsewhere: by whoever brought its key.
    pub fn is_paid_elsewhere(&self, provider: &str) -> bool {
        let charged = self.own_keys.as_ref().is_none_or(|own| own.charged);
        !charged && self.own_key(provider).is_some()
    }
}

/// How the cache may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CacheUse {
    /// As the model's settings say.
    #[default]
    Use,
    /// Do not answer from it, and do not keep the answer.
    Off,
    /// Answer from it, and keep nothing.
    NoStore,
    /// Do not answer from it, but keep the answer.
    Refresh,
}

/// Names one call: 48 bits of milliseconds, then 80 of entropy, so that ids sort by time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(u128);

impl CallId {
    /// Made from the two seams: wall-clock milliseconds and 80 random bits (the upper 48 of
    /// `entropy` are ignored).
    pub fn new(unix_ms: u64, entropy: u128) -> Self {
        Self(u128::from(unix_ms) << 80 | (entropy & ((1 << 80) - 1)))
    }

    /// The number itself.
    pub fn as_u128(self) -> u128 {
        self.0
    }
}

impl fmt::Display for CallId {
    /// Crockford base 32, as ULIDs are written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
        let mut text = [0u8; 26];
        for (i, place) in text.iter_mut().enumerate() {
            let shift = 5 * (25 - i);
            *place = DIGITS[(self.0 >> shift) as usize & 31];
        }
        f.write_str(str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What kind of thing is asked for.
///
/// Realtime sockets will be a later operation with an edge of their own.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// A conversation's next turn, streamed or whole.
    Chat,
    /// Vectors for texts.
    Embed,
    /// Documents ordered by how well they answer a query.
    Rerank,
    /// Whether a text breaks content rules.
    Moderate,
    /// Speech to text.
    Transcribe,
    /// Speech to English text.
    Translate,
    /// Text to speech.
    Speech,
    /// Text to image.
    Image,
    /// How many tokens a prompt has.
    CountTokens,
    /// Which models there are.
    ListModels,
    /// A request of the provider's own that we carry without understanding it.
    Passthrough,
}

impl Operation {
    /// The word for it in metrics, logs and errors.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Embed => "embed",
            Self::Rerank => "rerank",
            Self::Moderate => "moderate",
            Self::Transcribe => "transcribe",
            Self::Translate => "translate",
            Self::Speech => "speech",
            Self::Image => "image",
            Self::CountTokens => "count_tokens",
            Self::ListModels => "list_models",
            Self::Passthrough => "passthrough",
        }
    }
}

/// The few facts a gateway must know, read without building a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peek {
    /// The model asked for, and where its JSON value stands in the body (`None` when it came from
    /// the path).
    pub model: Spanned<Str>,
    /// Whether a stream is wanted.
    pub stream: bool,
    /// Where the body says so, when it does: we may ask upstream for the other.
    pub stream_span: Option<Range<usize>>,
    /// The caller's own cap on the answer.
    pub output_tokens_max: Option<u32>,
    /// How many answers are wanted; 0 means that the caller did not say (one).
    pub candidates: u16,
    /// The end user the caller names.
    pub user: Option<Spanned<Str>>,
    /// Whether the caller asked for a usage frame: decides whether ours must be hidden.
    pub wants_usage_frame: bool,
    /// The value of the member that asks for it (`stream_options`), when there is one.
    pub usage_option: Option<Range<usize>>,
    /// The flag itself (`include_usage`), when it is there.
    pub usage_flag: Option<Range<usize>>,
    /// Where a new first member may be spliced in: just behind the opening brace.
    pub members_start: usize,
    /// Whether the object has any member at all (decides whether a splice needs a comma).
    pub members_any: bool,
    /// A third of the bytes: good enough for pace and routing, never for money.
    pub input_tokens_estimate: u32,
    /// What the request carries that not every model can take.
    pub has: Has,
    /// What names and short strings in it give away; `None` where nobody has looked at all of them.
    pub signs: Option<Signs>,
    /// Members that speak to the gateway and not to a model, in their order. Whoever obeys them
    /// takes them out before the body goes upstream.
    pub asides: Vec<Aside>,
}

/// A member of a body that speaks to the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aside {
    /// Which.
    pub name: &'static str,
    /// Where the JSON text of its value stands.
    pub value: Range<usize>,
}

/// A value and the byte range of its JSON text in the body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value, unescaped.
    pub value: T,
    /// Where it is written, quotes included; `None` when it did not come from the body.
    pub span: Option<Range<usize>>,
}

/// What a request carries, as a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Has(pub u16);

impl Has {
    /// Tools are offered to the model.
    pub const TOOLS: u16 = 1;
    /// Images are sent.
    pub const IMAGES: u16 = 1 << 1;
    /// Audio is sent.
    pub const AUDIO: u16 = 1 << 2;
    /// Files are sent.
    pub const FILES: u16 = 1 << 3;
    /// An answer in JSON is asked for.
    pub const JSON: u16 = 1 << 4;
    /// An answer that follows a schema is asked for.
    pub const JSON_SCHEMA: u16 = 1 << 5;
    /// Reasoning is asked for.
    pub const REASONING: u16 = 1 << 6;
    /// The provider is asked to remember: an answer here depends on an earlier one there.
    pub const SERVER_STATE: u16 = 1 << 7;
    /// Log probabilities are asked for.
    pub const LOGPROBS: u16 = 1 << 8;
    /// Video is sent.
    pub const VIDEO: u16 = 1 << 9;

    /// Whether all of `bits` are in the set.
    pub fn all(self, bits: u16) -> bool {
        self.0 & bits == bits
    }

    /// Adds `bits` when `yes`.
    pub fn add_if(&mut self, yes: bool, bits: u16) {
        if yes {
            self.0 |= bits;
        }
    }
}

/// What names of members and short strings of a body give away, as a set: words of any dialect,
/// wherever they stand. Prose never says them, whatever it speaks of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signs(pub u8);

impl Signs {
    /// A cache may be written.
    pub const CACHE: u8 = 1;
    /// The name of a provider's own tool. It means nothing where no tools are offered.
    pub const OWN_TOOL: u8 = 1 << 1;
    /// The model is told to search, which needs no tool.
    pub const SEARCH: u8 = 1 << 2;
    /// The call is to be served before others.
    pub const FIRST: u8 = 1 << 3;
    /// A gateway's token may stand in it, which no provider can read.
    pub const TOKEN: u8 = 1 << 4;

    /// Whether `bit` is in the set.
    pub fn has(self, bit: u8) -> bool {
        self.0 & bit != 0
    }
}

/// The question, in whichever form it arrived.
#[derive(Clone, Debug)]
pub enum Payload {
    /// Bytes as received. The words are read on first need and shared by all attempts.
    Raw {
        /// The body.
        bytes: Bytes,
        /// Its `content-type`, which a multipart body needs to be read at all.
        content_type: Option<Str>,
        /// What its path meant, which some dialects need to read it.
        route: Route,
        /// The words, once somebody needed them.
        canonical: Arc<OnceLock<Result<Prompt, BadRequest>>>,
    },
    /// A library user gave us words; bytes are made by whichever dialect is chosen.
    Typed(Arc<Prompt>),
}

impl Payload {
    /// A body as received.
    pub fn raw(bytes: Bytes, content_type: Option<Str>, route: Route) -> Self {
        Self::Raw { bytes, content_type, route, canonical: Arc::default() }
    }
}

/// When the caller stops caring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(pub Instant);
