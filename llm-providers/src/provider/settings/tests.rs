use llm_core::call::Operation;
use llm_core::dialect::Chunks;
use llm_core::provider::Provider;

use super::*;

fn built(settings: ProviderSettings) -> VendorSettings {
    settings.build().unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn uri(provider: &dyn Provider, operation: Operation, model: &str, stream: bool) -> String {
    provider.uri(operation, model, stream).map_or_else(String::new, |u| u.to_string())
}

#[test]
fn addresses_are_those_of_the_real_apis() {
    let cases = [
        ("openai", "gpt-4o", false, "https://api.openai.com/v1/chat/completions"),
        ("anthropic", "claude-haiku-4-5", true, "https://api.anthropic.com/v1/messages"),
        (
            "gemini",
            "gemini-2.5-flash",
            true,
            "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
        ),
        ("cohere", "command-a-03-2025", false, "https://api.cohere.com/v2/chat"),
        ("ollama", "llama3.2", false, "http://127.0.0.1:11434/api/chat"),
        ("groq", "llama-3.3-70b", false, "https://api.groq.com/openai/v1/chat/completions"),
        ("perplexity", "sonar", false, "https://api.perplexity.ai/chat/completions"),
    ];
    for (kind, model, stream, expected) in cases {
        let vendor = built(ProviderSettings::new(kind, kind).key("k"));
        assert_eq!(uri(&*vendor.provider, Operation::Chat, model, stream), expected);
    }
    let mut azure = ProviderSettings::new("eu", "azure").key("k").at("https://x.openai.azure.com");
    azure.api_version = Some("2024-10-21".into());
    let expected = "https://x.openai.azure.com/openai/deployments/gpt-4o-eu/chat/completions?api-version=2024-10-21";
    assert_eq!(uri(&*built(azure).provider, Operation::Chat, "gpt-4o-eu", false), expected);
}

/// Clients of these APIs write the version into the address or do not; both are found here.
#[test]
fn an_address_may_have_the_version_or_not() {
    let cases = [
        ("openai", &["", "/v1"][..], "/v1/chat/completions"),
        ("openai", &["/openai/v3"], "/openai/v3/chat/completions"),
        ("anthropic", &["", "/", "/v1"], "/v1/messages"),
        ("gemini", &["", "/v1beta"], "/v1beta/models/m:generateContent"),
        ("gemini", &["/v1"], "/v1/models/m:generateContent"),
        ("cohere", &["", "/v2", "/v1"], "/v2/chat"),
        ("ollama", &["", "/api", "/v1"], "/api/chat"),
        ("ollama", &["/box/7"], "/box/7/api/chat"),
        ("openai-compatible", &[""], "/chat/completions"),
    ];
    for (kind, given, path) in cases {
        for given in given {
            let settings = ProviderSettings::new(kind, kind).key("k");
            let vendor = built(settings.at(format!("http://127.0.0.1:1{given}")));
            let expected = format!("http://127.0.0.1:1{path}");
            assert_eq!(uri(&*vendor.provider, Operation::Chat, "m", false), expected, "{given}");
        }
    }
}

/// Whatever a caller calls its model, the address stays where it is.
#[test]
fn a_models_name_cannot_leave_its_place_in_the_path() {
    for name in ["../../admin", "a?b=c", "a#b", "a\r\nx: y", "모델", "..", "a/../../b", "%2e%2e"]
    {
        let vendor = built(ProviderSettings::new("gemini", "gemini").key("k"));
        let uri = vendor.provider.uri(Operation::Chat, name, false).unwrap();
        assert_eq!(uri.host(), Some("generativelanguage.googleapis.com"), "{name}");
        let path = uri.path();
        assert!(path.starts_with("/v1beta/models/"), "{path}");
        assert!(path.ends_with(":generateContent") && uri.query().is_none(), "{uri}");
        assert!(!path.split('/').any(|p| p == ".."), "{path}");
    }
}

#[test]
fn a_key_is_shown_to_its_own_provider_only() {
    let vendor = built(ProviderSettings::new("openai", "openai").key("sk-secret"));
    let lent = vendor.keys.lend(crate::stage::gate::Tried::default(), tests_now()).unwrap();
    let key = vendor.keys.credential(&lent).unwrap();
    let sign = |uri: &'static str| {
        let mut parts = http::Request::new(()).into_parts().0;
        parts.uri = http::Uri::from_static(uri);
        let body = Chunks::new();
        let signed =
            vendor.provider.sign(&mut parts, &body, key, std::time::SystemTime::UNIX_EPOCH);
        (signed, parts)
    };
    let (signed, parts) = sign("https://api.openai.com/v1/models");
    assert!(signed.is_ok());
    assert_eq!(parts.headers["authorization"], "Bearer sk-secret");
    assert!(parts.headers["authorization"].is_sensitive());
    for elsewhere in [
        "http://api.openai.com/v1/models",
        "https://api.openai.com:8443/v1/models",
        "https://evil.example/v1/models",
        "https://api.openai.com.evil.example/v1/models",
    ] {
        let (signed, parts) = sign(elsewhere);
        assert!(signed.is_err() && parts.headers.is_empty(), "{elsewhere}");
    }
}

