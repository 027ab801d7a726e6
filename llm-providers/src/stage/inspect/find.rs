//! What a content rule can find.

use llm_core::Str;
use regex::{Regex, RegexBuilder};

/// What a content rule finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Find {
    /// Keys and tokens of well-known services, and private keys.
    Secrets,
    /// Numbers of payment cards, by their check digit.
    Cards,
    /// Korean resident registration numbers, and those of foreigners. By their dates alone: those
    /// that were given out since October 2020 have no check digit.
    Residents,
    /// Addresses of mail.
    Emails,
    /// Korean telephone numbers, written as there or internationally.
    Phones,
    /// Numbers of bank accounts, as Korean banks write them: groups of digits with hyphens.
    Accounts,
    /// Words and phrases, in whatever case they are written.
    Words(Vec<Str>),
    /// A regular expression of the operator's. Linear in the text: no look-around, no references
    /// back.
    Pattern(Str),
}

/// Keys that stand in questions because somebody pasted a file. Prefixes are as their services
/// publish them for scanners.
const SECRETS: [&str; 9] = [
    r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----[\s\S]*?(?:-----END (?:[A-Z]+ )*PRIVATE KEY-----|\z)",
    r"\bsk-[A-Za-z0-9_-]{20,}",
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    r"\b(?:gh[opsur]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,})",
    r"\bglpat-[A-Za-z0-9_-]{20,}",
    r"\bxox[abeprs]-[A-Za-z0-9-]{10,}",
    r"\bAIza[A-Za-z0-9_-]{35}",
    r"\bhf_[A-Za-z0-9]{30,}",
    r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
];

impl Find {
    /// Its expressions, or what is wrong with them.
    pub(super) fn patterns(&self) -> Result<Vec<Regex>, String> {
        let one = |text: &str| ready(text, false).map(|r| vec![r]);
        match self {
            Self::Secrets => SECRETS.iter().map(|text| ready(text, false)).collect(),
            Self::Cards => one(r"\b[0-9](?:[ -]?[0-9]){12,18}\b"),
            Self::Residents => {
                one(r"\b[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[ -]?[1-8][0-9]{6}\b")
            }
            Self::Emails => {
                one(r"\b[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,24}\b")
            }
            Self::Phones => {
                one(r"(?:\+82[ -]?|\b0)(?:1[016789]|2|[3-6][0-9]|70)[ -]?[0-9]{3,4}[ -]?[0-9]{4}\b")
            }
            Self::Accounts => one(r"\b[0-9]{3,6}-[0-9]{2,6}-[0-9]{3,7}(?:-[0-9]{1,3})?\b"),
            Self::Words(words) => {
                if words.iter().any(|w| w.trim().is_empty()) {
                    return Err("an empty word stands everywhere".to_owned());
                }
                let any: Vec<_> = words.iter().map(|w| regex::escape(w)).collect();
                ready(&any.join("|"), true).map(|r| vec![r])
            }
            Self::Pattern(text) => {
                let pattern = ready(text, false)?;
                if pattern.is_match("") {
                    return Err("the expression matches nothing at all, and so everywhere".into());
                }
                Ok(vec![pattern])
            }
        }
    }

    /// What things of that kind are called, where they go out under a name.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Secrets => "secret",
            Self::Cards => "card",
            Self::Residents => "id",
            Self::Emails => "mail",
            Self::Phones => "phone",
            Self::Accounts => "acct",
            Self::Words(_) => "word",
            Self::Pattern(_) => "thing",
        }
    }

    /// What an expression cannot say of what it found.
    pub(super) fn check(&self) -> fn(&str) -> bool {
        match self {
            Self::Cards => luhn,
            Self::Accounts => account,
            Self::Secrets
            | Self::Residents
            | Self::Emails
            | Self::Phones
            | Self::Words(_)
            | Self::Pattern(_) => |_| true,
        }
    }
}

/// Bytes of a compiled expression: a few thousand words, and no more than a cache of a processor.
const SIZE_MAX: usize = 1 << 20;

fn ready(text: &str, any_case: bool) -> Result<Regex, String> {
    let mut builder = RegexBuilder::new(text);
    builder.case_insensitive(any_case).size_limit(SIZE_MAX).dfa_size_limit(SIZE_MAX);
    builder.build().map_err(|e| e.to_string())
}

/// Whether it is as long as accounts are, and no telephone number, which begins with 0, nor a day.
fn account(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    (10..=14).contains(&digits) && !text.starts_with('0')
}

/// Whether the check digit of a card's number is right: one number in ten of that length is.
fn luhn(text: &str) -> bool {
    let digits = text.bytes().rev().filter(u8::is_ascii_digit).map(|b| u32::from(b - b'0'));
    let sum: u32 = digits
        .enumerate()
        .map(|(n, d)| match (n % 2, d) {
            (0, d) => d,
            (_, d) if d < 5 => d * 2,
            (_, d) => d * 2 - 9,
        })
        .sum();
    sum.is_multiple_of(10)
}
