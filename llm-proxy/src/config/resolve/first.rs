//! What is served when nobody wrote a file.

use llm_core::Str;
use llm_core::catalog::Catalog;
use llm_core::secret::Secret;
use llm_providers::provider::{ProviderSettings, from_env};
use llm_providers::settings::ModelSettings;

use super::super::file::File;
use super::super::reference::{Hidden, Surroundings};
use super::super::{Provider, SIMULATED};

/// Names that callers try first, for the built-in provider, which answers to any.
const TRIED_FIRST: [&str; 3] = ["simulated", "gpt-4o-mini", "text-embedding-3-small"];

pub(super) fn file(ollama: Option<&str>, around: &dyn Surroundings) -> File {
    let mut file = File::default();
    for settings in from_env(|name| around.env(name)) {
        let keys = settings.keys.iter().map(|key| named(key, around)).collect();
        let kind = settings.kind.clone();
        offer(&mut file, &kind, &settings.name);
        add(&mut file, Provider { kind, settings, keys, headers: Default::default() });
    }
    if file.providers.is_empty()
        && let Some(address) = ollama
    {
        let settings = ProviderSettings::new("ollama", "ollama").at(address.to_owned());
        let kind = Str::from_static("ollama");
        add(&mut file, Provider { kind, settings, keys: Vec::new(), headers: Default::default() });
    }
    if file.providers.is_empty() {
        let settings = ProviderSettings::new(SIMULATED, SIMULATED);
        let kind = Str::from_static(SIMULATED);
        add(&mut file, Provider { kind, settings, keys: Vec::new(), headers: Default::default() });
        for name in TRIED_FIRST {
            model(&mut file, name, format!("{SIMULATED}/{name}"));
        }
    }
    file
}

fn add(file: &mut File, provider: Provider) {
    file.providers.insert(provider.settings.name.clone(), provider);
}

/// Offers what the built-in table knows of a provider, under the provider's own names.
fn offer(file: &mut File, kind: &str, provider: &str) {
    let known = Catalog::builtin().entries().filter(|e| &*e.provider == kind);
    for entry in known.filter(|e| e.price.is_some() && !e.model.contains('*')) {
        model(file, &entry.model, format!("{provider}/{}", entry.model));
    }
}

fn model(file: &mut File, name: &str, target: String) {
    let name = Str::from(name);
    let tiers = vec![vec![(Str::from(target), 1)]];
    let settings = ModelSettings { name: name.clone(), tiers, ..ModelSettings::default() };
    // Who comes first in the environment's order keeps a name that two of them have.
    file.models.entry(name).or_insert(settings);
}

/// The variable that a key came from.
fn named(key: &Secret<String>, around: &dyn Surroundings) -> Hidden {
    let hosts = llm_providers::provider::COMPATIBLE.iter().map(|h| h.key);
    let own = [
        "OPENAI_API_KEY",
        "ANTHROPIC_API_KEY",
        "GEMINI_API_KEY",
        "GOOGLE_API_KEY",
        "COHERE_API_KEY",
        "CO_API_KEY",
    ];
    let from = own.into_iter().chain(hosts).filter(|name| !name.is_empty());
    let mut same = from.filter(|name| around.env(name).as_ref() == Some(key.expose()));
    let reference = same.next().map_or(Hidden::LITERAL.to_owned(), |name| format!("env:{name}"));
    Hidden { reference, secret: key.clone() }
}
