//! What is told of calls to whoever looks after the proxy: lines of the log, traces, and errors.
//!
//! All of it is off unless it is said, except lines for people on standard error.

use std::collections::BTreeMap;

use http::Uri;
use llm_core::Str;

use super::reference::Hidden;

/// In which form lines are logged, and which.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Log {
    /// The form.
    pub(crate) form: Form,
    /// Whether each request has a line; as the form has it unless said.
    pub(crate) access: Option<bool>,
}

/// The form of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Form {
    /// For people.
    #[default]
    Text,
    /// For programs: one object in a line.
    Json,
}

/// Their words.
pub(crate) const FORMS: [(&str, Form); 2] = [("text", Form::Text), ("json", Form::Json)];

impl Log {
    /// Whether each request has a line: programs count them, and people would drown in them.
    pub(crate) fn has_access(self) -> bool {
        self.access.unwrap_or(self.form == Form::Json)
    }
}

/// Who is told beside the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Telemetry {
    /// Where traces are taken, over OTLP: the address before `/v1/traces`.
    pub(crate) otlp: Option<Hidden>,
    /// What is sent along with them: an account of whoever takes them.
    pub(crate) headers: BTreeMap<Str, Hidden>,
    /// What this proxy is called there.
    pub(crate) service: Option<Str>,
    /// Where errors are taken: a DSN of Sentry.
    pub(crate) sentry: Option<Hidden>,
    /// What its surroundings are called there.
    pub(crate) environment: Option<Str>,
}

/// Where errors are taken, and the word that lets one in there.
pub(crate) struct Dsn {
    /// Where.
    pub(crate) to: Uri,
    /// The word.
    pub(crate) key: String,
}

impl Dsn {
    /// `https://KEY@HOST/PROJECT`, a path before the project as well.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let (account, place) = rest.split_once('@')?;
        let (before, project) = place.rsplit_once('/')?;
        let key = account.split(':').next().filter(|key| !key.is_empty())?;
        if project.is_empty() || !matches!(scheme, "http" | "https") {
            return None;
        }
        let (host, path) = before.split_once('/').unwrap_or((before, ""));
        let gap = if path.is_empty() { "" } else { "/" };
        let to = format!("{scheme}://{host}{gap}{path}/api/{project}/envelope/").parse().ok()?;
        Some(Self { to, key: key.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dsn_is_an_address_and_a_key() {
        let dsn = Dsn::parse("https://abc@o1.ingest.sentry.io/42").unwrap();
        assert_eq!(dsn.to, "https://o1.ingest.sentry.io/api/42/envelope/");
        assert_eq!(dsn.key, "abc");
        let dsn = Dsn::parse("http://abc:old@127.0.0.1:9/below/42").unwrap();
        assert_eq!(dsn.to, "http://127.0.0.1:9/below/api/42/envelope/");
        for odd in ["", "https://host/1", "https://@host/1", "https://k@host", "ftp://k@h/1"] {
            assert!(Dsn::parse(odd).is_none(), "{odd}");
        }
    }
}
