//! Words that stand for something that is kept elsewhere.
//!
//! All the habits there are: `env:NAME`, `os.environ/NAME`, `env.NAME`, `$NAME`, `${NAME}`,
//! `${NAME:-otherwise}` and `file:PATH`. What they stand for is read through [`Surroundings`], once,
//! when the configuration is.

use std::fmt;
use std::io::{self, Read as _};
use std::path::Path;

use llm_core::secret::Secret;

/// What a configuration can refer to.
pub(crate) trait Surroundings {
    /// A variable of the environment; an empty one is none.
    fn env(&self, name: &str) -> Option<String>;
    /// A file's text.
    fn file(&self, path: &Path) -> io::Result<String>;
}

/// The process's own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process;

/// No configuration and no secret is longer; what is may be a device.
const FILE_BYTES_MAX: u64 = 4 << 20;

impl Surroundings for Process {
    fn env(&self, name: &str) -> Option<String> {
        std::env::var(name).ok().filter(|v| !v.is_empty())
    }

    fn file(&self, path: &Path) -> io::Result<String> {
        let mut text = String::new();
        std::fs::File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
        if text.len() as u64 > FILE_BYTES_MAX {
            return Err(io::Error::other("larger than any configuration"));
        }
        Ok(text)
    }
}

/// A word that stands for something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reference<'t> {
    /// A variable, and what holds where there is none.
    Variable(&'t str, Option<&'t str>),
    /// A file.
    File(&'t str),
}

impl<'t> Reference<'t> {
    /// The reference that a word is; `None` when it stands for itself.
    pub(crate) fn parse(text: &'t str) -> Option<Self> {
        let text = text.trim();
        if let Some(path) = text.strip_prefix("file:") {
            return Some(Self::File(path.trim()));
        }
        if let Some(inner) = text.strip_prefix("${").and_then(|t| t.strip_suffix('}')) {
            let (name, otherwise) = match inner.split_once(":-") {
                Some((name, otherwise)) => (name, Some(otherwise)),
                None => (inner, None),
            };
            return is_name(name).then_some(Self::Variable(name, otherwise));
        }
        let ways = ["env:", "os.environ/", "env.", "$"];
        let name = ways.iter().find_map(|way| text.strip_prefix(way))?;
        is_name(name).then_some(Self::Variable(name, None))
    }

    /// What it stands for, or why that cannot be had. The sentence never holds what was read.
    pub(crate) fn read(self, around: &dyn Surroundings) -> Result<String, String> {
        match self {
            Self::Variable(name, otherwise) => {
                let said = around.env(name).filter(|v| !v.is_empty());
                let said = said.or_else(|| otherwise.map(str::to_owned));
                said.ok_or_else(|| format!("the environment has no {name}"))
            }
            Self::File(path) => {
                let text = around.file(Path::new(path)).map_err(|e| format!("{path}: {e}"))?;
                // The line's end is the editor's, not the secret's.
                let text = text.trim_end_matches(['\n', '\r']);
                if text.is_empty() { Err(format!("{path} is empty")) } else { Ok(text.to_owned()) }
            }
        }
    }

    /// Whether what it stands for is said in the configuration after all.
    pub(crate) fn is_literal(self, around: &dyn Surroundings) -> bool {
        match self {
            Self::Variable(name, Some(otherwise)) => {
                !otherwise.is_empty() && around.env(name).is_none()
            }
            Self::Variable(_, None) | Self::File(_) => false,
        }
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// A secret, and the words that a configuration has for it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Hidden {
    /// The reference; [`Hidden::LITERAL`] when the configuration has the secret itself.
    pub(crate) reference: String,
    /// What it stands for.
    pub(crate) secret: Secret<String>,
}

impl Hidden {
    /// What is shown of a secret that stands in a configuration.
    pub(crate) const LITERAL: &'static str = "(hidden)";
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Hidden").field(&self.reference).finish()
    }
}
