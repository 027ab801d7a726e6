//! Facts of hosts that speak OpenAI's format: what is theirs is an address, a way to show a key, and
//! what they refuse.

use llm_core::capability::Capability;

/// A host, as known.
#[derive(Clone, Copy, Debug)]
pub struct Compatible {
    /// The word for it in configuration.
    pub kind: &'static str,
    /// Where it is; empty where everyone has an address of their own.
    pub base_url: &'static str,
    /// The environment's name for its key.
    pub key: &'static str,
    /// What it refuses.
    pub narrows: fn(&mut Capability),
}

/// Takes `max_tokens` and the `system` role only.
fn old_words(capability: &mut Capability) {
    capability.max_completion_tokens = false;
    capability.developer_role = false;
}

/// The same, and says what was used without being asked.
fn no_options(capability: &mut Capability) {
    old_words(capability);
    capability.stream_options = false;
}

fn nothing(_: &mut Capability) {}

/// The hosts.
pub const COMPATIBLE: [Compatible; 13] = [
    Compatible {
        kind: "groq",
        base_url: "https://api.groq.com/openai/v1",
        key: "GROQ_API_KEY",
        narrows: old_words,
    },
    Compatible {
        kind: "together",
        base_url: "https://api.together.xyz/v1",
        key: "TOGETHER_API_KEY",
        narrows: old_words,
    },
    Compatible {
        kind: "deepseek",
        base_url: "https://api.deepseek.com/v1",
        key: "DEEPSEEK_API_KEY",
        narrows: old_words,
    },
    Compatible {
        kind: "openrouter",
        base_url: "https://openrouter.ai/api/v1",
        key: "OPENROUTER_API_KEY",
        narrows: old_words,
    },
    Compatible {
        kind: "mistral",
        base_url: "https://api.mistral.ai/v1",
        key: "MISTRAL_API_KEY",
        narrows: no_options,
    },
    Compatible {
        kind: "fireworks",
        base_url: "https://api.fireworks.ai/inference/v1",
        key: "FIREWORKS_API_KEY",
        narrows: old_words,
    },
    Compatible {
        kind: "xai",
        base_url: "https://api.x.ai/v1",
        key: "XAI_API_KEY",
        narrows: old_words,
    },
    Compatible {
        kind: "perplexity",
        base_url: "https://api.perplexity.ai",
        key: "PERPLEXITY_API_KEY",
        narrows: no_options,
    },
    Compatible { kind: "vllm", base_url: "", key: "", narrows: old_words },
    Compatible {
        kind: "lmstudio",
        base_url: "http://127.0.0.1:1234/v1",
        key: "",
        narrows: old_words,
    },
    Compatible {
        kind: "llamacpp",
        base_url: "http://127.0.0.1:8080/v1",
        key: "",
        narrows: old_words,
    },
    Compatible { kind: "azure", base_url: "", key: "AZURE_API_KEY", narrows: nothing },
    Compatible { kind: "openai-compatible", base_url: "", key: "", narrows: old_words },
];
