//! Answers side by side: one prompt asked of several models, or several prompts of one, all at
//! once, and judged against each other in both orders.
//!
//! Up to four are all judged against each other. More of them stand in a ring, and each is judged
//! against its two neighbours: as many calls as there are answers, twice. A win is a point, a draw
//! half of one; an answer's quality is its part of the points it could have had, and is not said
//! where any of its pairs could not be judged.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use llm_core::Str;
use llm_core::error::Error;
use llm_core::event::{Delta, Event, PartHead, PartId};
use llm_core::money::{Money, Unit as _};
use llm_core::principal::Grant;
use llm_core::prompt::Request;
use llm_core::raw::RawNumber;
use llm_core::usage::Usage;

use super::judge::{Side, Verdict, Winner};
use super::structured::odd;
use super::telling::{Hearing, Teller, telling};
use super::{Prompts, checked};
use crate::ground::NotDone;
use crate::people::Person;

/// Answers side by side: what fits on a screen.
pub const SIDES_MAX: usize = 8;
/// Up to so many, each is judged against each.
const ROUND_MAX: usize = 4;
/// Pairs that are judged at once: a person's own limits hold for the calls as well.
const JUDGES: usize = 4;
/// Bytes of one answer; the judge reads them all.
const ANSWER_MAX: usize = 64 << 10;

/// What is to be compared.
#[derive(Clone, Debug, Default)]
pub struct Match {
    /// What is asked: one, or as many as there are sides.
    pub prompts: Vec<String>,
    /// Who is asked: one, or as many as there are sides; nobody is the feature's model.
    pub models: Vec<Str>,
    /// What stands before each.
    pub system: Option<String>,
    /// The longest answer in tokens.
    pub tokens_max: Option<u32>,
    /// Whether a judge says which is better.
    pub judged: bool,
}

/// One answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What was said, as far as it came.
    pub text: String,
    /// Who said it.
    pub target: Option<Str>,
    /// What it cost.
    pub cost: Money,
    /// Tokens, as far as they are known.
    pub usage: Usage,
    /// Until the first piece came.
    pub first: Option<Duration>,
    /// Until the end.
    pub took: Duration,
    /// Why it is none, or has no end.
    pub failed: Option<Error>,
}

/// What became of a pair.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The sides, by number.
    pub pair: (usize, usize),
    /// Who won, or why nobody could say.
    pub verdict: Result<Verdict, Error>,
    /// What judging cost.
    pub cost: Money,
}

/// A side at the end.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Its answer.
    pub answer: Answer,
    /// Its part of the points it could have had, of 100; `None` where it was not judged whole.
    pub quality: Option<u8>,
}

/// What is heard of a comparison.
#[derive(Clone, Debug)]
pub enum Heard {
    /// A side begins.
    Began {
        /// Which.
        side: usize,
        /// Who is asked.
        model: Str,
    },
    /// More of an answer.
    Piece {
        /// Which.
        side: usize,
        /// What.
        text: Str,
    },
    /// An answer is there, or failed.
    Answered {
        /// Which.
        side: usize,
        /// What it is.
        answer: Box<Answer>,
    },
    /// A pair was judged.
    Judged(Box<Judged>),
    /// All is said. Last.
    Done(Vec<Standing>),
    /// It could not be done. Last.
    Failed(NotDone),
}

impl Prompts {
    /// Asks all of them at once. What is wrong with the match is said before anything is heard.
    pub fn comparing(&self, grant: &Arc<Grant>, of: Match) -> Result<Hearing<Heard>, NotDone> {
        let sides = sides(&of, &self.features.compare.model)?;
        if self.features.compare.system.is_some() && of.system.is_some() {
            let why = "whoever runs this gateway has said what stands before answers";
            return Err(NotDone::wrong("system", why));
        }
        let (prompts, grant) = (self.clone(), Arc::clone(grant));
        Ok(telling(move |teller| async move {
            let person = match prompts.ground.person(&grant).await {
                Ok(person) => person,
                Err(why) => return teller.tell(Heard::Failed(why)).await,
            };
            let standings = prompts.compared(&grant, &person, &of, &sides, &teller).await;
            teller.tell(Heard::Done(standings)).await;
        }))
    }

    async fn compared(
        &self,
        grant: &Arc<Grant>,
        person: &Person,
        of: &Match,
        sides: &[(String, Str)],
        teller: &Teller<Heard>,
    ) -> Vec<Standing> {
        let asked = sides.iter().enumerate().map(|(side, (prompt, model))| async move {
            teller.tell(Heard::Began { side, model: model.clone() }).await;
            let answer = self.answered(grant, of, prompt, model, (side, teller)).await;
            teller.tell(Heard::Answered { side, answer: Box::new(answer.clone()) }).await;
            answer
        });
        let answers = futures_util::future::join_all(asked).await;
        let mut points = vec![Points::default(); answers.len()];
        if of.judged {
            // A pair is worth judging only where both have answered.
            let pairs = pairs(answers.len()).into_iter();
            let whole = |side: usize| answers[side].failed.is_none();
            let pairs: Vec<_> = pairs.filter(|(a, b)| whole(*a) && whole(*b)).collect();
            let side = |n: usize| Side { asked: &sides[n].0, answer: &answers[n].text };
            let judging = pairs.into_iter().map(|(a, b)| self.pair(grant, person, (a, b), side));
            let mut judging = stream::iter(judging.collect::<Vec<_>>()).buffered(JUDGES);
            while let Some(judged) = judging.next().await {
                count(&mut points, &judged);
                teller.tell(Heard::Judged(Box::new(judged))).await;
            }
        }
        let with = answers.into_iter().zip(points);
        with.map(|(answer, points)| Standing { answer, quality: points.quality() }).collect()
    }

