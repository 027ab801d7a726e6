//! What a simulated provider is told to do wrong, and to which requests.
//!
//! A script is a list of rules. Each request takes the first rule that fits and is not used up;
//! a request that no rule fits is answered well. A rule without `match` fits all.
//!
//! ```json
//! [{"match": {"model": "gpt-4o", "operation": "chat"}, "times": 2,
//!   "do": {"error": "rate_limit", "retry_after_ms": 270}},
//!  {"times": "always", "do": {"first_byte_ms": 50, "chunk_ms": 10}}]
//! ```

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

mod fault;

pub use fault::{Act, Broken, Corrupt, Cut, CutHow, Drip, ErrorKind, Hang, InBand, UsageFault};

/// More rules than this are a script gone wrong.
pub const RULES_MAX: usize = 1_024;

/// One rule.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Which requests.
    #[serde(default, rename = "match")]
    pub matches: Match,
    /// How many of them.
    #[serde(default)]
    pub times: Times,
    /// What happens to them.
    #[serde(rename = "do")]
    pub act: Act,
}

/// Which requests a rule fits: all that is said must hold.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Match {
    /// Stands in the path.
    pub path: Option<String>,
    /// The operation: `chat`, `embed`, `rerank`, …
    pub operation: Option<String>,
    /// Stands in the model's name.
    pub model: Option<String>,
    /// Stands in the body.
    pub body: Option<String>,
    /// Whether a stream is wanted.
    pub stream: Option<bool>,
    /// Headers and what stands in their values.
    pub header: BTreeMap<String, String>,
}

/// How often a rule is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Times {
    /// So many requests.
    Count(u64),
    /// Until the script is replaced.
    Always,
}

impl Default for Times {
    fn default() -> Self {
        Self::Count(1)
    }
}

impl<'de> Deserialize<'de> for Times {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Word {
            Count(u64),
            Text(String),
        }
        match Word::deserialize(d) {
            Ok(Word::Count(n)) => Ok(Self::Count(n)),
            Ok(Word::Text(word)) if word == "always" => Ok(Self::Always),
            _ => Err(serde::de::Error::custom("times: a number or \"always\" is wanted")),
        }
    }
}

/// The facts of a request that a rule can ask for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Path and query.
    pub path: &'a str,
    /// The operation's name; empty when the path means nothing.
    pub operation: &'a str,
    /// The model; empty when none is named.
    pub model: &'a str,
    /// Whether a stream is wanted.
    pub stream: bool,
    /// The headers.
    pub headers: &'a http::HeaderMap,
    /// The body.
    pub body: &'a [u8],
}

impl Match {
    /// Whether a request fits.
    pub fn fits(&self, asked: &Asked<'_>) -> bool {
        let within = |wanted: &Option<String>, text: &str| {
            wanted.as_deref().is_none_or(|w| text.contains(w))
        };
        let header = |(name, wanted): (&String, &String)| {
            let mut values = asked.headers.get_all(name.as_str()).iter();
            values.any(|v| String::from_utf8_lossy(v.as_bytes()).contains(wanted.as_str()))
        };
        within(&self.path, asked.path)
            && self.operation.as_deref().is_none_or(|o| o == asked.operation)
            && within(&self.model, asked.model)
            && self.stream.is_none_or(|s| s == asked.stream)
            && self.header.iter().all(header)
            && self.body.as_deref().is_none_or(|b| within_bytes(b.as_bytes(), asked.body))
    }
}

fn within_bytes(wanted: &[u8], text: &[u8]) -> bool {
    wanted.is_empty() || text.windows(wanted.len()).any(|w| w == wanted)
}

/// The rules that are left.
#[derive(Debug, Default)]
pub struct Script(Vec<Rule>);

impl Script {
    /// Reads a list of rules, or one. The message names the field that is wrong.
    pub fn parse(body: &[u8]) -> Result<Vec<Rule>, String> {
        let first = body.iter().find(|b| !b.is_ascii_whitespace());
        let rules: Vec<Rule> = match first {
            Some(b'[') => serde_json::from_slice(body).map_err(|e| e.to_string())?,
            _ => vec![serde_json::from_slice(body).map_err(|e| e.to_string())?],
        };
        if rules.len() > RULES_MAX {
            return Err(format!("at most {RULES_MAX} rules"));
        }
        Ok(rules)
    }

    /// Replaces the rules.
    pub fn set(&mut self, rules: Vec<Rule>) {
        self.0 = rules;
    }

    /// How many rules are left.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no rule is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What happens to this request.
    pub fn take(&mut self, asked: &Asked<'_>) -> Option<Act> {
        let usable = |r: &Rule| r.times != Times::Count(0) && r.matches.fits(asked);
        let at = self.0.iter().position(usable)?;
        let rule = &mut self.0[at];
        let act = rule.act.clone();
        if let Times::Count(left) = &mut rule.times {
            *left -= 1;
            if *left == 0 {
                self.0.remove(at);
            }
        }
        Some(act)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(script: &mut Script, model: &str) -> Option<Act> {
        let headers = http::HeaderMap::new();
        let asked = Asked {
            path: "/x",
            operation: "chat",
            model,
            stream: false,
            headers: &headers,
            body: b"",
        };
        script.take(&asked)
    }

    #[test]
    fn rules_are_used_in_order_and_used_up() {
        let rules = br#"[{"match":{"model":"a"},"times":2,"do":{"status":500}},
                         {"times":"always","do":{"chunk_ms":5}}]"#;
        let mut script = Script::default();
        script.set(Script::parse(rules).unwrap());
        assert_eq!(take(&mut script, "b").unwrap().chunk_ms, 5);
        for _ in 0..2 {
            assert_eq!(take(&mut script, "xay").unwrap().status, Some(500));
        }
        assert_eq!(take(&mut script, "a").unwrap().chunk_ms, 5);
    }

    #[test]
    fn unknown_fields_are_named() {
        for (body, word) in [
            (r#"{"do":{"statsu":500}}"#, "statsu"),
            (r#"{"do":{},"tims":1}"#, "tims"),
            (r#"{"do":{},"match":{"modle":"x"}}"#, "modle"),
            (r#"{"do":{"cut":{"afterframes":1}}}"#, "afterframes"),
        ] {
            let message = Script::parse(body.as_bytes()).unwrap_err();
            assert!(message.contains(word), "{message}");
        }
    }
}
