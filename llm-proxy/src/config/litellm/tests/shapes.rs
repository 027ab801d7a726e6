//! Further files, in the shapes that LiteLLM's users write: the proxy's own quick start, load
//! balancing over regions, fallbacks of each kind, budgets, caches, wildcards, shared credentials.

/// All of them.
pub(in super::super) const ALL: [(&str, &str); 14] = [
    ("two regions and a model of one's own", REGIONS),
    ("balanced by what each can take", BALANCED),
    ("each kind of fallback", FALLBACKS),
    ("defaults for everybody", DEFAULTS),
    ("a router with a policy for each error", ROUTER),
    ("wildcards beside names", WILDCARDS),
    ("aliases, shown and hidden", ALIASES),
    ("budgets of several kinds", BUDGETS),
    ("a cache for some calls", CACHE),
    ("variables that the file sets", VARIABLES),
    ("a key for everything", MASTER),
    ("one credential for several", CREDENTIALS),
    ("models of several modes", MODES),
    ("servers of one's own", OWN),
];

const REGIONS: &str = r#"
model_list:
  - model_name: chat
    litellm_params:
      model: azure/chat-eu
      api_base: os.environ/AZURE_API_BASE
      api_key: "os.environ/AZURE_API_KEY"
      api_version: "2024-06-01"
  - model_name: claude
    litellm_params:
      model: claude-haiku-4-5
      api_key: "os.environ/ANTHROPIC_API_KEY"
  - model_name: tuned
    litellm_params:
      model: openai/ft-of-ours
      api_base: https://models.example.com/v1
      api_key: os.environ/OPENAI_API_KEY
general_settings:
  master_key: sk-1234
"#;

const BALANCED: &str = r#"
model_list:
  - model_name: fast
    litellm_params: { model: azure/fast-a, api_base: "https://a.openai.azure.com/", api_key: os.environ/AZURE_API_KEY, rpm: 60, tpm: 40000 }
    model_info: { base_model: azure/gpt-4o-mini }
  - model_name: fast
    litellm_params: { model: azure/fast-b, api_base: "https://b.openai.azure.com/", api_key: os.environ/AZURE_API_KEY, rpm: 600, tpm: 400000 }
    model_info: { base_model: azure/gpt-4o-mini }
  - model_name: fast
    litellm_params: { model: gpt-4o-mini, api_key: os.environ/OPENAI_API_KEY, rpm: 6 }
router_settings:
  routing_strategy: simple-shuffle
  num_retries: 2
  timeout: 30
  redis_host: os.environ/REDIS_HOST
  redis_password: os.environ/REDIS_PASSWORD
  redis_port: os.environ/REDIS_PORT
"#;

const FALLBACKS: &str = r#"
model_list:
  - model_name: small
    litellm_params: { model: openai/gpt-4o-mini }
  - model_name: large
    litellm_params: { model: openai/gpt-4.1 }
  - model_name: other
    litellm_params: { model: gemini/gemini-2.5-flash }
litellm_settings:
  num_retries: 3
  request_timeout: 10
  fallbacks: [{"small": ["other"]}]
  context_window_fallbacks: [{"small": ["large"]}, {"large": ["other"]}]
  content_policy_fallbacks: [{"large": ["small"]}]
  allowed_fails: 3
  cooldown_time: 30
"#;

const DEFAULTS: &str = r#"
model_list:
  - model_name: a
    litellm_params: { model: openai/gpt-4o-mini }
  - model_name: b
    litellm_params: { model: anthropic/claude-haiku-4-5 }
litellm_settings:
  default_fallbacks: ["b"]
  drop_params: True
  set_verbose: False
"#;

const ROUTER: &str = r#"
model_list:
  - model_name: a
    litellm_params: { model: openai/gpt-4o-mini, timeout: 0.1, stream_timeout: 0.01, max_retries: 5 }
  - model_name: a
    litellm_params: { model: gemini/gemini-2.5-flash, order: 2 }
router_settings:
  routing_strategy: latency-based-routing
  retry_policy: { AuthenticationErrorRetries: 0, TimeoutErrorRetries: 3, RateLimitErrorRetries: 3 }
  allowed_fails_policy: { BadRequestErrorAllowedFails: 1000 }
  cooldown_time: 60
  enable_pre_call_checks: true
"#;

