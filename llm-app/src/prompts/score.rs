//! How good a prompt is by stated criteria, counted by rules: whole numbers from 0 to 100, and the
//! same for the same text always.
//!
//! Each criterion begins at what an empty wish has, and gains by what the text says. What the
//! numbers are worth is for feedback to tell; that they are the same tomorrow is for a snapshot.

use super::intent::{Class, Intent, has_material, named};
use super::lexicon::{self as words, Plain};

named! {
    /// What a prompt is judged by.
    Criterion {
        /// Whether it says what is to be done.
        Clarity = "clarity",
        /// Whether it says what surrounds it.
        Context = "context",
        /// Whether it says what must hold.
        Constraints = "constraints",
        /// Whether it says how the answer looks.
        Format = "format",
        /// Whether it shows what is meant.
        Examples = "examples",
        /// Whether it gives away or takes over what it should not.
        Safety = "safety",
    }
}

impl Criterion {
    /// How many of a hundred parts of the whole it is.
    pub fn weight(self) -> u32 {
        match self {
            Self::Clarity => 30,
            Self::Context => 25,
            Self::Constraints | Self::Format => 15,
            Self::Examples => 5,
            Self::Safety => 10,
        }
    }
}

named! {
    /// What a prompt had better not have in it.
    Risk {
        /// Orders to whoever reads it, and not to whoever answers it.
        Injection = "injection",
        /// What looks like a key of an API.
        Secret = "secret",
        /// An address of electronic mail.
        Email = "email",
        /// A telephone number.
        Phone = "phone",
        /// A number that looks like that of a person or a card.
        Identity = "identity",
    }
}

/// A number from 0 to 100.
pub type Points = u8;

/// A score for each criterion, and the whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scored {
    /// The whole, weighed.
    pub whole: Points,
    /// Each, in the order of [`Criterion::ALL`].
    pub each: [Points; 6],
    /// What had better not be in it.
    pub risks: Vec<Risk>,
}

impl Scored {
    /// What the criteria come to together.
    pub fn new(each: [Points; 6], risks: Vec<Risk>) -> Self {
        Self { whole: whole(&each), each, risks }
    }

    /// One of them.
    pub fn of(&self, criterion: Criterion) -> Points {
        let with = Criterion::ALL.iter().zip(self.each);
        with.into_iter().find(|(one, _)| **one == criterion).map_or(0, |(_, points)| points)
    }
}

/// The whole of these, weighed and rounded.
pub fn whole(each: &[Points; 6]) -> Points {
    let sum = Criterion::ALL.iter().zip(each);
    let sum: u32 = sum.map(|(criterion, points)| criterion.weight() * u32::from(*points)).sum();
    Points::try_from((sum + 50) / 100).unwrap_or(100)
}

/// Words of a prompt that nobody has to guess at.
const WORDS_FEW: usize = 5;
const WORDS_MANY: usize = 400;
/// Words of a sentence that is read twice.
const SENTENCE_LONG: usize = 45;

/// Scores a prompt that was understood.
pub fn score(prompt: &str, intent: &Intent) -> Scored {
    let seen = Seen::new(prompt, intent);
    let risks = risks(&seen.plain);
    let each = [
        seen.clarity(),
        seen.context(),
        seen.constraints(),
        seen.format(),
        seen.examples(),
        safety(&risks),
    ];
    Scored::new(each, risks)
}

/// What is counted once and used by several criteria.
struct Seen<'a> {
    prompt: &'a str,
    class: Class,
    plain: Plain,
    words: usize,
    sentences: usize,
    numbers: usize,
    steps: usize,
}

/// Points that are added up.
struct Sum(i32);

impl Sum {
    fn add(self, points: i32, holds: bool) -> Self {
        Self(self.0 + if holds { points } else { 0 })
    }

    /// So many for each, up to a number of them.
    fn each(self, points: i32, count: usize, most: usize) -> Self {
        Self(self.0 + points * i32::try_from(count.min(most)).unwrap_or(0))
    }

    fn points(self) -> Points {
        Points::try_from(self.0.clamp(0, 100)).unwrap_or(0)
    }
}

