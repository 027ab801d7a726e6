//! Questions return as they came, and mean what they say.

use llm_core::prompt::{EmbedInput, MediaSource, OutputFormat, PartKind, ToolChoice, ToolKind};
use llm_core::raw::RawNumber;

use super::super::wire::{ID, note};
use super::*;

const FULL: &str = r#"{"model":"m","stream":true,"messages":[
  {"role":"system","content":[{"type":"text","text":"Be brief."}],"x_system":1},
  {"role":"user","content":[{"type":"text","text":"What?","x_part":[1]},
    {"type":"image_url","image_url":{"url":"data:image/png;base64,iVBO","detail":"high","x_url":1}},
    {"type":"image_url","image_url":{"url":"data:image/png;charset=x;base64,iVBO"}},
    {"type":"image_url","image_url":"https://x/y.png"},{"type":"hologram","k":0}]},
  {"role":"assistant","tool_plan":"I will look.","tool_calls":[
    {"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\": 1.0}","x_f":1},"x_c":2},
    {"id":"c2","type":"function","function":{"name":"f","arguments":"null"}},
    {"id":"c3","function":{"name":"f","arguments":null}}]},
  {"role":"tool","tool_call_id":"c1","content":[{"type":"document","document":{"data":{"k":[1]},"id":"d","x":1},"y":2},
    {"type":"document","document":{"data":"plain"}},{"type":"text","text":"t"}]},
  {"role":"tool","tool_call_id":"c2","content":"r","x_result":1},
  {"role":"assistant","content":[{"type":"thinking","thinking":"Hm."},{"type":"text","text":"Seoul."}],
    "citations":[{"start":0,"end":5,"text":"Seoul","sources":[{"type":"document","id":"d",
      "document":{"title":"T","url":"u"}}],"content_index":1,"type":"TEXT_CONTENT"}]},
  {"role":"system","content":"Rhyme."},
  {"role":"assistant","content":[],"citations":[],"tool_calls":[],"tool_plan":null}],
  "tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"},"x":1},"y":2},
    {"type":"browser"}],
  "strict_tools":true,"tool_choice":"REQUIRED","documents":["d",{"data":{"a":"b"}}],"citation_options":{"mode":"FAST"},
  "response_format":{"type":"json_object","json_schema":{"type":"object"},"x_rf":1},"safety_mode":"OFF",
  "max_tokens":5,"stop_sequences":["a","b"],"temperature":0.30,"seed":7,"frequency_penalty":0.1,
  "presence_penalty":0.2,"k":3,"p":0.9,"logprobs":true,"thinking":{"type":"enabled","token_budget":100,"x":1},
  "response_format.x":"odd","x_top":{"deep":[null]}}"#;

#[test]
fn a_question_returns_as_it_came() {
    let others = [
        r#"{"model":"m","messages":[]}"#,
        r#"{"model":"m","messages":[{"role":"user","content":""}],"stream":false,"documents":[],"tools":[],
            "stop_sequences":[],"tool_choice":"NONE","strict_tools":true}"#,
        r#"{"model":"m","messages":[{"role":"assistant","content":"a","tool_plan":"","citations":[
            {"start":0,"text":"p","type":"PLAN"}]},{"role":"assistant"}],"response_format":{"type":"text"},
            "thinking":{"type":"disabled"},"tool_choice":"SOMETIMES","stream":null}"#,
        r#"{"model":"m","messages":[],"response_format":{"type":"json_object","schema":{}},"strict_tools":false,
            "thinking":{"type":"later"},"temperature":null}"#,
        r#"{"model":"m","messages":[],"response_format":{"type":"json_object","schema":null},"response_format_":1}"#,
        r#"{"model":"m","messages":[],"response_format":{"type":"grammar","g":1}}"#,
    ];
    for body in others.into_iter().chain([FULL]) {
        let prompt = asked("/v2/chat", body);
        let Prompt::Chat(request) = &prompt else { panic!() };
        let encoded = sent(&prompt, request.stream);
        assert_eq!(json(&encoded.body), json(body.as_bytes()), "{body}");
        assert_eq!(shown(&encoded.losses), [""; 0], "{body}");
    }
}