    async fn answered(
        &self,
        grant: &Arc<Grant>,
        of: &Match,
        prompt: &str,
        model: &Str,
        (side, teller): (usize, &Teller<Heard>),
    ) -> Answer {
        let feature = &self.features.compare;
        let mut request = Request::new(model.clone());
        if let Some(system) = feature.system.as_deref().or(of.system.as_deref()) {
            request = request.system(system.to_owned());
        }
        request = request.user(prompt.to_owned());
        let most = feature.tokens(of.tokens_max);
        request.output.tokens_max = most.and_then(|most| RawNumber::parse(most.to_string()));
        let began = self.ground.clock.now();
        let mut answer = Answer {
            text: String::new(),
            target: None,
            cost: Money::ZERO,
            usage: Usage::default(),
            first: None,
            took: Duration::ZERO,
            failed: None,
        };
        let asking = self.ground.asking(feature, grant);
        match asking.stream(request).await {
            Ok(mut stream) => {
                answer.target = Some(Str::from(stream.head().target.to_string()));
                let (mut spoken, mut ended) = (None::<PartId>, false);
                while let Some(event) = stream.next().await {
                    match event {
                        Event::PartStart { part, head: PartHead::Text } => spoken = Some(part),
                        Event::PartDelta { part, delta: Delta::Text(text) }
                            if Some(part) == spoken =>
                        {
                            let now = self.ground.clock.now();
                            answer.first.get_or_insert(now.duration_since(began));
                            answer.text.push_str(&text);
                            if answer.text.len() > ANSWER_MAX {
                                break;
                            }
                            teller.tell(Heard::Piece { side, text }).await;
                        }
                        Event::Usage(report) => answer.usage = report.usage,
                        Event::Failure(error) => answer.failed = Some(error),
                        Event::End => ended = true,
                        _ => {}
                    }
                }
                answer.cost = stream.receipt().map_or(Money::ZERO, |receipt| receipt.posted);
                if !ended && answer.failed.is_none() {
                    answer.failed = Some(odd("the answer has no end"));
                }
            }
            Err(error) => answer.failed = Some(error),
        }
        answer.took = self.ground.clock.now().duration_since(began);
        answer
    }

    /// Judges a pair in both orders at once.
    async fn pair<'a>(
        &self,
        grant: &Arc<Grant>,
        person: &Person,
        pair: (usize, usize),
        side: impl Fn(usize) -> Side<'a>,
    ) -> Judged {
        let (a, b) = (side(pair.0), side(pair.1));
        let rounds = (self.round(grant, person, a, b), self.round(grant, person, b, a));
        let (in_order, swapped) = futures_util::future::join(rounds.0, rounds.1).await;
        let cost = |round: &Result<_, Error>| round.as_ref().map_or(0, round_cost);
        let cost = Money(cost(&in_order).saturating_add(cost(&swapped)));
        let verdict = match (in_order, swapped) {
            (Ok(in_order), Ok(swapped)) => Ok(Verdict::of(in_order.said, swapped.said)),
            (Err(why), _) | (_, Err(why)) => Err(why),
        };
        Judged { pair, verdict, cost }
    }
}

fn round_cost(round: &super::judge::Ruled<Winner>) -> i64 {
    round.cost.0
}

/// Half points, and how many there might have been.
#[derive(Clone, Copy, Debug, Default)]
struct Points {
    halves: u32,
    pairs: u32,
    /// A pair that nobody could judge.
    lost: bool,
}

impl Points {
    fn quality(self) -> Option<u8> {
        if self.lost || self.pairs == 0 {
            return None;
        }
        u8::try_from((self.halves * 100 + self.pairs) / (2 * self.pairs)).ok()
    }
}

fn count(points: &mut [Points], judged: &Judged) {
    let (a, b) = judged.pair;
    let halves = match &judged.verdict {
        Ok(verdict) => match verdict.winner {
            Winner::First => Some((2, 0)),
            Winner::Second => Some((0, 2)),
            Winner::Draw => Some((1, 1)),
        },
        Err(_) => None,
    };
    for (side, own) in [(a, halves.map(|h| h.0)), (b, halves.map(|h| h.1))] {
        let Some(points) = points.get_mut(side) else { continue };
        points.pairs += 1;
        match own {
            Some(own) => points.halves += own,
            None => points.lost = true,
        }
    }
}

/// Who is judged against whom.
fn pairs(sides: usize) -> Vec<(usize, usize)> {
    if sides <= ROUND_MAX {
        return (0..sides).flat_map(|a| (a + 1..sides).map(move |b| (a, b))).collect();
    }
    (0..sides).map(|a| (a, (a + 1) % sides)).collect()
}

/// What each side is asked, and of whom.
fn sides(of: &Match, usual: &Str) -> Result<Vec<(String, Str)>, NotDone> {
    let (prompts, models) = (of.prompts.len(), of.models.len());
    if prompts > 1 && models > 1 {
        let why = "several prompts are asked of one model, and several models one prompt";
        return Err(NotDone::wrong("models", why));
    }
    let count = prompts.max(models);
    if prompts == 0 || !(2..=SIDES_MAX).contains(&count) {
        let field = if models > 1 { "models" } else { "prompts" };
        return Err(NotDone::wrong(field, format!("2 to {SIDES_MAX} are compared")));
    }
    for prompt in &of.prompts {
        checked(if prompts > 1 { "prompts" } else { "prompt" }, prompt)?;
    }
    let prompt = |n: usize| of.prompts.get(n).or(of.prompts.first()).cloned().unwrap_or_default();
    let model = |n: usize| of.models.get(n).or(of.models.first()).unwrap_or(usual).clone();
    Ok((0..count).map(|n| (prompt(n), model(n))).collect())
}

#[cfg(test)]
mod tests;
