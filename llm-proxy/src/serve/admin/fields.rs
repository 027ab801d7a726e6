//! What an operator's call says: the fields of its body, or the parameters of its query.
//!
//! Each is taken by its name, and what nobody has taken is refused by its name: a limit that was
//! mistyped must not be a key without limit. Numbers of money are read from their digits and are
//! never a float, not even in between.

use std::collections::BTreeMap;
use std::str::FromStr;

use http::{StatusCode, Uri};
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::super::house::House;
use super::super::routes::shape::Field;
use super::super::upload::{self, Sent};
use super::refusal::Refusal;

/// Bytes of a body: a key with all of its models and metadata takes a tenth of it.
const BYTES_MAX: u64 = 64 << 10;
/// Parameters of a query.
const PARAMS_MAX: usize = 32;
/// Places by which an exponent moves the point; beyond it nothing is money.
const EXPONENT_MAX: i32 = 32;

/// Fields of a JSON object that have not been taken yet.
#[derive(Debug, Default)]
pub(crate) struct Fields(BTreeMap<String, Box<RawValue>>);

/// A field of a change: left alone, taken away, or set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said<T> {
    /// Nothing.
    Nothing,
    /// `null`: there is to be none.
    None,
    /// This.
    Set(T),
}

impl<T> Said<T> {
    /// What there is to be in place of `known`.
    pub(crate) fn over(self, known: Option<T>) -> Option<T> {
        match self {
            Self::Nothing => known,
            Self::None => None,
            Self::Set(value) => Some(value),
        }
    }

    /// What it says when nothing was there before.
    pub(crate) fn set(self) -> Option<T> {
        self.over(None)
    }

    /// Another value in its place, where there is one.
    pub(crate) fn map<U>(
        self,
        of: impl FnOnce(T) -> Result<U, Refusal>,
    ) -> Result<Said<U>, Refusal> {
        Ok(match self {
            Self::Nothing => Said::Nothing,
            Self::None => Said::None,
            Self::Set(value) => Said::Set(of(value)?),
        })
    }
}

impl Fields {
    /// Reads a body. One that is empty has no fields.
    pub(crate) async fn read(house: &House, sent: Sent) -> Result<Self, Refusal> {
        let bytes = upload::read(&sent.headers, sent.body, BYTES_MAX, &*house.clock).await?;
        Self::parse(&bytes)
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        if bytes.is_empty() {
            return Ok(Self(BTreeMap::new()));
        }
        serde_json::from_slice(bytes).map(Self).map_err(|error| {
            let text = format!("the body is no JSON object: {error}");
            Refusal::new(StatusCode::BAD_REQUEST, "invalid_request", text)
        })
    }

    /// Refuses whatever is not in these tables, and numbers that are beyond theirs.
    pub(crate) fn among(&self, groups: &[&[Field]]) -> Result<(), Refusal> {
        for (name, raw) in &self.0 {
            let known = among(groups, name);
            let known =
                known.ok_or_else(|| Refusal::wrong(name, format!("there is no field {name}")))?;
            known.refused(raw.get()).map_or(Ok(()), |why| Err(Refusal::wrong(name, why)))?;
        }
        Ok(())
    }

    /// A field as it is written, which stays.
    pub(crate) fn peek(&self, name: &str) -> Option<&RawValue> {
        self.0.get(name).map(|raw| &**raw)
    }

    /// A field of any type.
    pub(crate) fn take<T: DeserializeOwned>(&mut self, name: &str) -> Result<Said<T>, Refusal> {
        self.taken(name).map(|raw| {
            serde_json::from_str(raw.get()).map_err(|error| Refusal::wrong(name, error.to_string()))
        })
    }

    /// A field that must be there.
    pub(crate) fn need<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, Refusal> {
        self.take(name)?.set().ok_or_else(|| Refusal::wrong(name, format!("{name} is missing")))
    }

    /// An amount, written as a number or as a text.
    pub(crate) fn amount<T: FromStr<Err: ToString>>(
        &mut self,
        name: &str,
    ) -> Result<Said<T>, Refusal> {
        self.taken(name).map(|raw| {
            let plain = plain(raw.get().trim_matches('"'));
            let plain = plain.ok_or_else(|| Refusal::wrong(name, "not an amount"))?;
            plain.parse().map_err(|error: T::Err| Refusal::wrong(name, error.to_string()))
        })
    }

    /// A JSON value as it is written.
    pub(crate) fn raw(&mut self, name: &str) -> Said<Box<RawValue>> {
        self.taken(name)
    }

    /// Refuses whatever is left.
    pub(crate) fn end(self) -> Result<(), Refusal> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => Err(Refusal::wrong(name, format!("there is no field {name}"))),
        }
    }

    fn taken(&mut self, name: &str) -> Said<Box<RawValue>> {
        match self.0.remove(name) {
            None => Said::Nothing,
            Some(raw) if raw.get() == "null" => Said::None,
            Some(raw) => Said::Set(raw),
        }
    }
}

