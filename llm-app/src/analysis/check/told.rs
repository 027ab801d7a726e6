//! The form of an answer, field by field. What is not in it refuses the answer.

use std::fmt;

use llm_core::Str;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

/// Answers of a part: ten times what is asked for at once.
const ANSWERS_MAX: usize = 400;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Told {
    pub(super) claims: Vec<ToldClaim>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ToldClaim {
    pub(super) text: Str,
    #[serde(default)]
    pub(super) cells: Vec<Str>,
    #[serde(default)]
    pub(super) sources: Vec<Source>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Source {
    pub(super) document: Str,
    pub(super) page: i64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ToldAnswers {
    pub(super) answers: Each,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ToldAnswer {
    pub(super) text: Str,
    #[serde(default)]
    pub(super) sources: Vec<Source>,
}

/// Answers by their cells, each as often as it was written: a map would keep the last one.
#[derive(Debug)]
pub(super) struct Each(pub(super) Vec<(Str, ToldAnswer)>);

impl<'de> Deserialize<'de> for Each {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct All;

        impl<'de> Visitor<'de> for All {
            type Value = Each;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("answers by cells")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Each, A::Error> {
                let mut all = Vec::new();
                while let Some(one) = map.next_entry()? {
                    if all.len() >= ANSWERS_MAX {
                        return Err(serde::de::Error::custom("too many answers"));
                    }
                    all.push(one);
                }
                Ok(Each(all))
            }
        }

        from.deserialize_map(All)
    }
}
