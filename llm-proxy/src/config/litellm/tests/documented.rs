//! Files in the shapes of LiteLLM's own pages on fallbacks, its router, budgets, caches and general
//! settings, several settings of a page in one file.

/// All of them.
pub(in super::super) const ALL: [(&str, &str); 9] = [
    ("fallbacks by errors in a row", IN_A_ROW),
    ("fallbacks of the router", OF_THE_ROUTER),
    ("a policy for each error, and tags", POLICIES),
    ("budgets of everybody", BUDGETS),
    ("budgets of providers and tags", PROVIDER_BUDGETS),
    ("a cache over several machines", CLUSTER),
    ("a cache of what means the same", SEMANTIC),
    ("whom calls are told to", CALLBACKS),
    ("everything general", GENERAL),
];

const IN_A_ROW: &str = r#"
model_list:
  - model_name: own
    litellm_params: { model: huggingface/org/model, api_base: "http://0.0.0.0:8001" }
  - model_name: small
    litellm_params: { model: gpt-4o-mini, api_key: os.environ/OPENAI_API_KEY }
  - model_name: long
    litellm_params: { model: gpt-4.1, api_key: os.environ/OPENAI_API_KEY }
litellm_settings:
  num_retries: 3
  request_timeout: 10
  fallbacks: [{"small": ["long"]}]
  context_window_fallbacks: [{"small": ["long"]}, {"own": ["long"]}]
  allowed_fails: 3
  cooldown_time: 30
"#;

const OF_THE_ROUTER: &str = r#"
model_list:
  - model_name: broken
    litellm_params: { model: openai/none, api_key: "bad-key", mock_response: "litellm.InternalServerError" }
  - model_name: good
    litellm_params: { model: openai/gpt-4o, api_key: os.environ/OPENAI_API_KEY }
  - model_name: other
    litellm_params: { model: anthropic/claude-haiku-4-5, api_key: os.environ/ANTHROPIC_API_KEY }
router_settings:
  fallbacks: [{"broken": ["good", "other"]}]
  default_fallbacks: ["other"]
  content_policy_fallbacks: [{"good": ["other"]}]
  max_fallbacks: 5
"#;

const POLICIES: &str = r#"
model_list:
  - model_name: gpt-4
    litellm_params: { model: openai/gpt-4o, api_key: os.environ/OPENAI_API_KEY, rpm: 900, tags: ["free"] }
  - model_name: gpt-4
    litellm_params: { model: openai/gpt-4.1, api_key: os.environ/OPENAI_API_KEY, rpm: 6, tags: ["paid", "default"] }
router_settings:
  routing_strategy: usage-based-routing-v2
  routing_strategy_args: { ttl: 10 }
  model_group_alias: { "alias": "gpt-4", "hidden": { "model": "gpt-4", "hidden": true } }
  num_retries: 2
  timeout: 30
  retry_policy: { AuthenticationErrorRetries: 3, TimeoutErrorRetries: 3, RateLimitErrorRetries: 3, BadRequestErrorRetries: 1 }
  allowed_fails_policy: { BadRequestErrorAllowedFails: 1000, RateLimitErrorAllowedFails: 10000 }
  disable_cooldowns: false
  enable_tag_filtering: True
  cache_responses: false
  optional_pre_call_checks: ["router_budget_limiting", "prompt_caching"]
"#;

const BUDGETS: &str = r#"
model_list:
  - model_name: m
    litellm_params: { model: gpt-4o-mini, api_key: os.environ/OPENAI_API_KEY }
general_settings: { master_key: sk-1234, database_url: "postgresql://u:pw@db/litellm" }
litellm_settings:
  max_budget: 0
  budget_duration: 30d
  max_user_budget: 10
  internal_user_budget_duration: "1mo"
  max_end_user_budget: 0.0001
  upperbound_key_generate_params: { max_budget: 0.0002, budget_duration: "30s", duration: "30d", tpm_limit: 1000 }
  default_key_generate_params: { max_budget: 1.5, models: ["m"] }
  default_internal_user_params: { user_role: internal_user, max_budget: 100, budget_duration: 30d }
  default_team_settings: [{ team_id: "dev", success_callback: ["langfuse"] }]
"#;

const PROVIDER_BUDGETS: &str = r#"
model_list:
  - model_name: m
    litellm_params: { model: openai/gpt-4o-mini, api_key: os.environ/OPENAI_API_KEY, max_budget: 0.000000000001, budget_duration: 1d }
router_settings:
  provider_budget_config: { openai: { budget_limit: 0.000000000001, time_period: 1d }, azure: { budget_limit: 100, time_period: 1d } }
  redis_host: os.environ/REDIS_HOST
  redis_port: os.environ/REDIS_PORT
litellm_settings:
  tag_budget_config: { "product:bot": { max_budget: 0.1, budget_duration: 1d } }
"#;

const CLUSTER: &str = r#"
model_list:
  - model_name: m
    litellm_params: { model: openai/gpt-4o-mini, api_key: os.environ/OPENAI_API_KEY }
litellm_settings:
  set_verbose: False
  cache: True
  cache_params:
    type: redis
    namespace: "ours"
    redis_startup_nodes: [{ "host": "127.0.0.1", "port": "7001" }]
    ssl: True
    max_connections: 100
    supported_call_types: ["acompletion", "aembedding"]
"#;

const SEMANTIC: &str = r#"
model_list:
  - model_name: m
    litellm_params: { model: openai/gpt-4o-mini, api_key: os.environ/OPENAI_API_KEY }
  - model_name: vectors
    litellm_params: { model: openai/text-embedding-3-small, api_key: os.environ/OPENAI_API_KEY }
litellm_settings:
  cache: True
  cache_params: { type: qdrant-semantic, qdrant_semantic_cache_embedding_model: vectors, qdrant_collection_name: c, similarity_threshold: 0.8 }
"#;

const CALLBACKS: &str = r#"
model_list:
  - model_name: m
    litellm_params: { model: openai/gpt-4o-mini, api_key: os.environ/OPENAI_API_KEY }
litellm_settings:
  success_callback: ["langfuse", "sentry"]
  failure_callback: "sentry"
  service_callback: ["datadog", "prometheus_system"]
  callbacks: ["otel", "lago", custom_callbacks.instance]
  turn_off_message_logging: True
  redact_user_api_key_info: True
  langfuse_default_tags: ["cache_hit"]
callback_settings: { otel: { message_logging: False } }
guardrails:
  - guardrail_name: "pre"
    litellm_params: { guardrail: aporia, mode: "during_call", api_key: os.environ/OPENAI_API_KEY, default_on: true }
environment_variables: { OF_THIS_FILE: "some-host" }
"#;

const GENERAL: &str = r#"
model_list:
  - model_name: m
    litellm_params: { model: openai/gpt-4o-mini, api_key: os.environ/OPENAI_API_KEY }
    model_info: { health_check_model: openai/gpt-4o-mini, mode: chat, access_groups: ["beta"] }
litellm_settings: { json_logs: true }
general_settings:
  completion_model: m
  disable_spend_logs: false
  enforce_user_param: true
  allowed_routes: ["/chat/completions", "/embeddings"]
  master_key: sk-1234
  database_connection_pool_limit: 10
  custom_auth: custom_auth.user_api_key_auth
  max_parallel_requests: 100
  background_health_checks: true
  health_check_interval: 300
  alerting: ["slack", "email"]
  alerting_threshold: 10
  enable_jwt_auth: true
  pass_through_endpoints: [{ path: "/v1/more", target: "https://api.example.com/more", headers: { Authorization: "bearer os.environ/OPENAI_API_KEY" } }]
"#;
