//! The grammar of formulas, read word by word.

use std::num::NonZeroU64;

use super::{Factor, Formula, Rounding, TERMS_MAX, TEXT_MAX, Term};
use crate::Str;
use crate::money::Credits;

/// A text that is no formula: where, what stands there, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at character {at}: {found}; {wanted}")]
pub struct NotFormula {
    /// Which character, counted from 1.
    pub at: usize,
    /// What stands there.
    pub found: String,
    /// What would be right.
    pub wanted: &'static str,
}

const TERM: &str = "write an amount such as 10 credits/minute";
const AMOUNT: &str = "write a decimal number with at most 6 places";
const UNIT: &str = "write credits after the amount";
const QUANTITY: &str = "write what is counted, such as minute or target language";
const BLOCK: &str = "write a whole number above 0, or none";
const AFTER: &str = "write + and another amount, / or per and what is counted, or a comma and \
                     at least or at most";
const BOUND: &str = "write at least or at most, and an amount";
const BOUND_TWICE: &str = "write at least and at most once each, in this order and at the end";
const BOUND_ORDER: &str = "write no less at most than at least";
const TWICE: &str = "write each quantity of a term once";
const LONG: &str = "write a shorter formula";
const MANY: &str = "write fewer terms";

/// What means something of its own and so names nothing.
const RESERVED: [&str; 7] = ["per", "credit", "credits", "started", "full", "exact", "at"];

/// One piece of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Token<'a> {
    /// Which character, counted from 1.
    at: usize,
    /// Empty at the end.
    text: &'a str,
}

struct Reader<'a> {
    tokens: Vec<Token<'a>>,
    next: usize,
    end: Token<'a>,
}

pub(super) fn formula(text: &str) -> Result<Formula, NotFormula> {
    let mut reader = Reader::new(text)?;
    let mut terms = vec![reader.term()?];
    while reader.eat("+") {
        if terms.len() == TERMS_MAX {
            return Err(reader.wrong(MANY));
        }
        terms.push(reader.term()?);
    }
    let (mut at_least, mut at_most) = (None, None);
    while !reader.is_done() {
        if !reader.eat(",") {
            return Err(reader.wrong(AFTER));
        }
        let start = reader.peek();
        let wrong = |wanted| Err(start.wrong(wanted));
        if !reader.eat("at") {
            return wrong(BOUND);
        }
        match (reader.eat("least"), reader.eat("most")) {
            (true, false) if at_least.is_none() && at_most.is_none() => {
                at_least = Some(reader.amount(AMOUNT)?);
            }
            (false, true) if at_most.is_none() => at_most = Some(reader.amount(AMOUNT)?),
            (false, false) => return Err(reader.wrong(BOUND)),
            (true, _) | (_, true) => return wrong(BOUND_TWICE),
        }
        if at_least.zip(at_most).is_some_and(|(least, most)| least > most) {
            return wrong(BOUND_ORDER);
        }
    }
    Ok(Formula { terms, at_least, at_most })
}

impl Token<'_> {
    fn wrong(self, wanted: &'static str) -> NotFormula {
        let found = match self.text {
            "" => "the end".to_owned(),
            text => format!("“{}”", text.chars().take(40).collect::<String>()),
        };
        NotFormula { at: self.at, found, wanted }
    }

    fn is_number(self) -> bool {
        self.text.starts_with(|c: char| c.is_ascii_digit() || c == '.')
    }

    fn is_word(self) -> bool {
        self.text.starts_with(is_letter)
    }
}

fn is_letter(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit() || c == '.'
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Result<Self, NotFormula> {
        if text.len() > TEXT_MAX {
            let found = format!("{} bytes", text.len());
            return Err(NotFormula { at: 1, found, wanted: LONG });
        }
        let (mut tokens, mut rest, mut at) = (Vec::new(), text, 1);
        while let Some(first) = rest.chars().next() {
            let length = if is_digit(first) {
                rest.find(|c| !is_digit(c))
            } else if is_letter(first) {
                rest.find(|c| !is_letter(c) && !c.is_ascii_digit() && c != '-')
            } else {
                Some(first.len_utf8())
            };
            let (piece, after) = rest.split_at(length.unwrap_or(rest.len()));
            if !first.is_whitespace() {
                tokens.push(Token { at, text: piece });
            }
            at += piece.chars().count();
            rest = after;
        }
        Ok(Self { tokens, next: 0, end: Token { at, text: "" } })
    }

    fn peek(&self) -> Token<'a> {
        self.tokens.get(self.next).copied().unwrap_or(self.end)
    }

    fn is_done(&self) -> bool {
        self.next >= self.tokens.len()
    }

    fn eat(&mut self, text: &str) -> bool {
        let there = self.peek().text == text;
        self.next += usize::from(there);
        there
    }

    fn wrong(&self, wanted: &'static str) -> NotFormula {
        self.peek().wrong(wanted)
    }

    fn term(&mut self) -> Result<Term, NotFormula> {
        let amount = self.amount(TERM)?;
        let mut factors: Vec<Factor> = Vec::new();
        while self.eat("/") || self.eat("per") {
            let start = self.peek();
            let factor = self.quantity()?;
            if factors.iter().any(|f| f.name == factor.name) {
                return Err(start.wrong(TWICE));
            }
            factors.push(factor);
        }
        Ok(Term { amount, factors })
    }

    fn amount(&mut self, wanted: &'static str) -> Result<Credits, NotFormula> {
        let number = self.peek();
        if !number.is_number() {
            return Err(number.wrong(wanted));
        }
        let amount = number.text.parse().map_err(|_| number.wrong(AMOUNT))?;
        self.next += 1;
        if self.eat("credits") || self.eat("credit") { Ok(amount) } else { Err(self.wrong(UNIT)) }
    }

    fn quantity(&mut self) -> Result<Factor, NotFormula> {
        let said = Rounding::ALL.into_iter().find(|r| self.peek().text == r.word());
        self.next += usize::from(said.is_some());
        let number = self.peek();
        let mut block = NonZeroU64::MIN;
        if number.is_number() {
            block = number.text.parse().map_err(|_| number.wrong(BLOCK))?;
            self.next += 1;
        }
        let mut words = Vec::new();
        while self.peek().is_word() && !RESERVED.contains(&self.peek().text) {
            words.push(self.peek().text);
            self.next += 1;
        }
        if words.is_empty() {
            return Err(self.wrong(QUANTITY));
        }
        let name = Str::from(words.join(" "));
        Ok(Factor { rounding: said.unwrap_or_default(), block, name })
    }
}
