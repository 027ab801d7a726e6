//! What is wrong with a value, and where it stands.

use std::borrow::Cow;

use llm_core::Str;
use llm_core::dialect::{BadRequest, Corrupt};
use serde::de::IgnoredAny;

use crate::json::scan::Broken;
use crate::json::{limits, place};

/// A value that is not what it should be, and where.
#[derive(Clone, Debug)]
pub struct Bad {
    pub(super) root: Str,
    pub(super) offset: usize,
    /// A member that should be in the object at `offset`.
    pub(super) member: Option<Cow<'static, str>>,
    pub(super) message: Cow<'static, str>,
    pub(super) reason: Reason,
}

/// What kind of mistake it is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reason {
    /// The text is no JSON.
    Syntax,
    /// It is more than anybody reads.
    Large,
    /// It says something else than it should.
    Value,
}

impl Bad {
    /// A mistake in the body as a whole.
    pub(super) fn body(reason: Reason, message: impl Into<Cow<'static, str>>) -> Self {
        Self { root: Str::new(), offset: 0, member: None, message: message.into(), reason }
    }

    /// Why a body cannot be read. The place is the parser's to say, and its words hold no content: it
    /// is asked for no type.
    pub(super) fn unread(root: &str, broken: Broken) -> Self {
        match broken {
            Broken::Deep => Self::body(Reason::Large, limits::TOO_DEEP),
            Broken::Syntax => {
                let why = serde_json::from_str::<IgnoredAny>(root).err();
                let why = why.map_or_else(String::new, |why| format!(": {why}"));
                Self::body(Reason::Syntax, format!("not valid JSON{why}"))
            }
        }
    }

    /// Where it is, as `messages.2.content`; empty at the root.
    pub fn path(&self) -> String {
        let mut path = place::path_of(&self.root, self.offset);
        if let Some(member) = &self.member {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(member);
        }
        path
    }

    /// What is wrong there.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl From<Bad> for BadRequest {
    fn from(bad: Bad) -> Self {
        match bad.reason {
            Reason::Syntax => return Self::syntax(bad.message.into_owned()),
            Reason::Large => return Self::too_large(bad.message.into_owned()),
            Reason::Value => {}
        }
        let path = bad.path();
        let shown = if path.is_empty() { "the body" } else { &path };
        Self::invalid(path.clone(), format!("{shown} {}", bad.message))
    }
}

impl From<Bad> for Corrupt {
    fn from(bad: Bad) -> Self {
        match bad.reason {
            Reason::Syntax | Reason::Large => return Self::new(bad.message.into_owned()),
            Reason::Value => {}
        }
        let path = bad.path();
        let shown = if path.is_empty() { "the body" } else { &path };
        Self::new(format!("{shown} {}", bad.message))
    }
}