/// Parameters of a query that have not been taken yet.
#[derive(Debug, Default)]
pub(crate) struct Params(BTreeMap<String, String>);

impl Params {
    /// Reads a query. Said twice, the last one holds; an empty one is none.
    pub(crate) fn read(uri: &Uri) -> Result<Self, Refusal> {
        let mut params = BTreeMap::new();
        for pair in uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decoded(name)?, decoded(&value.replace('+', " "))?);
            if !value.is_empty() {
                params.insert(name, value);
            }
            if params.len() > PARAMS_MAX {
                return Err(Refusal::wrong("query", "too many parameters"));
            }
        }
        Ok(Self(params))
    }

    /// Refuses whatever is not in these tables, and numbers that are beyond theirs.
    pub(crate) fn among(&self, groups: &[&[Field]]) -> Result<(), Refusal> {
        for (name, value) in &self.0 {
            let known = among(groups, name);
            let known = known
                .ok_or_else(|| Refusal::wrong(name, format!("there is no parameter {name}")))?;
            known.refused(value).map_or(Ok(()), |why| Err(Refusal::wrong(name, why)))?;
        }
        Ok(())
    }

    /// One of them.
    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    /// One of them, read as something.
    pub(crate) fn parse<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Refusal> {
        let Some(text) = self.take(name) else { return Ok(None) };
        read(&text).map(Some).ok_or_else(|| Refusal::wrong(name, format!("what is {text:?}?")))
    }

    /// One that must be there.
    pub(crate) fn need(&mut self, name: &str) -> Result<String, Refusal> {
        self.take(name).ok_or_else(|| Refusal::wrong(name, format!("{name} is missing")))
    }
}

fn among<'t>(groups: &'t [&[Field]], name: &str) -> Option<&'t Field> {
    groups.iter().copied().flatten().find(|field| field.name == name)
}

/// A part of a path or query as it was meant.
pub(crate) fn decoded(text: &str) -> Result<String, Refusal> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(|text| text.into_owned()).map_err(|_| Refusal::wrong("query", "no text in UTF-8"))
}

/// A JSON number without an exponent, digit by digit: programs write a hundred thousandth of a
/// dollar as `1e-05`.
fn plain(number: &str) -> Option<String> {
    let Some((mantissa, exponent)) = number.split_once(['e', 'E']) else {
        return Some(number.to_owned());
    };
    let exponent: i32 = exponent.parse().ok()?;
    if exponent.abs() > EXPONENT_MAX {
        return None;
    }
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let point = i32::try_from(whole.len()).ok()? + exponent;
    let Ok(point) = usize::try_from(point) else {
        let zeros = "0".repeat(usize::try_from(-point).ok()?);
        return Some(format!("0.{zeros}{digits}"));
    };
    if point >= digits.len() {
        return Some(format!("{digits}{}", "0".repeat(point - digits.len())));
    }
    let (whole, fraction) = digits.split_at(point);
    Some(format!("{}.{fraction}", if whole.is_empty() { "0" } else { whole }))
}

#[cfg(test)]
mod tests {
    use llm_core::money::Money;

    use super::super::super::routes::shape::text;
    use super::*;

    fn money(text: &str) -> Option<Money> {
        let body = format!(r#"{{"max_budget":{text}}}"#);
        let mut fields = Fields::parse(body.as_bytes()).unwrap();
        fields.amount("max_budget").ok()?.set()
    }

    #[test]
    fn money_is_read_from_its_digits() {
        for (text, nanos) in [
            ("5", 5_000_000_000),
            ("0.1", 100_000_000),
            ("\"0.000000001\"", 1),
            ("1e-05", 10_000),
            ("1.25E2", 125_000_000_000),
            ("12.5e-1", 1_250_000_000),
            ("9007199.254740993", 9_007_199_254_740_993),
        ] {
            assert_eq!(money(text), Some(Money(nanos)), "{text}");
        }
        for text in ["-1", "0.0000000001", "1e400", "\"\"", "\"x\"", "true", "[]", "1e18"] {
            assert_eq!(money(text), None, "{text}");
        }
    }

    #[test]
    fn what_nobody_takes_is_refused() {
        let mut fields = Fields::parse(br#"{"models":null,"max_bugdet":5}"#).unwrap();
        assert!(fields.among(&[&[text("models", "")]]).is_err());
        assert_eq!(fields.take::<Vec<String>>("models").unwrap(), Said::None);
        assert!(fields.end().is_err());
        let mut params = Params::read(&Uri::from_static("/x?user=a%2Fb+c&key=")).unwrap();
        let known: &[&[Field]] = &[&[text("user", "")]];
        assert!(params.among(known).is_ok());
        assert!(params.among(&[]).is_err());
        assert_eq!(params.take("user").as_deref(), Some("a/b c"));
    }
}
