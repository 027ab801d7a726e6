//! What a call used.

pub mod count;

/// Disjoint counts of one call: no token stands in two of them, so that their sum is the total.
///
/// Each dialect converts from its own convention (cached tokens inside the input or beside it,
/// thinking inside the output or beside it) in one named function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens read, without those of a cache and without audio.
    pub input: u64,
    /// Tokens read from a cache.
    pub cache_read: u64,
    /// Tokens written to a cache with the provider's short life (5 minutes).
    pub cache_write: u64,
    /// Tokens written to a cache for an hour.
    pub cache_write_1h: u64,
    /// Tokens written, without reasoning and without audio.
    pub output: u64,
    /// Tokens written that are reasoning.
    pub reasoning: u64,
    /// Audio tokens read.
    pub audio_in: u64,
    /// Audio tokens written.
    pub audio_out: u64,
    /// Images made.
    pub images: u32,
    /// Things the provider bills by the piece: searches of a rerank, uses of a server tool.
    pub calls: u32,
    /// Audio billed by its length, in milliseconds.
    pub audio_ms: u64,
    /// What the provider did not say. An unknown count is 0 above, and 0 is not what it means.
    pub unknown: Unknown,
    /// How we know.
    pub source: UsageSource,
}

/// Which totals the provider left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unknown {
    /// The tokens read.
    pub input: bool,
    /// The tokens written.
    pub output: bool,
}

/// How a usage is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum UsageSource {
    /// The provider said so.
    #[default]
    Reported,
    /// We counted what passed.
    Counted,
    /// We guessed; may charge more, never refunds below what was observed.
    Estimated,
}

/// The classes of tokens that have a price of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(usize)]
pub enum TokenKind {
    /// [`Usage::input`].
    Input,
    /// [`Usage::cache_read`].
    CacheRead,
    /// [`Usage::cache_write`].
    CacheWrite,
    /// [`Usage::cache_write_1h`].
    CacheWrite1h,
    /// [`Usage::output`].
    Output,
    /// [`Usage::reasoning`].
    Reasoning,
    /// [`Usage::audio_in`].
    AudioIn,
    /// [`Usage::audio_out`].
    AudioOut,
}

impl TokenKind {
    /// How many there are.
    pub const COUNT: usize = 8;
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Input,
        Self::CacheRead,
        Self::CacheWrite,
        Self::CacheWrite1h,
        Self::Output,
        Self::Reasoning,
        Self::AudioIn,
        Self::AudioOut,
    ];

    /// The word for it in prices, metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::CacheRead => "cache_read",
            Self::CacheWrite => "cache_write",
            Self::CacheWrite1h => "cache_write_1h",
            Self::Output => "output",
            Self::Reasoning => "reasoning",
            Self::AudioIn => "audio_in",
            Self::AudioOut => "audio_out",
        }
    }

    /// The class of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.name() == name)
    }

    /// Whether the model reads these tokens; it writes all others.
    pub fn is_read(self) -> bool {
        match self {
            Self::Input
            | Self::CacheRead
            | Self::CacheWrite
            | Self::CacheWrite1h
            | Self::AudioIn => true,
            Self::Output | Self::Reasoning | Self::AudioOut => false,
        }
    }
}

impl Usage {
    /// The count of one class.
    pub fn tokens(&self, kind: TokenKind) -> u64 {
        match kind {
            TokenKind::Input => self.input,
            TokenKind::CacheRead => self.cache_read,
            TokenKind::CacheWrite => self.cache_write,
            TokenKind::CacheWrite1h => self.cache_write_1h,
            TokenKind::Output => self.output,
            TokenKind::Reasoning => self.reasoning,
            TokenKind::AudioIn => self.audio_in,
            TokenKind::AudioOut => self.audio_out,
        }
    }

    /// Everything the model read; `None` when the provider did not say.
    pub fn input_total(&self) -> Option<u64> {
        (!self.unknown.input).then(|| self.read_total())
    }

    /// Everything the model read, as far as anyone counted: what selects a price tier.
    pub fn read_total(&self) -> u64 {
        let read =
            [self.input, self.cache_read, self.cache_write, self.cache_write_1h, self.audio_in];
        sum(&read)
    }

    /// Everything the model wrote; `None` when the provider did not say.
    pub fn output_total(&self) -> Option<u64> {
        (!self.unknown.output).then(|| self.written_total())
    }

    /// Everything the model wrote, as far as anyone counted.
    pub fn written_total(&self) -> u64 {
        sum(&[self.output, self.reasoning, self.audio_out])
    }

    /// Tokens written to a cache, whatever their life.
    pub fn cache_write_total(&self) -> u64 {
        self.cache_write.saturating_add(self.cache_write_1h)
    }

    /// Whether nothing at all was counted.
    pub fn is_zero(&self) -> bool {
        TokenKind::ALL.iter().all(|k| self.tokens(*k) == 0)
            && self.images == 0
            && self.calls == 0
            && self.audio_ms == 0
    }
}

/// A hostile provider may claim 2^64 tokens several times over; a total must not wrap to nothing.
fn sum(counts: &[u64]) -> u64 {
    counts.iter().fold(0, |a, n| a.saturating_add(*n))
}
