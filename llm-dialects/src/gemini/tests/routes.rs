//! Paths, both ways.

use http::Method;
use llm_core::call::Operation;
use llm_core::dialect::{CallerDialect, Framing, UpstreamDialect};

use super::Gemini;

#[test]
fn paths_of_ours() {
    let sse = Some(Framing::Sse);
    let array = Some(Framing::JsonArray);
    for (path, operation, model, stream, framing) in [
        ("/v1beta/models/m:generateContent", Operation::Chat, "m", Some(false), None),
        ("/v1/models/m:streamGenerateContent?alt=sse&key=k", Operation::Chat, "m", Some(true), sse),
        ("/v1beta/models/m:streamGenerateContent?key=k", Operation::Chat, "m", Some(true), array),
        (
            "/v1beta/models/m:streamGenerateContent?%24alt=json%3Benum-encoding%3Dint",
            Operation::Chat,
            "m",
            Some(true),
            array,
        ),
        (
            "/v1alpha/models/openai/gpt%2D4o:countTokens",
            Operation::CountTokens,
            "openai/gpt-4o",
            None,
            None,
        ),
        (
            "/v1beta/tunedModels/t:generateContent",
            Operation::Chat,
            "tunedModels/t",
            Some(false),
            None,
        ),
        (
            "/v1beta1/projects/p/locations/global/publishers/google/models/m:generateContent",
            Operation::Chat,
            "m",
            Some(false),
            None,
        ),
        ("/v1/publishers/google/models/m:embedContent", Operation::Embed, "m", None, None),
        ("/v1beta/models/m:batchEmbedContents", Operation::Embed, "m", None, None),
    ] {
        let route = Gemini.route(&Method::POST, path).expect(path);
        assert_eq!((route.operation, route.stream), (operation, stream), "{path}");
        assert_eq!((route.model.as_deref(), route.framing), (Some(model), framing), "{path}");
    }
    let list = Gemini.route(&Method::GET, "/v1beta/models?pageSize=1").unwrap();
    assert_eq!((list.operation, list.model), (Operation::ListModels, None));
    let one = Gemini.route(&Method::GET, "/v1beta/models/m").unwrap();
    assert_eq!(one.model.as_deref(), Some("m"));
}

#[test]
fn paths_of_others() {
    for (method, path) in [
        (Method::POST, "/v1/chat/completions"),
        (Method::POST, "/v1/messages"),
        (Method::GET, "/v1beta/models/m:generateContent/x%ff"),
        (Method::POST, "/v1beta/models/m:predict"),
        (Method::POST, "/v1beta/models/:generateContent"),
        (Method::POST, "/v1beta/models/%ff:generateContent"),
        (Method::POST, "/api/models/m:generateContent"),
        (Method::POST, ""),
        (Method::GET, "/"),
    ] {
        assert!(Gemini.route(&method, path).is_none(), "{path}");
    }
}

#[test]
fn endpoints() {
    for (operation, model, stream, path) in [
        (Operation::Chat, "m", false, "/models/m:generateContent"),
        (Operation::Chat, "models/m", true, "/models/m:streamGenerateContent?alt=sse"),
        (Operation::Chat, "tunedModels/t", false, "/tunedModels/t:generateContent"),
        (Operation::Chat, "a b?", false, "/models/a%20b%3F:generateContent"),
        (Operation::Embed, "m", false, "/models/m:batchEmbedContents"),
        (Operation::CountTokens, "m", false, "/models/m:countTokens"),
        (Operation::ListModels, "", false, "/models?pageSize=1000"),
        (Operation::ListModels, "m", false, "/models/m"),
    ] {
        assert_eq!(Gemini.endpoint(operation, model, stream).unwrap().path, path);
    }
    assert!(Gemini.endpoint(Operation::Image, "m", false).is_none());
    assert_eq!(Gemini.framing("text/event-stream; charset=utf-8"), Some(Framing::Sse));
    assert_eq!(Gemini.framing("application/json; charset=UTF-8"), Some(Framing::JsonArray));
    assert_eq!(Gemini.framing("text/html"), None);
}
