//! Which of our kinds of providers LiteLLM's prefixes mean.

use llm_core::catalog::Catalog;
use llm_providers::provider::COMPATIBLE;

/// A prefix with the kind that it means here.
const KINDS: [(&str, &str); 24] = [
    ("openai", "openai"),
    ("text-completion-openai", "openai"),
    ("anthropic", "anthropic"),
    ("gemini", "gemini"),
    ("cohere", "cohere"),
    ("cohere_chat", "cohere"),
    ("ollama", "ollama"),
    ("ollama_chat", "ollama"),
    ("azure", "azure"),
    ("groq", "groq"),
    ("together_ai", "together"),
    ("deepseek", "deepseek"),
    ("openrouter", "openrouter"),
    ("mistral", "mistral"),
    ("fireworks_ai", "fireworks"),
    ("xai", "xai"),
    ("perplexity", "perplexity"),
    ("hosted_vllm", "vllm"),
    ("vllm", "vllm"),
    ("lm_studio", "lmstudio"),
    ("llamafile", "llamacpp"),
    ("openai_like", "openai-compatible"),
    ("custom_openai", "openai-compatible"),
    ("litellm_proxy", "openai-compatible"),
];

/// Prefixes of vendors that have a wire format or a way to sign of their own.
const FOREIGN: [&str; 18] = [
    "bedrock",
    "vertex_ai",
    "sagemaker",
    "azure_ai",
    "huggingface",
    "replicate",
    "databricks",
    "watsonx",
    "cloudflare",
    "nlp_cloud",
    "petals",
    "palm",
    "ai21",
    "oci",
    "snowflake",
    "github",
    "voyage",
    "jina_ai",
];

/// What a model's name means.
pub(super) enum Meaning<'n> {
    /// A provider by its prefix, its kind here, and its own name of the model.
    Kind(&'n str, &'static str, &'n str),
    /// A vendor that cannot be asked from here.
    Foreign(&'n str),
}

/// Reads `provider/model`; a name without a provider is one of a vendor whose models are known.
pub(super) fn meaning(model: &str) -> Meaning<'_> {
    let prefixed = model.split_once('/');
    if let Some((prefix, rest)) = prefixed {
        if let Some((prefix, kind)) = KINDS.iter().find(|(word, _)| *word == prefix) {
            return Meaning::Kind(prefix, kind, rest);
        }
        if FOREIGN.contains(&prefix) {
            return Meaning::Foreign(prefix);
        }
    }
    let known = |kind: &&str| Catalog::builtin().lookup(kind, model).is_some();
    let kinds = ["openai", "anthropic", "gemini", "cohere"];
    match (kinds.iter().find(|kind| known(kind)), prefixed) {
        (Some(kind), _) => Meaning::Kind(kind, kind, model),
        (None, Some((prefix, _))) => Meaning::Foreign(prefix),
        (None, None) => Meaning::Kind("openai", "openai", model),
    }
}

/// The variable that LiteLLM looks for a key in.
pub(super) fn key_variable(kind: &str) -> Option<&'static str> {
    let own = match kind {
        "openai" => "OPENAI_API_KEY",
        "anthropic" => "ANTHROPIC_API_KEY",
        "gemini" => "GEMINI_API_KEY",
        "cohere" => "COHERE_API_KEY",
        _other => COMPATIBLE.iter().find(|h| h.kind == kind).map_or("", |h| h.key),
    };
    Some(own).filter(|name| !name.is_empty())
}
