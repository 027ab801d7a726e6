//! What is known of the models there are: prices, windows, abilities.
//!
//! The built-in table is text (`catalog/models.txt`, written by `scripts/catalog`), read once at
//! first use; configuration lays its own entries over it. Deliberately absent: a default price. A
//! model whose price nobody knows has none, and whoever reserves money for a call to it must refuse.

mod name;
mod table;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use jiff::civil::Date;

use crate::Str;
use crate::call::Operation;
use crate::capability::Capability;
use crate::money::{Listed, NotPrice, Price};

pub use table::BadLine;

/// A set of models, each under its vendor. Cheap to look into, built as a whole: a running call
/// keeps the one it began with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Catalog {
    as_of: Option<Date>,
    /// By vendor, then by model. Those of a vendor are shared by all who change nothing of them: each
    /// provider lays its own entries over the same table.
    vendors: BTreeMap<Str, Arc<BTreeMap<Str, ModelEntry>>>,
}

/// What is known of one model at one vendor.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelEntry {
    /// The vendor's kind: `openai`, `anthropic`, `gemini`, `cohere`, `ollama`.
    pub provider: Str,
    /// The vendor's name of it; `*` at either end stands for anything.
    pub model: Str,
    /// What it is for.
    pub kind: ModelKind,
    /// What it takes.
    pub capability: Capability,
    /// What it costs. `None` is not nothing: it is unknown. What costs nothing says so
    /// ([`Price::FREE`]).
    pub price: Option<Price>,
    /// The day on which the vendor withdraws it.
    pub retires: Option<Date>,
}

impl ModelEntry {
    /// A model of which nothing is known but its name.
    pub fn new(provider: impl Into<Str>, model: impl Into<Str>, kind: ModelKind) -> Self {
        Self {
            provider: provider.into(),
            model: model.into(),
            kind,
            capability: Capability::ALL,
            price: None,
            retires: None,
        }
    }
}

/// What a model is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ModelKind {
    /// Conversations.
    Chat,
    /// Conversations, but only through OpenAI's responses API.
    Responses,
    /// Legacy text completions.
    Complete,
    /// Vectors.
    Embed,
    /// Order of documents.
    Rerank,
    /// Content rules.
    Moderate,
    /// Speech to text.
    Transcribe,
    /// Text to image.
    Image,
    /// Whatever a local daemon was given.
    Any,
}

impl ModelKind {
    /// The kinds, under the words of the table.
    const WORDS: [(&'static str, Self); 9] = [
        ("chat", Self::Chat),
        ("responses", Self::Responses),
        ("complete", Self::Complete),
        ("embed", Self::Embed),
        ("rerank", Self::Rerank),
        ("moderate", Self::Moderate),
        ("transcribe", Self::Transcribe),
        ("image", Self::Image),
        ("any", Self::Any),
    ];

    /// The kind of that name.
    pub fn parse(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(w, _)| *w == word).map(|(_, kind)| *kind)
    }

    /// What one asks of it; `None` when that is not known.
    pub fn operation(self) -> Option<Operation> {
        match self {
            Self::Chat | Self::Responses | Self::Complete => Some(Operation::Chat),
            Self::Embed => Some(Operation::Embed),
            Self::Rerank => Some(Operation::Rerank),
            Self::Moderate => Some(Operation::Moderate),
            Self::Transcribe => Some(Operation::Transcribe),
            Self::Image => Some(Operation::Image),
            Self::Any => None,
        }
    }
}

/// An entry that a configuration lays over the table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Override {
    /// The vendor's kind.
    pub provider: Str,
    /// The vendor's name of the model, which the table may or may not know.
    pub model: Str,
    /// Its price, whole: classes that it does not list follow the rules of
    /// [`crate::money::Listed`], not the table.
    pub price: Option<Price>,
    /// What it takes.
    pub capability: Option<Capability>,
}

impl Override {
    /// A model's usual rates, in dollars for a million tokens read and written.
    pub fn rates(
        provider: impl Into<Str>,
        model: impl Into<Str>,
        input: &str,
        output: &str,
    ) -> Result<Self, NotPrice> {
        let mut listed = Listed::default();
        listed.set("input", input)?;
        listed.set("output", output)?;
        let price = Some(listed.price());
        Ok(Self { provider: provider.into(), model: model.into(), price, capability: None })
    }
}

impl Catalog {
    /// The built-in table.
    pub fn builtin() -> &'static Self {
        static BUILTIN: LazyLock<Catalog> = LazyLock::new(|| {
            // A line that cannot be read leaves its model unknown, and so refused; that there is
            // none is a test's to say.
            let (catalog, bad) = table::read(include_str!("catalog/models.txt"));
            debug_assert!(bad.is_empty(), "{bad:?}");
            catalog
        });
        &BUILTIN
    }

    /// Reads a table of the same form: the catalogue, and the lines that could not be read.
    pub fn read(text: &str) -> (Self, Vec<BadLine>) {
        table::read(text)
    }

    /// The day whose prices these are.
    pub fn as_of(&self) -> Option<Date> {
        self.as_of
    }

    /// The entry of a model: its own, else that of the name it is a variant of (`-latest`, a dated
    /// snapshot, a fine-tuned model of an organisation), else that of a pattern. A fine-tuned model
    /// never gets the price of its base.
    pub fn lookup(&self, provider: &str, model: &str) -> Option<&ModelEntry> {
        let models = self.vendors.get(provider)?;
        name::variants(model)
            .find_map(|name| models.get(name))
            .or_else(|| name::best_pattern(models.values(), model))
    }

    /// All entries, by vendor and then by name.
    pub fn entries(&self) -> impl Iterator<Item = &ModelEntry> {
        self.vendors.values().flat_map(|models| models.values())
    }

    /// This catalogue with entries laid over it. What an entry does not say stays as it was for
    /// that name, also when that came from a variant or a pattern.
    #[must_use]
    pub fn override_with(mut self, entries: impl IntoIterator<Item = Override>) -> Self {
        for own in entries {
            let known = self.lookup(&own.provider, &own.model).cloned();
            let fresh = || ModelEntry::new(own.provider.clone(), own.model.clone(), ModelKind::Any);
            let mut entry = known.unwrap_or_else(fresh);
            entry.model = own.model.clone();
            entry.price = own.price.or(entry.price);
            entry.capability = own.capability.unwrap_or(entry.capability);
            self.insert(entry);
        }
        self
    }

    fn insert(&mut self, entry: ModelEntry) -> Option<ModelEntry> {
        let models = self.vendors.entry(entry.provider.clone()).or_default();
        Arc::make_mut(models).insert(entry.model.clone(), entry)
    }
}

#[cfg(test)]
mod tests;
