use super::super::resolve::{Asked, Ollama, resolve};
use super::super::{StorePlace, reference::Hidden};
use super::{Said, said};

#[test]
fn without_anything_the_built_in_provider_answers() {
    let resolved = resolve(&Asked::default(), &Said::default()).unwrap();
    let config = resolved.config;
    assert!(config.providers["simulated"].is_simulated());
    assert!(config.models.contains_key("gpt-4o-mini"));
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:4000");
    assert_eq!(config.store.place, StorePlace::Sqlite("data/llm-proxy.db".into()));
}

#[test]
fn an_ollama_that_answered_goes_before_the_built_in_provider() {
    let address = "http://127.0.0.1:11434".to_owned();
    let ollama = Ollama::Found { address, models: vec!["llama3.2".to_owned()] };
    let asked = Asked { ollama, ..Asked::default() };
    let config = resolve(&asked, &Said::default()).unwrap().config;
    assert_eq!(config.providers.keys().map(|k| &**k).collect::<Vec<_>>(), ["ollama"]);
    assert_eq!(&*config.models["ollama/llama3.2"].tiers[0][0].0, "ollama/llama3.2");
    let here = Said::default().env("OLLAMA_HOST", "0.0.0.0");
    let providers = |ollama, said: &Said| {
        let asked = Asked { ollama, ..Asked::default() };
        let config = resolve(&asked, said).unwrap().config;
        config.providers.keys().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(providers(Ollama::Silent, &here), ["simulated"], "it may listen there one day");
    let meant = here.clone().env("OLLAMA_API_BASE", "http://10.0.0.9:11434");
    assert_eq!(providers(Ollama::Silent, &meant), ["ollama"], "somebody says that it is there");
    assert_eq!(providers(Ollama::Unasked, &here), ["ollama"]);
    let config = resolve(&asked, &said()).unwrap().config;
    assert!(!config.providers.contains_key("ollama"), "keys of one's own go first");
}

#[test]
fn keys_of_the_environment_offer_their_models() {
    let config = resolve(&Asked::default(), &said()).unwrap().config;
    assert!(!config.providers.contains_key("simulated"));
    assert_eq!(&*config.models["gpt-4o-mini"].tiers[0][0].0, "openai/gpt-4o-mini");
    assert_eq!(&*config.models["gemini-2.5-pro"].tiers[0][0].0, "gemini/gemini-2.5-pro");
    assert!(config.models.keys().all(|name| !name.contains('*')));
    assert_eq!(config.providers["openai"].keys[0].reference, "env:OPENAI_API_KEY");
}

#[test]
fn the_command_line_wins_over_the_file_and_the_file_over_the_environment() {
    let text = "[server]\nlisten = \"10.0.0.1:9000\"\n[store]\nurl = \"sqlite:x/own.db\"\n";
    let said = Said::default()
        .file("c.toml", text)
        .env("PORT", "8080")
        .env("HOST", "0.0.0.0")
        .env("DATABASE_URL", "postgres://u:p@h/db");
    let asked = Asked { config: Some("c.toml".into()), ..Asked::default() };
    let config = resolve(&asked, &said).unwrap().config;
    assert_eq!(config.server.listen.to_string(), "10.0.0.1:9000");
    assert_eq!(config.store.place, StorePlace::Sqlite("x/own.db".into()));
    let config = resolve(&Asked::default(), &said).unwrap().config;
    assert_eq!(config.server.listen.to_string(), "0.0.0.0:8080");
    let StorePlace::Postgres(Hidden { reference, .. }) = &config.store.place else { panic!() };
    assert_eq!(reference, "env:DATABASE_URL");
    let asked = Asked {
        host: Some("::1".parse().unwrap()),
        port: Some(1),
        data: Some("/d".into()),
        ..asked
    };
    let config = resolve(&asked, &said).unwrap().config;
    assert_eq!(config.server.listen.to_string(), "[::1]:1");
    assert_eq!(config.store.place, StorePlace::Sqlite("/d/own.db".into()));
}

#[test]
fn variables_that_are_no_addresses_are_passed_over_and_said() {
    let said = Said::default().env("HOST", "x86_64-conda").env("PORT", "tcp://10.0.0.1:80");
    let resolved = resolve(&Asked::default(), &said).unwrap();
    assert_eq!(resolved.config.server.listen.to_string(), "127.0.0.1:4000");
    assert_eq!(resolved.report.problems.len(), 2);
}

#[test]
fn a_redis_may_be_named_in_parts() {
    let said = Said::default().env("REDIS_HOST", "cache").env("REDIS_PASSWORD", "a/b@c");
    let config = resolve(&Asked::default(), &said).unwrap().config;
    let redis = config.store.redis.unwrap();
    assert_eq!(redis.secret.expose(), "redis://:a%2Fb%40c@cache:6379");
    assert!(!format!("{redis:?}").contains("a%2F"));
}