const WILDCARDS: &str = r#"
model_list:
  - model_name: gpt-4o
    litellm_params: { model: openai/gpt-4o }
  - model_name: "anthropic/*"
    litellm_params: { model: "anthropic/*", api_key: os.environ/ANTHROPIC_API_KEY }
  - model_name: "gemini/*"
    litellm_params: { model: "gemini/*", api_key: os.environ/GEMINI_API_KEY }
litellm_settings:
  check_provider_endpoint: true
"#;

const ALIASES: &str = r#"
model_list:
  - model_name: real
    litellm_params: { model: openai/gpt-4o }
  - model_name: real
    litellm_params: { model: openai/gpt-4o, api_base: "https://second.example.com/v1", api_key: os.environ/APP_API_KEY }
router_settings:
  model_group_alias: { "gpt-4": "real", "gpt-4-turbo": { "model": "real", "hidden": true } }
"#;

const BUDGETS: &str = r#"
model_list:
  - model_name: m
    litellm_params: { model: openai/gpt-4o-mini, max_budget: 0.5, budget_duration: 1d }
litellm_settings:
  max_budget: 100
  budget_duration: 30d
  max_internal_user_budget: 10
  internal_user_budget_duration: "1mo"
  max_end_user_budget: 0.0001
router_settings:
  provider_budget_config:
    openai: { budget_limit: 0.3, time_period: 1d }
general_settings: { master_key: sk-1234 }
"#;

const CACHE: &str = r#"
model_list:
  - model_name: m
    litellm_params: { model: openai/gpt-4o-mini }
  - model_name: e
    litellm_params: { model: openai/text-embedding-3-small }
litellm_settings:
  cache: true
  cache_params:
    type: redis
    host: localhost
    port: 6379
    ttl: 3600
    namespace: "ours"
    supported_call_types: ["acompletion", "atext_completion", "aembedding"]
"#;

const VARIABLES: &str = r#"
model_list:
  - model_name: m
    litellm_params: { model: openai/gpt-4o-mini, api_key: os.environ/OF_THIS_FILE }
environment_variables:
  OF_THIS_FILE: sk-literal-0123456789abcdef
  ANOTHER: "5"
"#;

const MASTER: &str = r#"
model_list:
  - model_name: m
    litellm_params: { model: openai/gpt-4o-mini }
general_settings:
  master_key: os.environ/ADMIN_API_KEY
  alerting: ["slack"]
  alerting_threshold: 300
  max_parallel_requests: 10
  global_max_parallel_requests: 100
  maximum_spend_logs_retention_period: "7d"
  disable_spend_logs: false
litellm_settings:
  callbacks: ["prometheus"]
  success_callback: ["langfuse", "s3"]
  json_logs: true
"#;

const CREDENTIALS: &str = r#"
model_list:
  - model_name: a
    litellm_params: { model: azure/a, litellm_credential_name: shared }
    model_info: { base_model: azure/gpt-4o }
  - model_name: b
    litellm_params: { model: azure/b, litellm_credential_name: shared, api_version: "2024-02-01" }
    model_info: { base_model: azure/gpt-4o-mini }
  - model_name: c
    litellm_params: { model: openai/gpt-4o, litellm_credential_name: missing }
credential_list:
  - credential_name: shared
    credential_values:
      api_key: os.environ/AZURE_API_KEY
      api_base: https://shared.openai.azure.com
      api_version: "2024-10-21"
    credential_info: { description: "for both" }
"#;

const MODES: &str = r#"
model_list:
  - model_name: voice
    litellm_params: { model: openai/whisper-1 }
    model_info: { mode: audio_transcription }
  - model_name: vectors
    litellm_params: { model: cohere/embed-v4.0, api_key: os.environ/APP_API_KEY }
    model_info: { mode: embedding, input_cost_per_token: 0.0000001 }
  - model_name: pictures
    litellm_params: { model: openai/gpt-image-1 }
    model_info: { mode: image_generation }
  - model_name: order
    litellm_params: { model: cohere/rerank-v3.5, api_key: os.environ/APP_API_KEY }
    model_info: { mode: rerank }
"#;

const OWN: &str = r#"
model_list:
  - model_name: llama
    litellm_params: { model: ollama/llama3.2, api_base: "http://localhost:11434" }
  - model_name: qwen
    litellm_params: { model: hosted_vllm/qwen3, api_base: "http://10.0.0.7:8000/v1", api_key: fake-key }
  - model_name: studio
    litellm_params: { model: lm_studio/phi, api_base: "http://localhost:1234/v1" }
"#;
