//! What a token says, read strictly: each claim once, times as whole numbers, names as texts. What
//! has another form is not there, and what must be there and is not makes the token nobody's.

use std::collections::BTreeMap;
use std::fmt;

use llm_core::Str;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Value;

use crate::config::edge::Jwt;

/// Claims of a token; more is not about people.
const CLAIMS_MAX: usize = 128;
/// Models, scopes and roles of a token.
const NAMES_MAX: usize = 256;

/// The claims of a token whose signature is good.
#[derive(Debug)]
pub(super) struct Said(BTreeMap<String, Value>);

/// Whom a token is about, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Who {
    pub(super) user: Str,
    pub(super) team: Option<Str>,
    pub(super) plan: Option<Str>,
    /// The models it is good for; `None` is all that the person may use.
    pub(super) models: Option<Vec<Str>>,
    pub(super) scopes: Vec<Str>,
    pub(super) roles: Vec<Str>,
    /// The first second in which it is not believed any more.
    pub(super) until: i64,
}

impl Said {
    /// Whom it is about, if it is for us and it is time.
    pub(super) fn who(&self, jwt: &Jwt, now: i64) -> Result<Who, &'static str> {
        let leeway = i64::try_from(jwt.leeway.as_secs()).unwrap_or(0);
        if self.text("iss") != Some(&*jwt.issuer) {
            return Err("the token is another issuer's");
        }
        let meant = match self.0.get("aud") {
            Some(Value::String(one)) => jwt.audience.iter().any(|a| **a == **one),
            Some(Value::Array(list)) => list
                .iter()
                .filter_map(Value::as_str)
                .any(|one| jwt.audience.iter().any(|a| **a == *one)),
            _ => false,
        };
        if !meant {
            return Err("the token is for somebody else");
        }
        let end = self.time("exp")?.ok_or("the token does not say when it ends")?;
        let until = end.saturating_add(leeway);
        if now >= until {
            return Err("the token has ended");
        }
        for begin in ["nbf", "iat"] {
            if self.time(begin)?.is_some_and(|begin| begin > now.saturating_add(leeway)) {
                return Err("the token is not valid yet");
            }
        }
        let claims = &jwt.claims;
        let user = self.text(&claims.user).filter(|user| !user.is_empty());
        let maybe = |claim: &Option<Str>| match claim {
            Some(claim) => self.text(claim).filter(|said| !said.is_empty()).map(Str::from),
            None => None,
        };
        Ok(Who {
            user: Str::from(user.ok_or("the token does not say whose it is")?),
            team: maybe(&claims.team),
            plan: maybe(&claims.plan),
            models: match &claims.models {
                Some(claim) => self.names(claim)?,
                None => None,
            },
            scopes: self.names(&claims.scopes)?.unwrap_or_default(),
            roles: self.names(&claims.roles)?.unwrap_or_default(),
            until,
        })
    }

    /// A claim by its name, or by its way through objects.
    fn at(&self, path: &str) -> Option<&Value> {
        if let Some(value) = self.0.get(path) {
            return Some(value);
        }
        let (first, rest) = path.split_once('.')?;
        rest.split('.').try_fold(self.0.get(first)?, |value, name| value.get(name))
    }

    fn text(&self, path: &str) -> Option<&str> {
        self.at(path)?.as_str()
    }

    /// A time. What is there and is none spoils the token: somebody may take it for one.
    fn time(&self, name: &str) -> Result<Option<i64>, &'static str> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        let seconds = value.as_u64().and_then(|seconds| i64::try_from(seconds).ok());
        seconds.map(Some).ok_or("a time of the token is none")
    }

    /// Names, as a list or with spaces between them. What is no list of names leaves nothing.
    fn names(&self, path: &str) -> Result<Option<Vec<Str>>, &'static str> {
        let names: Vec<Str> = match self.at(path) {
            None => return Ok(None),
            Some(Value::String(text)) => text.split_ascii_whitespace().map(Str::from).collect(),
            Some(Value::Array(list)) => {
                list.iter().filter_map(Value::as_str).map(Str::from).collect()
            }
            Some(_) => Vec::new(),
        };
        if names.len() > NAMES_MAX { Err("the token says too much") } else { Ok(Some(names)) }
    }
}

impl<'de> Deserialize<'de> for Said {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Claims;
        impl<'de> Visitor<'de> for Claims {
            type Value = Said;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("claims")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Said, A::Error> {
                let mut claims = BTreeMap::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    // Two readers could take two different ones.
                    if claims.insert(name, value).is_some() || claims.len() > CLAIMS_MAX {
                        return Err(A::Error::custom(
                            "a claim stands twice, or there are too many",
                        ));
                    }
                }
                Ok(Said(claims))
            }
        }
        from.deserialize_map(Claims)
    }
}
