//! What is served when nobody wrote a file.

use llm_core::Str;
use llm_core::catalog::Catalog;
use llm_core::secret::Secret;
use llm_providers::provider::{ProviderSettings, from_env};
use llm_providers::settings::ModelSettings;

use super::super::file::File;
use super::super::reference::{Hidden, Surroundings};
use super::super::{Provider, SIMULATED};
use super::Ollama;

/// Names that callers try first, for the built-in provider, which answers to any.
const TRIED_FIRST: [&str; 3] = ["simulated", "gpt-4o-mini", "text-embedding-3-small"];

pub(super) fn file(ollama: &Ollama, around: &dyn Surroundings) -> File {
    let mut file = File::default();
    // `OLLAMA_HOST` also says where an Ollama is to listen: what was looked for there and did not
    // answer is no provider. `OLLAMA_API_BASE` says that there is one.
    let meant = around.env("OLLAMA_API_BASE").is_some() || *ollama == Ollama::Unasked;
    for settings in from_env(|name| around.env(name)) {
        let kind = settings.kind.clone();
        if &*kind == OLLAMA && !meant {
            continue;
        }
        let keys = settings.keys.iter().map(|key| named(key, around)).collect();
        offer(&mut file, &kind, &settings.name);
        add(&mut file, Provider { keys, ..Provider::new(kind, settings) });
    }
    if let Ollama::Found { address, models } = ollama
        && file.providers.keys().all(|name| &**name == OLLAMA)
    {
        let settings = ProviderSettings::new(OLLAMA, OLLAMA).at(address.clone());
        add(&mut file, Provider::new(OLLAMA, settings));
        for name in models {
            let name = format!("{OLLAMA}/{name}");
            model(&mut file, &name, name.clone());
        }
    }
    if file.providers.is_empty() {
        let settings = ProviderSettings::new(SIMULATED, SIMULATED);
        add(&mut file, Provider::new(SIMULATED, settings));
        for name in TRIED_FIRST {
            model(&mut file, name, format!("{SIMULATED}/{name}"));
        }
    }
    file
}

/// The kind of provider that needs no key and may be on this machine, and its name.
const OLLAMA: &str = "ollama";

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
