//! Frames of a stream, borrowed.
//!
//! Only what a stream says over and over is typed here. What comes once (grounding, ratings, a
//! prompt's feedback) stays raw, and parts beside text are read by `part`, so that a frame and a
//! whole answer mean the same.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::names::COUNT_MODALITY;

/// A frame.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Chunk<'a> {
    #[serde(borrow)]
    pub(super) candidates: Option<Vec<Candidate<'a>>>,
    pub(super) usage_metadata: Option<Counts>,
    #[serde(borrow)]
    pub(super) model_version: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) response_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) create_time: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) prompt_feedback: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) error: Option<&'a RawValue>,
}

/// A candidate's share of a frame.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Candidate<'a> {
    pub(super) index: Option<Count>,
    #[serde(borrow)]
    pub(super) content: Option<Content<'a>>,
    #[serde(borrow)]
    pub(super) finish_reason: Option<Word<'a>>,
    #[serde(borrow)]
    pub(super) finish_message: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) safety_ratings: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) citation_metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) grounding_metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) url_context_metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) avg_logprobs: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) logprobs_result: Option<&'a RawValue>,
}

/// A candidate's content.
#[derive(Debug, Deserialize)]
pub(super) struct Content<'a> {
    #[serde(borrow)]
    pub(super) parts: Option<Vec<Piece<'a>>>,
}

/// Text, borrowed unless it has escapes. Behind an `Option` a bare `Cow` would always be copied.
#[derive(Debug, Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// An enum, as its word or its number.
#[derive(Debug)]
pub(super) enum Word<'a> {
    Said(Cow<'a, str>),
    Number(u64),
}

impl<'de: 'a, 'a> Deserialize<'de> for Word<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Word<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a word or its number")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Word::Said(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Word::Said(Cow::Owned(text.to_owned())))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
                Ok(Word::Number(number))
            }
        }
        d.deserialize_any(Visit)
    }
}

impl Word<'_> {
    fn is(&self, word: &str, table: &[&str]) -> bool {
        match self {
            Self::Said(said) => said == word,
            Self::Number(n) => {
                usize::try_from(*n).ok().and_then(|n| table.get(n)).is_some_and(|w| *w == word)
            }
        }
    }
}

/// A count. Google's JSON writes 64-bit numbers as strings; nobody counts below nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count(pub(super) u64);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Visit;
        impl Visitor<'_> for Visit {
            type Value = Count;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a count")
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Count, E> {
                Ok(Count(number))
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<Count, E> {
                Ok(Count(0))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Count, E> {
                // Saturates; a count that large is no count.
                Ok(Count(number as u64))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Count, E> {
                text.parse().map(Count).map_err(|_| E::custom("not a count"))
            }
        }
        d.deserialize_any(Visit)
    }
}

/// `usageMetadata`, as far as it is counted.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Counts {
    pub(super) prompt_token_count: Option<Count>,
    pub(super) cached_content_token_count: Option<Count>,
    pub(super) candidates_token_count: Option<Count>,
    /// What live sessions call the candidates.
    pub(super) response_token_count: Option<Count>,
    pub(super) thoughts_token_count: Option<Count>,
    pub(super) tool_use_prompt_token_count: Option<Count>,
    pub(super) total_token_count: Option<Count>,
    pub(super) prompt_tokens_details: Option<Heard>,
    pub(super) cache_tokens_details: Option<Heard>,
    pub(super) candidates_tokens_details: Option<Heard>,
    pub(super) tool_use_prompt_tokens_details: Option<Heard>,
}

/// The audio tokens among a list of counts by modality: the only ones with a price of their own.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Heard(pub(super) u64);

impl<'de> Deserialize<'de> for Heard {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Detail<'a> {
            #[serde(borrow)]
            modality: Option<Word<'a>>,
            token_count: Option<Count>,
        }
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Heard;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of counts")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Heard, A::Error> {
                let mut sum = 0u64;
                while let Some(detail) = seq.next_element::<Detail<'de>>()? {
                    if detail.modality.is_some_and(|m| m.is("AUDIO", COUNT_MODALITY)) {
                        sum = sum.saturating_add(detail.token_count.unwrap_or_default().0);
                    }
                }
                Ok(Heard(sum))
            }
        }
        d.deserialize_seq(Visit)
    }
}

/// A part, as far as a piece of text needs to be understood.
#[derive(Debug, Default)]
pub(super) struct Piece<'a> {
    pub(super) text: Option<Cow<'a, str>>,
    pub(super) thought: bool,
    pub(super) signature: Option<&'a RawValue>,
    /// Whether there was anything else; then this is no mere piece of text.
    pub(super) more: bool,
}

impl<'de: 'a, 'a> Deserialize<'de> for Piece<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Piece<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a part")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut piece = Piece::default();
                while let Some(Text(name)) = map.next_key()? {
                    match &*name {
                        // Twice is for the slow reader to refuse.
                        "text" if piece.text.is_none() => {
                            piece.text = map.next_value::<Option<Text<'de>>>()?.map(|t| t.0);
                            piece.more |= piece.text.is_none();
                        }
                        "thought" => {
                            piece.thought = map.next_value::<Option<bool>>()?.unwrap_or(false);
                        }
                        "thoughtSignature" if piece.signature.is_none() => {
                            piece.signature = map.next_value()?;
                        }
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                            piece.more = true;
                        }
                    }
                }
                Ok(piece)
            }
        }
        d.deserialize_map(Visit)
    }
}
