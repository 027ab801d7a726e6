//! Files as people have them, written for these tests.

/// All of them.
pub(super) const ALL: [(&str, &str); 12] = [
    ("every key that is known", EVERYTHING),
    ("groups, weights, orders, fallbacks", GROUPS),
    ("providers whole", WILDCARDS),
    ("prices of one's own", PRICES),
    ("a cache in a Redis", CACHED),
    ("a cache that callers ask for", OFF),
    ("models of this machine", OLLAMA),
    ("names for groups", ALIASES),
    ("the smallest", MINIMAL),
    ("vendors that cannot be asked", FOREIGN),
    ("a budget that never begins anew", BUDGET),
    ("other kinds of calls", EMBED),
];

/// What stands in them and is nobody's to see.
pub(super) const LITERALS: [&str; 4] =
    ["sk-literal-0123456789abcdef", "azure-literal-000000", "sk-1234", "u:pw@"];

pub(super) const EVERYTHING: &str = r#"
model_list:
  - model_name: gpt-4o
    litellm_params:
      model: azure/gpt-4o-eu
      api_base: https://eu.openai.azure.com/
      api_key: os.environ/AZURE_API_KEY_EU
      rpm: 6
      tpm: 100000
      weight: 1
      order: 1
      timeout: 30
      stream_timeout: 5
      max_parallel_requests: 10
      input_cost_per_token: 0.0000025
      output_cost_per_token: 1e-05
    model_info: { id: eu-1, mode: chat, base_model: azure/gpt-4o }
  - model_name: gpt-4o
    litellm_params:
      model: openai/gpt-4o
      api_key: sk-literal-0123456789abcdef
      weight: 0.5
      order: 2
  - model_name: claude
    litellm_params:
      model: anthropic/claude-sonnet-4-5
      api_key: os.environ/ANTHROPIC_API_KEY
  - model_name: "gemini/*"
    litellm_params:
      model: gemini/*
      api_key: os.environ/GEMINI_API_KEY
  - model_name: local
    litellm_params:
      model: openai/my-model
      api_base: http://10.0.0.5:8000/v1
      api_key: none
  - model_name: bed
    litellm_params: { model: bedrock/anthropic.claude-v2, aws_region_name: us-east-1 }
litellm_settings:
  drop_params: true
  num_retries: 3
  request_timeout: 600
  fallbacks: [{gpt-4o: [claude]}]
  default_fallbacks: [claude]
  context_window_fallbacks: [{gpt-4o: ["gemini/gemini-2.5-pro"]}]
  content_policy_fallbacks: [{claude: [gpt-4o]}]
  cache: true
  cache_params: {type: redis, ttl: 600, namespace: x, supported_call_types: [acompletion], host: os.environ/REDIS_HOST, port: os.environ/REDIS_PORT}
  callbacks: [prometheus, otel, sentry]
  json_logs: true
  max_budget: 100
  budget_duration: 30d
  turn_off_message_logging: true
router_settings:
  routing_strategy: usage-based-routing
  num_retries: 2
  retry_after: 5
  timeout: 30
  allowed_fails: 3
  cooldown_time: 30
  retry_policy: {TimeoutErrorRetries: 3}
  enable_pre_call_checks: true
  model_group_alias: {gpt-4: gpt-4o}
  redis_host: os.environ/REDIS_HOST
  provider_budget_config: {openai: {budget_limit: 1, time_period: 1d}}
general_settings:
  master_key: sk-1234
  database_url: postgresql://u:pw@db/litellm
  alerting: [slack]
  max_parallel_requests: 100
  global_max_parallel_requests: 1000
  proxy_batch_write_at: 60
  store_model_in_db: true
  maximum_spend_logs_retention_period: 30d
  enable_jwt_auth: true
environment_variables:
  AZURE_API_KEY_EU: azure-literal-000000
"#;

pub(super) const GROUPS: &str = r#"
model_list:
  - model_name: gpt-4o
    litellm_params: &azure
      model: azure/eu
      api_base: https://eu.openai.azure.com
      api_key: os.environ/AZURE_API_KEY
      api_version: "2024-10-21"
      rpm: 600
      max_parallel_requests: 10
      weight: 2
      order: 1
    model_info: { base_model: gpt-4o }
  - model_name: gpt-4o
    litellm_params: { <<: *azure, model: azure/us, api_base: "https://us.openai.azure.com", weight: 1 }
    model_info: { base_model: gpt-4o }
  - model_name: gpt-4o
    litellm_params: { model: openai/gpt-4o, order: 2 }
  - model_name: claude
    litellm_params: { model: claude-sonnet-4-5 }
  - model_name: shares
    litellm_params: { model: gpt-4o, weight: 0.7 }
  - model_name: shares
    litellm_params: { model: gpt-4o-mini, weight: 0.3 }
router_settings:
  routing_strategy: simple-shuffle
  fallbacks: [{ gpt-4o: [claude] }]
"#;

pub(super) const WILDCARDS: &str = r#"
model_list:
  - model_name: openai/*
    litellm_params: { model: openai/*, api_key: os.environ/OPENAI_API_KEY }
  - model_name: "*"
    litellm_params: { model: "anthropic/*" }
"#;

pub(super) const PRICES: &str = r#"
model_list:
  - model_name: tuned
    litellm_params: { model: openai/my-tuned, input_cost_per_token: 2.5e-06, output_cost_per_token: 0.00001 }
  - model_name: unknown
    litellm_params: { model: openai/nobody-knows, api_base: "http://127.0.0.1:9/v1", api_key: os.environ/OPENAI_API_KEY }
  - model_name: deployed
    litellm_params: { model: azure/deployed, api_base: "https://eu.openai.azure.com", api_key: os.environ/AZURE_API_KEY }
    model_info: { base_model: azure/gpt-4o }
"#;

pub(super) const CACHED: &str = r#"
model_list:
  - model_name: m
    litellm_params: { model: openai/gpt-4o-mini }
litellm_settings:
  cache: True
  cache_params: { type: redis, host: cache.internal, port: 6379, ttl: 600 }
"#;

pub(super) const OFF: &str = r#"
model_list:
  - model_name: m
    litellm_params: { model: openai/gpt-4o-mini }
litellm_settings:
  cache: true
  cache_params: { type: local, mode: default_off, similarity_threshold: 0.8 }
"#;

pub(super) const OLLAMA: &str = r#"
model_list:
  - model_name: llama
    litellm_params: { model: ollama_chat/llama3.2, api_base: "http://localhost:11434", timeout: 0.5 }
    tpm: 100
    rpm: 10
  - model_name: vllm
    litellm_params: { model: hosted_vllm/qwen, api_base: "http://10.1.2.3:8000/v1", api_key: none }
"#;

pub(super) const ALIASES: &str = r#"
model_list:
  - model_name: small
    litellm_params: { model: gemini/gemini-2.5-flash }
router_settings:
  model_group_alias: { gpt-4o-mini: small, hidden: { model: small, hidden: true } }
  routing_strategy: latency-based-routing
  routing_strategy_args: { ttl: 60 }
  allowed_fails_policy: { RateLimitErrorAllowedFails: 100 }
  redis_url: redis://cache:6379
"#;

pub(super) const MINIMAL: &str = r#"
model_list:
  - model_name: gpt-3.5-turbo
    litellm_params:
      model: gpt-3.5-turbo
"#;

pub(super) const FOREIGN: &str = r#"
model_list:
  - model_name: a
    litellm_params: { model: vertex_ai/gemini-pro, vertex_project: p }
  - model_name: b
    litellm_params: { model: groq/llama-3.3-70b-versatile, api_key: os.environ/OPENAI_API_KEY, temperature: 0.2 }
litellm_settings:
  success_callback: [langfuse]
  drop_params: false
  fallbacks: [{ b: [a, c] }]
"#;

pub(super) const BUDGET: &str = r#"
model_list:
  - model_name: m
    litellm_params: { model: openai/gpt-4o-mini, organization: org-1, extra_headers: { x-team: blue } }
litellm_settings: { max_budget: 10.5, set_verbose: true }
general_settings: { master_key: os.environ/ADMIN_API_KEY, something_new: 1 }
"#;

pub(super) const EMBED: &str = r#"
model_list:
  - model_name: embed
    litellm_params: { model: text-embedding-3-small }
    model_info: { mode: embedding }
  - model_name: rerank
    litellm_params: { model: cohere/rerank-v3.5, api_key: os.environ/OPENAI_API_KEY }
    model_info: { mode: rerank, id: r-1 }
  - model_name: whisper
    litellm_params: { model: openai/whisper-1, max_retries: 1 }
    model_info: { mode: audio_transcription }
guardrails: [{ guardrail_name: x }]
"#;
