//! Every dialect in which somebody can be asked for a chat tells what its body gives away: who does
//! not is taken to mean the dearest.

use bytes::Bytes;
use llm_core::call::{Operation, Signs};
use llm_core::dialect::{DialectId, Route};

#[test]
fn a_chat_tells_what_its_body_gives_away() {
    for id in CALLERS {
        let caller = llm_dialects::caller(id).unwrap();
        let signs = |members: &str| {
            let body = Bytes::from(format!("{{\"model\":\"m\",{members}}}"));
            let route = Route { model: Some("m".into()), ..Route::new(Operation::Chat) };
            caller.peek(&route, &body).unwrap().signs.unwrap()
        };
        assert_eq!(
            signs("\"x\":[{\"a\":\"speaks of a cache, and of what its web_search finds\"}]"),
            Signs(0)
        );
        assert_eq!(signs("\"x\":[{\"cache_control\":{}}]"), Signs(Signs::CACHE), "{id:?}");
        assert_eq!(signs("\"cachedContent\":\"c\""), Signs(Signs::CACHE), "{id:?}");
        assert_eq!(signs("\"tools\":[{\"googleSearch\":{}}]"), Signs(Signs::OWN_TOOL), "{id:?}");
        assert_eq!(signs("\"service_tier\":\"fast\""), Signs(Signs::FIRST), "{id:?}");
        let carried = signs("\"x\":[{\"id\":\"call_1.Z3cxY29oZXJlAAAx\"}]");
        assert_eq!(carried, Signs(Signs::TOKEN), "{id:?}");
    }
}

const CALLERS: [DialectId; 8] = [
    DialectId::OpenaiChat,
    DialectId::OpenaiResponses,
    DialectId::OpenaiCompletions,
    DialectId::Anthropic,
    DialectId::Gemini,
    DialectId::Cohere,
    DialectId::Ollama,
    DialectId::OllamaGenerate,
];
