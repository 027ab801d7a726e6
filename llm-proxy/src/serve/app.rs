//! How applications are answered under `/api/v1`: `{success, data, message, timestamp}`, or
//! `{success: false, error: {code, message, details}, timestamp}`.
//!
//! The envelope is a shape of the table: a route that gives one ([`Shape::Envelope`]) has every
//! answer in it, those too that are refused before its function runs. Words are for people, in
//! Korean or in English by `accept-language`; programs read `code`, which is one word for one status.
//! What exactly was wrong is in `details`, in English alone, since developers read it.
//!
//! [`Shape::Envelope`]: super::routes::shape::Shape::Envelope

use http::header::ACCEPT_LANGUAGE;
use http::{HeaderMap, Response, StatusCode};
use jiff::Timestamp;
use serde::Serialize;

use super::admin::refusal::{Answered, Refusal};
use super::admin::told;
use super::body::Body;
use super::routes::ask::Ask;

/// Languages of a header that are looked at.
const LANGUAGES_MAX: usize = 16;

/// Why an application is refused, where calls of operators have no word for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// A key of nobody in particular.
    NoWallet,
    /// No code that was ever made.
    NoSuchCode,
    /// A code that is used up, over or withdrawn.
    NotRedeemed,
    /// What a payment provider sent is no payment.
    NotAPayment,
    /// It was signed by somebody else, or long ago.
    NotSigned,
}

impl Refused {
    /// The word for it.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::NoWallet => "no_wallet",
            Self::NoSuchCode => "no_such_code",
            Self::NotRedeemed => "not_redeemed",
            Self::NotAPayment => "not_a_payment",
            Self::NotSigned => "not_signed",
        }
    }

    /// The status that goes with it.
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::NoWallet => StatusCode::FORBIDDEN,
            Self::NoSuchCode => StatusCode::NOT_FOUND,
            Self::NotRedeemed => StatusCode::CONFLICT,
            Self::NotAPayment => StatusCode::BAD_REQUEST,
            Self::NotSigned => StatusCode::UNAUTHORIZED,
        }
    }

    /// A refusal that says what exactly was wrong.
    pub(crate) fn because(self, why: impl Into<String>) -> Refusal {
        Refusal::new(self.status(), self.code(), why)
    }
}

/// What people are told, by the code of a refusal: in Korean, and in English. Codes beyond these are
/// told by their status.
const TOLD: &[(&str, [&str; 2])] = &[
    ("no_wallet", ["이 키에는 지갑이 없습니다.", "This key has no wallet."]),
    ("no_such_code", ["존재하지 않는 코드입니다.", "There is no such code."]),
    ("not_redeemed", ["사용할 수 없는 코드입니다.", "This code cannot be redeemed."]),
    ("not_a_payment", ["결제 내용을 읽을 수 없습니다.", "This is no payment that can be read."]),
    ("not_signed", ["서명이 올바르지 않습니다.", "The signature is not right."]),
    ("insufficient_credits", ["크레딧이 부족합니다.", "There are not enough credits."]),
    ("no_store", ["이 서버는 데이터를 저장하지 않습니다.", "This server keeps nothing."]),
];

/// The languages that people are told in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    /// 한국어.
    Korean,
    /// Whoever asks for neither is told in this.
    English,
}

#[derive(Serialize)]
struct Success<'d, T> {
    success: bool,
    data: &'d T,
    message: &'static str,
    timestamp: String,
}

#[derive(Serialize)]
struct Failure<'r> {
    success: bool,
    error: Why<'r>,
    timestamp: String,
}

#[derive(Serialize)]
struct Why<'r> {
    code: String,
    message: &'static str,
    details: Details<'r>,
}

#[derive(Serialize)]
struct Details<'r> {
    reason: &'r str,
    param: Option<&'r str>,
}

/// An answer, in its envelope.
pub(crate) fn envelope(ask: &Ask, data: &impl Serialize) -> Answered {
    let message = Language::of(&ask.headers).pick(["처리되었습니다.", "ok"]);
    let timestamp = super::call::now(&ask.house).to_string();
    Ok(told(StatusCode::OK, &Success { success: true, data, message, timestamp }))
}

