use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::problem::Report;
use super::reference::Surroundings;
use super::resolve::{Asked, Resolved, resolve};

mod first;
mod look;
mod problems;
mod round;

/// Files and variables that a test says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) files: BTreeMap<PathBuf, String>,
}

impl Surroundings for Said {
    fn env(&self, name: &str) -> Option<String> {
        self.env.get(name).cloned()
    }

    fn file(&self, path: &Path) -> io::Result<String> {
        self.files.get(path).cloned().ok_or_else(|| io::Error::other("no such file"))
    }
}

impl Said {
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn file(mut self, name: &str, text: &str) -> Self {
        self.files.insert(name.into(), text.to_owned());
        self
    }

    pub(crate) fn resolve(&self, name: &str) -> Result<Resolved, Report> {
        resolve(&Asked { config: Some(name.into()), ..Asked::default() }, self)
    }
}

/// The keys that files of these tests refer to.
pub(crate) fn said() -> Said {
    let mut said = Said::default().file("cert.pem", "a certificate").file("key.pem", "its key");
    said = said.file("secret", "a secret that both sides know, and no word of it here");
    for name in ["OPENAI", "GEMINI", "ANTHROPIC", "AZURE", "APP", "ADMIN"] {
        said = said.env(&format!("{name}_API_KEY"), &format!("sk-{name}-0123456789abcdef"));
    }
    said
}