#[test]
fn words_are_where_they_belong() {
    let request = chat(FULL);
    assert_eq!((request.system.len(), request.messages.len()), (1, 7));
    assert_eq!(request.tool_choice, Some(ToolChoice::Required));
    let ToolKind::Function { strict, .. } = request.tools[0].kind else { panic!() };
    assert_eq!(strict, Some(true));
    assert!(matches!(request.output.format, Some(OutputFormat::Schema(_))));
    assert_eq!(request.sampling.top_k, RawNumber::parse("3"));
    assert_eq!(request.reasoning.as_ref().unwrap().budget, RawNumber::parse("100"));
    let PartKind::Image(image) = &request.messages[0].parts[1].kind else { panic!() };
    assert_eq!(image.source, MediaSource::Base64("iVBO".into()));
    assert_eq!((image.mime.as_deref(), image.detail.as_deref()), (Some("image/png"), Some("high")));
    let plan = &request.messages[1].parts[0];
    assert_eq!(plan.kind, PartKind::Reasoning("I will look.".into()));
    assert!(plan.extra.notation(ID).has(note::PLAN));
    // Nothing is nothing, in an object.
    let PartKind::ToolCall(call) = &request.messages[1].parts[2].kind else { panic!() };
    assert_eq!(&*call.arguments, "{}");
    let PartKind::ToolResult(result) = &request.messages[2].parts[0].kind else { panic!() };
    let PartKind::Text(data) = &result.content[0].kind else { panic!() };
    assert_eq!(&*data.text, r#"{"k":[1]}"#);
    let PartKind::Text(text) = &request.messages[4].parts[1].kind else { panic!() };
    let citation = &text.citations[0];
    assert_eq!((citation.start, citation.end), (Some(0), Some(5)));
    assert_eq!((citation.url.as_deref(), citation.title.as_deref()), (Some("u"), Some("T")));
}

#[test]
fn an_edit_comes_out_once() {
    let mut request = chat(
        r#"{"model":"m","messages":[{"role":"assistant","content":null,"tool_plan":null}],
            "max_tokens":null,"strict_tools":null}"#,
    );
    request.output.tokens_max = RawNumber::parse("9");
    request.messages[0].parts.push(llm_core::prompt::Part::text("now"));
    let body = json(&sent(&Prompt::Chat(request), false).body);
    assert_eq!(body["max_tokens"], 9);
    assert_eq!(body["messages"][0]["content"], "now");
}

#[test]
fn what_is_wrong_is_named() {
    for (body, param) in [
        (r#"{"model":"m"}"#, "messages"),
        (r#"{"messages":[]}"#, "model"),
        (r#"{"model":"m","messages":[{"role":"tool","content":"x"}]}"#, "messages.0.tool_call_id"),
        (
            r#"{"model":"m","messages":[{"role":"user","content":[{"text":"x"}]}]}"#,
            "messages.0.content.0.type",
        ),
        (r#"{"model":"m","messages":[{"role":"user","content":7}]}"#, "messages.0.content"),
        (r#"{"model":"m","messages":[],"k":"3"}"#, "k"),
    ] {
        let route = caller().route(&Method::POST, "/v2/chat").unwrap();
        let bytes = Bytes::from_static(body.as_bytes());
        let bad = caller().decode(&route, Body::json(&bytes)).unwrap_err();
        assert_eq!(bad.param.as_deref(), Some(param), "{body}");
    }
}

#[test]
fn the_other_questions_return_as_they_came() {
    for (path, body) in [
        (
            "/v2/embed",
            r#"{"model":"m","texts":["a"],"input_type":"search_query","embedding_types":["float","int8"],
            "truncate":"END","output_dimension":256,"max_tokens":null,"x":1}"#,
        ),
        ("/v1/embed", r#"{"model":"m","texts":[],"embedding_types":[]}"#),
        (
            "/v2/embed",
            r#"{"model":"m","images":["data:image/png;base64,iVBO"],"input_type":"image"}"#,
        ),
        (
            "/v2/embed",
            r#"{"model":"m","inputs":[{"content":[{"type":"text","text":"a","y":1},
            {"type":"image_url","image_url":{"url":"https://x"}}],"x":2}],"input_type":"classification"}"#,
        ),
        (
            "/v2/rerank",
            r#"{"model":"m","query":"q","documents":["a",{"text":"b"}],"top_n":1,
            "max_tokens_per_doc":9,"return_documents":true}"#,
        ),
        ("/v1/tokenize", r#"{"model":"m","text":"a","x":1}"#),
    ] {
        let encoded = sent(&asked(path, body), false);
        assert_eq!(json(&encoded.body), json(body.as_bytes()));
        assert_eq!(shown(&encoded.losses), [""; 0]);
    }
    let one = caller().route(&Method::GET, "/v1/models/command-r?x=1").unwrap();
    assert_eq!(one.model.as_deref(), Some("command-r"));
    assert!(caller().route(&Method::POST, "/v1/chat").is_none());
    assert!(caller().route(&Method::GET, "/v1/modelsx").is_none());
}

#[test]
fn vectors_need_a_purpose() {
    let foreign = |purpose: Option<&'static str>| llm_core::prompt::EmbedRequest {
        input: vec![EmbedInput::Text("a".into())],
        purpose: purpose.map(Into::into),
        ..Default::default()
    };
    for (purpose, word, lost) in [
        (None, "search_document", vec!["Approximated purpose"]),
        (Some("RETRIEVAL_QUERY"), "search_query", vec![]),
        (Some("classification"), "classification", vec![]),
    ] {
        let encoded = sent(&Prompt::Embed(foreign(purpose)), false);
        let body = json(&encoded.body);
        assert_eq!(body["input_type"], word);
        assert_eq!(body["embedding_types"], serde_json::json!(["float"]));
        assert_eq!(shown(&encoded.losses), lost);
    }
    let tokens = llm_core::prompt::EmbedRequest {
        input: vec![EmbedInput::Tokens(vec![1])],
        ..Default::default()
    };
    let cx = SendCx { model: "m", stream: false, usage_frame: false, capability: &CAPABLE };
    assert!(upstream().encode(&Prompt::Embed(tokens), &cx).is_err());
}