/// A refusal, in its envelope.
pub(crate) fn refused(why: &Refusal, language: Language, now: Timestamp) -> Response<Body> {
    let error = Why {
        code: why.code().to_ascii_uppercase(),
        message: language.pick(words(why.code(), why.status())),
        details: Details { reason: why.message(), param: why.param() },
    };
    told(why.status(), &Failure { success: false, error, timestamp: now.to_string() })
}

fn words(code: &str, status: StatusCode) -> [&'static str; 2] {
    if let Some((_, words)) = TOLD.iter().find(|(known, _)| *known == code) {
        return *words;
    }
    match status {
        StatusCode::UNAUTHORIZED => ["API 키가 올바르지 않습니다.", "The API key is not valid."],
        StatusCode::FORBIDDEN => ["권한이 없습니다.", "This key may not do that."],
        StatusCode::NOT_FOUND => ["찾을 수 없습니다.", "There is no such thing."],
        StatusCode::METHOD_NOT_ALLOWED => ["지원하지 않는 메서드입니다.", "Not with this method."],
        StatusCode::CONFLICT => ["이미 처리된 요청과 다릅니다.", "This contradicts what was done."],
        StatusCode::PAYLOAD_TOO_LARGE => ["요청이 너무 큽니다.", "The request is too large."],
        StatusCode::TOO_MANY_REQUESTS => ["요청이 너무 많습니다.", "There are too many requests."],
        status if status.is_client_error() => ["잘못된 요청입니다.", "The request is not right."],
        _ => ["잠시 후 다시 시도해 주세요.", "Please try again in a while."],
    }
}

impl Language {
    /// The one that is liked most, of those there are.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let said = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        let (mut best, mut liked) = (Self::English, 0);
        for one in said.unwrap_or_default().split(',').take(LANGUAGES_MAX) {
            let (tag, rest) = one.split_once(';').unwrap_or((one, ""));
            let of = match tag.trim().split('-').next().unwrap_or_default() {
                ko if ko.eq_ignore_ascii_case("ko") => Self::Korean,
                en if en.eq_ignore_ascii_case("en") => Self::English,
                _other => continue,
            };
            let weight = weight(rest);
            if weight > liked {
                (best, liked) = (of, weight);
            }
        }
        best
    }

    fn pick(self, [korean, english]: [&'static str; 2]) -> &'static str {
        match self {
            Self::Korean => korean,
            Self::English => english,
        }
    }
}

/// `q=0.8` in thousandths; what is not written is 1, and what cannot be read is nothing.
fn weight(text: &str) -> u32 {
    let Some(text) = text.trim().strip_prefix("q=") else { return 1_000 };
    let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let thousandths = format!("{fraction:0<3}");
    let thousandths = thousandths.get(..3).and_then(|digits| digits.parse::<u32>().ok());
    match (whole, thousandths) {
        ("1", _) => 1_000,
        ("0", Some(thousandths)) => thousandths,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_that_is_liked_most_is_spoken() {
        for (said, wanted) in [
            ("", Language::English),
            ("ko", Language::Korean),
            ("ko-KR,ko;q=0.9,en-US;q=0.8,en;q=0.7", Language::Korean),
            ("en-US,en;q=0.9,ko;q=0.8", Language::English),
            ("fr, KO;q=0.3, en;q=0.25", Language::Korean),
            ("ko;q=0, de", Language::English),
            ("ko;q=x", Language::English),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_LANGUAGE, said.parse().unwrap());
            assert_eq!(Language::of(&headers), wanted, "{said}");
        }
    }

    #[test]
    fn every_word_of_ours_is_told_in_both_languages() {
        for why in [
            Refused::NoWallet,
            Refused::NoSuchCode,
            Refused::NotRedeemed,
            Refused::NotAPayment,
            Refused::NotSigned,
        ] {
            assert!(TOLD.iter().any(|(code, _)| *code == why.code()), "{why:?}");
        }
    }
}