#[expect(clippy::disallowed_methods, reason = "a test needs some instant")]
fn tests_now() -> std::time::Instant {
    std::time::Instant::now()
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let mut settings = ProviderSettings::new("x", "azure").at("ftp://user:pw@host");
    settings.headers.push(("bad header".into(), "v".into()));
    let problems = settings.build().unwrap_err();
    let places: Vec<&str> = problems.iter().map(|p| &*p.place).collect();
    let expected = [
        "providers.x.base_url",
        "providers.x.keys",
        "providers.x.api_version",
        "providers.x.headers",
    ];
    assert_eq!(places, expected);
    let plain = ProviderSettings::new("x", "openai").key("k").at("http://10.0.0.7/v1");
    assert!(plain.clone().build().is_err());
    assert!(ProviderSettings { insecure: true, ..plain }.build().is_ok());
    assert!(ProviderSettings::new("x", "nonsense").build().is_err());
}

#[test]
fn the_environment_is_read_under_everyones_names() {
    let env = [
        ("OPENAI_API_KEY", "sk-a"),
        ("OPENAI_ORGANIZATION", "org"),
        ("GOOGLE_API_KEY", "g"),
        ("CO_API_KEY", "c"),
        ("OLLAMA_HOST", "0.0.0.0"),
        ("GROQ_API_KEY", "q"),
        ("ANTHROPIC_API_KEY", ""),
    ];
    let get =
        |name: &str| env.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
    let found = from_env(get);
    let names: Vec<&str> = found.iter().map(|s| &*s.name).collect();
    assert_eq!(names, ["openai", "gemini", "cohere", "ollama", "groq"]);
    assert_eq!(found[3].base_url.as_deref(), Some("http://127.0.0.1:11434"));
    assert_eq!(found[0].headers.len(), 1);
    assert!(found.into_iter().all(|s| s.build().is_ok()));
    let hosts =
        [("myhost:8080", "http://myhost:8080"), ("https://o.example", "https://o.example:443")];
    assert!(hosts.iter().all(|(text, url)| ollama_host(text) == *url));
}

/// A key with a line's end or a typographic dash in it would only ever be refused, far from here.
#[test]
fn a_key_that_cannot_be_sent_is_named_but_not_shown() {
    for key in ["", "sk-1234\n", "sk 1234", "sk–1234"] {
        let settings = ProviderSettings::new("openai", "openai").key("sk-fine").key(key);
        let problems = settings.build().unwrap_err();
        let [problem] = &*problems else { panic!("{key:?}: {problems}") };
        assert_eq!(&*problem.place, "providers.openai.keys.1");
        assert!(!problem.text.contains("1234"), "{problem}");
    }
}
