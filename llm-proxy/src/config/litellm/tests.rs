use super::super::Config;
use super::super::tests::{Said, said};
use super::super::tree::{Language, Node, parse, toml};
use super::source::shifted;
use super::{Converted, Finding, Grade, Secrets, convert};

mod corpus;
mod documented;
mod shapes;

fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    corpus::ALL.into_iter().chain(shapes::ALL).chain(documented::ALL)
}

fn config(text: &str) -> Config {
    let resolved = said().file("config.yaml", text).resolve("config.yaml");
    resolved.unwrap_or_else(|report| panic!("{report}")).config
}

fn converted(text: &str, secrets: Secrets) -> Converted {
    let mut problems = Vec::new();
    let tree = parse(text, Language::Yaml, &mut problems);
    assert_eq!(problems, []);
    convert(&tree, secrets)
}

fn grade(findings: &[Finding], path: &str) -> Grade {
    let mut found = findings.iter().filter(|f| f.path == path).map(|f| f.grade);
    found.next().unwrap_or_else(|| panic!("nothing was found of {path}"))
}

/// The targets of a model's tiers with their weights.
fn tiers(config: &Config, model: &str) -> String {
    let tier = |tier: &Vec<_>| {
        let shown = tier.iter().map(|(t, w): &(llm_core::Str, u32)| match w {
            1 => t.to_string(),
            w => format!("{t}*{w}"),
        });
        shown.collect::<Vec<_>>().join(" ")
    };
    config.models[model].tiers.iter().map(tier).collect::<Vec<_>>().join(" | ")
}

/// Every path of a file that says something.
fn paths(place: &str, node: &Node, found: &mut Vec<String>) {
    let within = |name: &str| match place {
        "" => name.to_owned(),
        place => format!("{place}.{name}"),
    };
    if let Some(table) = node.table() {
        table.entries().iter().for_each(|e| paths(&within(&e.name), &e.node, found));
    } else if let Some(list) = node.list() {
        list.iter().enumerate().for_each(|(n, e)| paths(&within(&n.to_string()), e, found));
    } else {
        found.push(place.to_owned());
    }
}

#[test]
fn nothing_of_a_file_goes_without_a_finding() {
    for (name, text) in all() {
        let made = converted(text, Secrets::Keep);
        let mut all = Vec::new();
        paths("", &parse(text, Language::Yaml, &mut Vec::new()), &mut all);
        // A deployment that is left out is told once.
        let left = |path: &str| {
            let deployment = path.splitn(3, '.').take(2).collect::<Vec<_>>().join(".");
            made.findings.iter().any(|f| {
                f.grade == Grade::Unsupported && f.path.starts_with(&format!("{deployment}."))
            })
        };
        for path in all {
            let own = path.ends_with(".model_name") || left(&path);
            let told = made
                .findings
                .iter()
                .any(|f| path == f.path || path.starts_with(&format!("{}.", f.path)));
            assert!(own || told, "{name}: nothing was said of {path}");
        }
    }
}

#[test]
fn every_file_of_the_corpus_can_be_served_as_it_is() {
    for (name, text) in all() {
        let around = said().env("AZURE_API_BASE", "https://eu.openai.azure.com");
        let resolved = around.file("config.yaml", text).resolve("config.yaml");
        let resolved = resolved.unwrap_or_else(|report| panic!("{name}: {report}"));
        let sim = std::sync::Arc::new(llm_sim::SimTransport::new(&llm_sim::Options::default()));
        let settings = resolved.config.settings(&|_| Ok(sim.clone()));
        let settings = settings.unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
        let built = llm_providers::Gateway::builder().settings(settings).build();
        built.unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
    }
}

