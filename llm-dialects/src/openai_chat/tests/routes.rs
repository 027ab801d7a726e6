use llm_core::call::Has;
use llm_core::dialect::Route;

use super::*;

fn route(method: &str, path: &str) -> Option<Route> {
    OpenaiChat.route(&method.parse().unwrap(), path)
}

#[test]
fn paths_mean_operations() {
    for (path, operation) in [
        ("/v1/chat/completions", Operation::Chat),
        ("/chat/completions", Operation::Chat),
        ("/api/v1/chat/completions?x=1", Operation::Chat),
        ("/openai/v1/chat/completions", Operation::Chat),
        ("/v1/embeddings", Operation::Embed),
        ("/v1/moderations", Operation::Moderate),
        ("/v1/audio/transcriptions", Operation::Transcribe),
        ("/v1/images/generations", Operation::Image),
        ("/v1/rerank", Operation::Rerank),
    ] {
        assert_eq!(route("POST", path).map(|r| r.operation), Some(operation), "{path}");
    }
    let azure =
        route("POST", "/openai/deployments/gpt%2D4/chat/completions?api-version=1").unwrap();
    assert_eq!(azure.model.as_deref(), Some("gpt-4"));
    assert_eq!(route("GET", "/v1/models").unwrap().model, None);
    assert_eq!(route("GET", "/v1/models/org/m%20x").unwrap().model.as_deref(), Some("org/m x"));
    for (method, path) in [
        ("GET", "/v1/chat/completions"),
        ("DELETE", "/v1/models/m"),
        ("POST", "/v1/messages"),
        ("GET", "/v1/modelsx"),
        ("GET", "/v1/models/%zz"),
    ] {
        assert_eq!(route(method, path), None, "{method} {path}");
    }
    let one = OpenaiChat.endpoint(Operation::ListModels, "org/m x", false).unwrap();
    assert_eq!(&*one.path, "/models/org/m%20x");
    assert!(OpenaiChat.endpoint(Operation::CountTokens, "m", false).is_none());
}

#[test]
fn a_peek_finds_what_a_gateway_must_know() {
    let body = Bytes::from_static(
        br#"{"model":"m","messages":[{"content":[{"type":"image_url"}]}],"stream":true,"max_tokens":5,"n":2,"tools":[1],"user":"u","response_format":{"type":"json_schema"},"reasoning_effort":"low"}"#,
    );
    let found = OpenaiChat.peek(&route("POST", "/chat/completions").unwrap(), &body).unwrap();
    assert!(found.stream && found.candidates == 2 && found.output_tokens_max == Some(5));
    let want = Has::IMAGES | Has::TOOLS | Has::JSON | Has::JSON_SCHEMA | Has::REASONING;
    assert_eq!(found.has, Has(want));
    let azure = route("POST", "/openai/deployments/d/chat/completions").unwrap();
    let found = OpenaiChat.peek(&azure, &Bytes::from_static(b"{\"messages\":[]}")).unwrap();
    assert_eq!((&*found.model.value, &found.model.span), ("d", &None));
    let bare = route("POST", "/chat/completions").unwrap();
    assert!(OpenaiChat.peek(&bare, &Bytes::from_static(b"{}")).is_err());
}

#[test]
fn a_relay_changes_the_model_and_asks_for_usage() {
    let body = Bytes::from_static(br#"{ "model" : "alias", "messages": [], "stream":true}"#);
    let bare = route("POST", "/chat/completions").unwrap();
    let found = OpenaiChat.peek(&bare, &body).unwrap();
    let cx =
        SendCx { model: "real", stream: true, usage_frame: true, capability: &Capability::ALL };
    let sent = OpenaiChat.relay(&body, &found, &cx).unwrap().concat();
    assert_eq!(
        String::from_utf8(sent).unwrap(),
        r#"{"stream_options":{"include_usage":true}, "model" : "real", "messages": [], "stream":true}"#
    );
    let same = SendCx { model: "alias", usage_frame: false, ..cx };
    let sent = OpenaiChat.relay(&body, &found, &same).unwrap();
    assert_eq!(sent.as_slice(), std::slice::from_ref(&body));
    let whole = SendCx { stream: false, ..same };
    let sent = OpenaiChat.relay(&body, &found, &whole).unwrap().concat();
    assert!(String::from_utf8(sent).unwrap().ends_with("\"stream\":false}"));
}
