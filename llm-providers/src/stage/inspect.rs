//! Optional content rules, on the words of a question: how long it may be, and what may not stand
//! in it. A rule refuses the call, masks what it found, or gives it a name, which is taken back out
//! of the answer. A question in which nothing is found passes as it came, byte for byte.
//!
//! Below the reserve stage, so that a caller without credit cannot use the rules as an oracle; a
//! call that is refused here costs nothing. Deliberately absent: rules on answers (text would have
//! to be held back to be looked at; names are found in no more than a word of it), and anything that interprets what it reads. What is not words
//! is not looked at: pictures, sound, documents, a model's own thoughts, numbers of tokens, and
//! members that no dialect knows. Moderation must see what it is asked about, and is left alone.

mod find;
mod names;
mod restore;
mod texts;

use llm_core::Str;
use llm_core::call::Call;
use llm_core::error::{Error, Kind};
use llm_core::prompt::Prompt;
use prometheus::IntCounter;
use regex::Regex;

use super::reserve::Funded;
use super::send::words;
use super::{Next, Stage};
use crate::metrics::Metrics;
use crate::reply::Reply;
use crate::settings::Problem;

use names::Names;

pub use find::Find;

/// What may be said to a model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContentRules {
    /// The most characters of all texts together.
    pub chars_max: Option<u64>,
    /// What may not stand in them, in this order.
    pub rules: Vec<ContentRule>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentRule {
    /// Its name, in errors and metrics.
    pub name: Str,
    /// What it finds.
    pub find: Find,
    /// What becomes of it.
    pub then: Then,
}

/// What becomes of what a rule finds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Then {
    /// The call is refused.
    #[default]
    Refuse,
    /// It is replaced by asterisks, never more than it had characters: a hold that covers the
    /// question covers it masked.
    Mask,
    /// It goes out under a name (`⟦card-1⟧`), and where the answer says that name, the caller reads
    /// the thing again. What is shorter than its name is masked, and so is what JSON would have to
    /// write otherwise, since it may stand in any depth of it.
    Pseudonym,
}

/// Rules, ready to be used.
#[derive(Debug)]
pub(crate) struct Rules {
    chars_max: Option<u64>,
    rules: Vec<Ready>,
    too_long: IntCounter,
}

#[derive(Debug)]
struct Ready {
    name: Str,
    patterns: Vec<Regex>,
    holds: fn(&str) -> bool,
    /// What its things are called.
    kind: &'static str,
    then: Then,
    found: IntCounter,
}

/// More would make every question wait.
const RULES_MAX: usize = 64;
const MASK: &str = "********";

impl Rules {
    /// Reads rules; what cannot be read is a problem.
    pub(crate) fn read(
        said: &ContentRules,
        metrics: &Metrics,
        problems: &mut Vec<Problem>,
    ) -> Option<Self> {
        if said.chars_max.is_none() && said.rules.is_empty() {
            return None;
        }
        if said.rules.len() > RULES_MAX {
            let text = format!("more than {RULES_MAX} rules");
            problems.push(Problem::new("content.rules", text));
        }
        let mut rules = Vec::with_capacity(said.rules.len());
        for (n, rule) in said.rules.iter().enumerate().take(RULES_MAX) {
            match rule.find.patterns() {
                Ok(patterns) => rules.push(Ready {
                    name: rule.name.clone(),
                    patterns,
                    holds: rule.find.check(),
                    kind: rule.find.kind(),
                    then: rule.then,
                    found: metrics.content_rule(&rule.name),
                }),
                Err(text) => {
                    problems.push(Problem::new(format!("content.rules.{n}"), text));
                }
            }
        }
        Some(Self { chars_max: said.chars_max, rules, too_long: metrics.content_rule("chars_max") })
    }

    /// The words of a call as the rules leave them, and what has a name in them; `None` when they
    /// leave them as they are.
    fn look(&self, call: &Call) -> Result<Option<(Box<Prompt>, Names)>, Error> {
        let (mut prompt, mut names) = (Box::new(words(call)?.clone()), Names::default());
        Ok(self.look_at(&mut prompt, &mut names)?.then_some((prompt, names)))
    }

    /// Whether anything was masked, or named.
    fn look_at(&self, prompt: &mut Prompt, names: &mut Names) -> Result<bool, Error> {
        let (mut chars, mut masked) = (0u64, false);
        texts::each(prompt, &mut |text| {
            chars += text.read().chars().count() as u64;
            let max = self.chars_max.unwrap_or(u64::MAX);
            if chars > max {
                self.too_long.inc();
                let why = format!("no more than {max} characters may be said here");
                return Err(Error::new(Kind::TooLarge, why).in_field(text.place()));
            }
            for rule in &self.rules {
                let Some(left) = rule.apply(text.read(), names) else { continue };
                rule.found.inc();
                if rule.then == Then::Refuse || !text.write(left) {
                    return Err(rule.refusal(text.place()));
                }
                masked = true;
            }
            Ok(())
        })?;
        Ok(masked)
    }
}

impl Ready {
    /// The text without what was found; `None` when nothing was.
    fn apply(&self, text: &str, names: &mut Names) -> Option<String> {
        let mut out: Option<String> = None;
        for pattern in &self.patterns {
            let from = out.as_deref().unwrap_or(text);
            let (mut left, mut at) = (String::new(), 0);
            for found in
                pattern.find_iter(from).filter(|f| !f.is_empty() && (self.holds)(f.as_str()))
            {
                left.push_str(&from[at..found.start()]);
                let named = match self.then {
                    Then::Pseudonym => names.of(self.kind, found.as_str()),
                    Then::Refuse | Then::Mask => None,
                };
                match named {
                    Some(name) => left.push_str(name),
                    None => {
                        let chars = found.as_str().chars().count();
                        left.push_str(&MASK[..chars.min(MASK.len())]);
                    }
                }
                at = found.end();
            }
            if at > 0 {
                left.push_str(&from[at..]);
                out = Some(left);
            }
        }
        out
    }

    /// Says which rule and where, and never what was found: errors are logged.
    fn refusal(&self, place: Str) -> Error {
        let why = format!("the content rule {:?} forbids what stands here", &*self.name);
        Error::new(Kind::ContentFiltered, why).in_field(place)
    }
}

/// The stage.
#[derive(Debug)]
pub struct InspectStage;

impl Stage for InspectStage {
    type In = Funded;
    type Out = Funded;

    async fn run<N: Next<Funded>>(&self, mut funded: Funded, next: &N) -> Result<Reply, Error> {
        let mut named = Names::default();
        if let Some(rules) = &funded.opened().snapshot.content
            && let Some((prompt, names)) = rules.look(&funded.opened().call)?
        {
            funded = funded.saying(*prompt);
            named = names;
        }
        if named.is_empty() {
            return next.run(funded).await;
        }
        let asked = funded.clone();
        // Boxed, like what else few calls need: what all others carry stays small.
        let reply = Box::pin(next.run(funded)).await?;
        let shown = !asked.hides_usage(reply.head.dialect);
        Ok(restore::wrap(reply, named, shown))
    }
}

#[cfg(test)]
mod tests;