#[test]
fn a_written_file_says_the_same_and_has_no_secret() {
    for (name, text) in all() {
        let made = converted(text, Secrets::Replace);
        let written = toml(&made.tree);
        for secret in corpus::LITERALS {
            assert!(!written.contains(secret), "{name}: {written}");
            assert!(made.findings.iter().all(|f| !f.text.contains(secret)), "{name}");
        }
        let variables = [
            "LITELLM_MASTER_KEY",
            "DATABASE_URL",
            "REDIS_URL",
            "OPENAI_API_KEY_2",
            "AZURE_API_KEY_EU",
            "AZURE_API_BASE",
            "OF_THIS_FILE",
        ];
        let mut around = said().file("c.toml", &written);
        for variable in variables {
            let value = match variable {
                "DATABASE_URL" => "postgres://u:p@h/db".to_owned(),
                "REDIS_URL" => "redis://h".to_owned(),
                "AZURE_API_BASE" => "https://eu.openai.azure.com".to_owned(),
                name => format!("sk-{name}-0123456789"),
            };
            around = around.env(variable, &value);
        }
        let ours = around.resolve("c.toml").unwrap_or_else(|r| panic!("{name}: {r}\n{written}"));
        let theirs = around.clone().file("c.yaml", text).resolve("c.yaml").unwrap();
        let models = |c: &Config| format!("{:?}", c.models);
        assert_eq!(models(&ours.config), models(&theirs.config), "{name}");
        assert_eq!(ours.config.prices, theirs.config.prices, "{name}");
    }
}

#[test]
fn one_name_twice_is_a_group_with_weights_and_orders_are_tiers() {
    let config = config(corpus::GROUPS);
    let shown = tiers(&config, "gpt-4o");
    assert_eq!(shown, "azure/eu*2 azure-2/us | openai/gpt-4o | anthropic/claude-sonnet-4-5");
    assert_eq!(tiers(&config, "shares"), "openai/gpt-4o*7 openai/gpt-4o-mini*3");
    let capacity = config.providers["azure"].settings.capacity;
    assert_eq!(capacity.requests_per_minute.map(std::num::NonZero::get), Some(600));
    assert_eq!(capacity.in_flight_max, Some(10));
}

#[test]
fn a_literal_secret_warns_and_is_not_shown() {
    let resolved = said().file("c.yaml", corpus::EVERYTHING).resolve("c.yaml").unwrap();
    let shown = format!("{}\n{:?}", resolved.report, resolved.config);
    assert!(shown.contains("a secret stands in the file"));
    for secret in corpus::LITERALS {
        assert!(!shown.contains(secret), "{secret}: {shown}");
    }
    let keys = &resolved.config.keys;
    assert_eq!(keys[0].key.secret.expose(), "sk-1234");
    assert_eq!(keys[0].key, resolved.config.server.admin_key.unwrap());
    assert_eq!(keys[0].limits[0].to_string(), "$100/30day");
    let azure = &resolved.config.providers["azure"].keys[0];
    assert_eq!(azure.secret.expose(), "azure-literal-000000", "set by the file's own variables");
}

#[test]
fn grades_say_what_is_the_same_and_what_is_not() {
    let findings = converted(corpus::EVERYTHING, Secrets::Keep).findings;
    for (path, wanted) in [
        ("model_list.0.litellm_params.rpm", Grade::Exact),
        ("model_list.0.litellm_params.stream_timeout", Grade::Approximate),
        ("model_list.5.litellm_params.model", Grade::Unsupported),
        ("litellm_settings.fallbacks", Grade::Exact),
        ("litellm_settings.context_window_fallbacks", Grade::Approximate),
        ("litellm_settings.callbacks.1", Grade::Manual),
        ("router_settings.routing_strategy", Grade::Approximate),
        ("router_settings.provider_budget_config", Grade::Unsupported),
        ("general_settings.master_key", Grade::Exact),
        ("general_settings.enable_jwt_auth", Grade::Manual),
    ] {
        assert_eq!(grade(&findings, path), wanted, "{path}");
    }
}

#[test]
fn settings_have_one_grade_wherever_they_stand() {
    let findings = |wanted: &str| {
        let text = documented::ALL.iter().find(|(name, _)| name.contains(wanted)).unwrap().1;
        converted(text, Secrets::Keep).findings
    };
    let fallbacks = findings("errors in a row");
    for name in ["allowed_fails", "cooldown_time"] {
        let path = format!("litellm_settings.{name}");
        assert_eq!(grade(&fallbacks, &path), Grade::Approximate, "{name}");
    }
    assert_eq!(grade(&fallbacks, "litellm_settings.fallbacks"), Grade::Exact);
    let budgets = findings("budgets of providers");
    for path in [
        "model_list.0.litellm_params.max_budget",
        "router_settings.provider_budget_config",
        "litellm_settings.tag_budget_config",
    ] {
        assert_eq!(grade(&budgets, path), Grade::Unsupported, "{path}");
    }
    let general = findings("everything general");
    assert_eq!(grade(&general, "general_settings.pass_through_endpoints"), Grade::Manual);
    assert_eq!(grade(&general, "litellm_settings.json_logs"), Grade::Exact);
}