impl<'a> Seen<'a> {
    fn new(prompt: &'a str, intent: &Intent) -> Self {
        let ends = prompt.chars().filter(|c| matches!(c, '.' | '?' | '!' | '。' | '？' | '！'));
        let digits = |word: &&str| word.chars().any(|c| c.is_ascii_digit());
        let listed = |line: &&str| {
            let line = line.trim_start();
            let number = line.trim_start_matches(|c: char| c.is_ascii_digit());
            line.starts_with(['-', '*', '•'])
                || (number.len() < line.len() && number.starts_with(['.', ')']))
        };
        Self {
            prompt,
            class: intent.class,
            plain: Plain::new(prompt),
            words: prompt.split_whitespace().count(),
            sentences: ends.count().max(prompt.lines().count()).max(1),
            numbers: prompt.split_whitespace().filter(digits).count(),
            steps: prompt.lines().filter(listed).count(),
        }
    }

    fn clarity(&self) -> Points {
        let vague = self.plain.count(words::VAGUE);
        Sum(40)
            .add(20, self.class != Class::Other)
            .add(15, (WORDS_FEW..=WORDS_MANY).contains(&self.words))
            .add(-25, self.words < 3)
            .add(10, self.numbers > 0 || self.prompt.contains(['"', '“', '\'', '`']))
            .add(10, self.steps > 1 || self.sentences > 1)
            .add(5, self.plain.any(words::PURPOSE))
            .add(-15, self.words / self.sentences > SENTENCE_LONG)
            .each(-10, vague, 3)
            .points()
    }

    fn context(&self) -> Points {
        Sum(10)
            .add(20, self.plain.any(words::CONTEXT))
            .add(15, self.plain.any(words::AUDIENCE))
            .add(15, self.plain.any(words::PURPOSE))
            .add(10, self.plain.any(words::ROLE))
            .add(20, has_material(self.prompt))
            .add(10, self.plain.any(words::STACK))
            .add(10, self.words >= 25)
            .points()
    }

    fn constraints(&self) -> Points {
        Sum(10)
            .each(20, self.plain.count(words::RULES), 2)
            .add(20, self.plain.any(words::LENGTH))
            .add(15, self.plain.any(words::TONE))
            .add(10, self.numbers > 0)
            .add(5, self.plain.any(words::TIME))
            .add(5, self.plain.any(words::BUDGET))
            .points()
    }

    fn format(&self) -> Points {
        // The form of a translation or a question is the usual one.
        let usual = matches!(self.class, Class::Translation | Class::Question);
        Sum(20)
            .add(30, usual)
            .add(40, self.plain.any(words::FORMAT))
            .add(20, self.plain.any(words::LENGTH))
            .add(20, self.steps > 1)
            .points()
    }

    fn examples(&self) -> Points {
        let usual = matches!(self.class, Class::Translation | Class::Question | Class::Summary);
        let shown = self.prompt.contains("```") || self.prompt.contains("->");
        Sum(20)
            .add(40, usual)
            .add(50, self.plain.any(words::EXAMPLE))
            .add(30, shown || self.prompt.contains('→'))
            .points()
    }
}

fn safety(risks: &[Risk]) -> Points {
    let cost = |risk: &Risk| match risk {
        Risk::Injection => 60,
        Risk::Secret => 50,
        Risk::Identity => 40,
        Risk::Email | Risk::Phone => 20,
    };
    Sum(100 - risks.iter().map(cost).sum::<i32>()).points()
}

/// Letters of what looks like a key.
const SECRET_CHARS: usize = 20;

fn risks(plain: &Plain) -> Vec<Risk> {
    let mut found = Vec::new();
    if plain.any(words::INJECTION) {
        found.push(Risk::Injection);
    }
    let outer = |c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | '@' | '.' | '+');
    for word in plain.text().split(outer) {
        let digits = word.bytes().filter(u8::is_ascii_digit).count();
        let numeric = word.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        let head = ["sk-", "sk_", "akia", "ghp_", "aiza", "xoxb-"];
        let secret = word.len() >= SECRET_CHARS && head.iter().any(|h| word.starts_with(h));
        let mail = word.split_once('@').is_some_and(|(name, host)| {
            !name.is_empty() && host.trim_end_matches('.').contains('.')
        });
        let risk = match () {
            () if secret => Risk::Secret,
            () if mail => Risk::Email,
            () if numeric && (digits == 13 || digits == 16) => Risk::Identity,
            () if numeric && word.starts_with("01") && (digits == 10 || digits == 11) => {
                Risk::Phone
            }
            () => continue,
        };
        if !found.contains(&risk) {
            found.push(risk);
        }
    }
    found
}