#[test]
fn wildcards_lead_to_whatever_a_provider_has() {
    let config = config(corpus::WILDCARDS);
    assert!(config.direct("openai/gpt-4o").is_some());
    assert_eq!(tiers(&config, "claude-sonnet-4-5"), "anthropic/claude-sonnet-4-5");
    assert!(config.price("openai/gpt-4o-mini").is_some());
}

#[test]
fn prices_by_token_become_prices_by_the_million_exactly() {
    for (number, places, wanted) in [
        ("0.0000025", 6, "2.5"),
        ("2.5e-06", 6, "2.5"),
        ("1e-05", 6, "10"),
        ("0", 6, "0"),
        ("0.00000015", 6, "0.15"),
        ("30", 3, "30000"),
        ("0.5", 3, "500"),
        ("1.25E-7", 6, "0.125"),
    ] {
        assert_eq!(shifted(number, places).as_deref(), Some(wanted), "{number}");
    }
    for number in ["", "-1", "x", "1e999", "1e", "0x10", "1.2.3"] {
        assert_eq!(shifted(number, 6), None, "{number}");
    }
    let config = config(corpus::PRICES);
    let priced = &config.prices["openai/my-tuned"].listed;
    assert_eq!(priced.price().rates_at(0)[0].to_string(), "2.5");
    assert!(config.price("openai-2/nobody-knows").unwrap().is_free());
    assert_eq!(config.prices["azure/deployed"].same_as.as_deref(), Some("openai/gpt-4o"));
}

#[test]
fn the_cache_is_on_where_litellm_has_it_on() {
    let config = config(corpus::CACHED);
    let cache = config.models["m"].policy.cache.as_ref().unwrap();
    assert_eq!(cache.ttl.as_secs(), 600);
    assert!(config.store.redis.is_some());
    let said = Said::default();
    assert!(said.resolve("none.yaml").is_err());
}

#[test]
fn a_credential_is_given_to_whoever_names_it() {
    let text = shapes::ALL.iter().find(|(name, _)| name.contains("credential")).unwrap().1;
    let config = config(text);
    assert_eq!(tiers(&config, "a"), "azure/a");
    let azure = &config.providers["azure"];
    assert_eq!(azure.settings.base_url.as_deref(), Some("https://shared.openai.azure.com"));
    assert_eq!(azure.keys[0].reference, "os.environ/AZURE_API_KEY");
    // What a deployment says itself goes first, and makes it another account's.
    assert_eq!(tiers(&config, "b"), "azure-2/b");
    let own = &config.providers["azure-2"].settings;
    assert_eq!(own.api_version.as_deref(), Some("2024-02-01"));
    let findings = converted(text, Secrets::Keep).findings;
    let path = "model_list.2.litellm_params.litellm_credential_name";
    assert_eq!(grade(&findings, path), Grade::Unsupported);
}

#[test]
fn a_price_that_nobody_knows_is_nothing_and_is_said() {
    let around = said().env("AZURE_API_BASE", "https://eu.openai.azure.com");
    let text = shapes::ALL[0].1;
    let resolved = around.file("c.yaml", text).resolve("c.yaml").unwrap();
    let unpriced: Vec<_> = resolved.config.unpriced().map(|target| &**target).collect();
    assert_eq!(unpriced, ["azure/chat-eu", "openai/ft-of-ours"]);
    assert!(resolved.report.to_string().contains("nobody knows this price"));
    // What runs on a machine of one's own is free, and that is known.
    let own = config(shapes::ALL.iter().find(|(name, _)| name.contains("servers")).unwrap().1);
    assert_eq!((own.unpriced().count(), own.prices.len()), (0, 2));
}
