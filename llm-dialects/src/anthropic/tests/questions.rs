//! Requests of other dialects: reshaped until the API takes them, with every loss named.

use llm_core::dialect::{BadReason, DialectId};
use llm_core::prompt::{
    Audio, JsonSchema, Media, MediaSource, Message, OutputFormat, ReasoningSpec, Role, Tool,
    ToolChoice, ToolKind, ToolResult,
};

use super::*;

pub(super) fn question(text: &'static str) -> Request {
    let messages = vec![Message::text(Role::User, text)];
    Request { model: "m".into(), messages, ..Request::default() }
}

fn message(role: Role, parts: Vec<Part>) -> Message {
    Message { role, parts, extra: Extra::default() }
}

fn result(id: &'static str, text: &'static str) -> Part {
    let content = vec![Part::text(text)];
    let result = ToolResult { call_id: id.into(), content, ..ToolResult::default() };
    Part::new(PartKind::ToolResult(result))
}

fn tool(name: &'static str, schema: &'static str) -> Tool {
    let schema = Some(Raw::parse(schema).unwrap());
    let kind = ToolKind::Function { schema, strict: None };
    Tool { name: name.into(), description: None, kind, cache: None, extra: Extra::default() }
}

fn spec(effort: &'static str) -> Option<ReasoningSpec> {
    Some(ReasoningSpec { effort: Some(effort.into()), ..ReasoningSpec::default() })
}

#[test]
fn results_and_instructions_go_where_they_belong() {
    let mut request = question("q");
    request.system = vec![Message::text(Role::Developer, "be brief")];
    request.messages.extend([
        message(Role::Assistant, vec![Part::text(" "), call("a", "{}"), call("b.c", "{\"x\":1}")]),
        message(Role::User, vec![Part::text("meanwhile")]),
        message(Role::Tool, vec![result("a", "one")]),
        Message::text(Role::System, "and kind"),
        message(Role::Tool, vec![result("b.c", "")]),
        message(Role::Assistant, vec![Part::text("so ")]),
    ]);
    let (body, losses) = sent(&request);
    let id = body["messages"][1]["content"][1]["id"].clone();
    assert!(id.as_str().unwrap().starts_with("b_c_"));
    let want = json!([
        {"role": "user", "content": [{"type": "text", "text": "q"}]},
        {"role": "assistant", "content": [
            {"type": "tool_use", "id": "a", "name": "find", "input": {}},
            {"type": "tool_use", "id": id, "name": "find", "input": {"x": 1}}]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "a", "content": "one"},
            {"type": "tool_result", "tool_use_id": id, "content": ""},
            {"type": "text", "text": "meanwhile"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "so"}]},
    ]);
    assert_eq!(body["messages"], want);
    let system =
        json!([{"type": "text", "text": "be brief"}, {"type": "text", "text": "and kind"}]);
    assert_eq!(body["system"], system);
    assert_eq!(body["max_tokens"], 4096);
    assert_eq!(losses, ["=messages.4", "=messages.3.parts.0", "=messages.5.parts.0"]);
}

#[test]
fn the_user_has_the_first_word() {
    let mut request = question("q");
    request.messages[0].role = Role::Assistant;
    request.messages.push(Message::text(Role::User, "go"));
    let (body, losses) = sent(&request);
    assert_eq!(body["messages"][0]["role"], "user");
    assert_eq!(losses, ["~messages.0"]);
    let system = vec![Message::text(Role::System, "tell me")];
    let alone = Request { model: "m".into(), system, ..Request::default() };
    let (body, losses) = sent(&alone);
    assert_eq!(
        body["messages"][0],
        json!({"role": "user", "content": [{"type": "text", "text": "tell me"}]})
    );
    assert!(body.get("system").is_none());
    assert_eq!(losses, ["=system"]);
}

#[test]
fn what_the_api_lacks_is_lost_by_name() {
    let mut request = question("q");
    let s = &mut request.sampling;
    s.temperature = Some(2u64.into());
    (s.top_p, s.seed, s.logprobs) = (Some(1u64.into()), Some(7u64.into()), Some(true));
    s.frequency_penalty = Some(0u64.into());
    let o = &mut request.output;
    (o.candidates, o.verbosity) = (Some(2), Some("low".into()));
    o.stop = vec!["\n".into(), "END".into()];
    o.modalities = vec!["text".into(), "audio".into()];
    request.extra = Extra::new(DialectId::OpenaiChat);
    request.extra.push("store", Raw::parse("true").unwrap());
    request.messages[0].extra = Extra::new(DialectId::OpenaiChat);
    request.messages[0].extra.push("name", Raw::parse("\"n\"").unwrap());
    let (body, losses) = sent(&request);
    assert_eq!(body["temperature"], 1);
    assert_eq!(body["stop_sequences"], json!(["END"]));
    let want = [
        "-messages.0.name",
        "-sampling.top_p",
        "~sampling.temperature",
        "-sampling.frequency_penalty",
        "-sampling.seed",
        "-sampling.logprobs",
        "-output.stop",
        "-output.candidates",
        "-output.modalities",
        "-output.verbosity",
        "-store",
    ];
    assert_eq!(losses, want);
}

#[test]
fn an_answers_form_is_fitted_or_asked_for() {
    let mut request = question("q");
    request.extra = Extra::new(DialectId::OpenaiChat);
    let schema =
        Raw::parse(r#"{"type":"object","properties":{"n":{"type":"integer","minimum":1}}}"#);
    let schema = JsonSchema {
        name: Some("n".into()),
        description: None,
        schema: schema.unwrap(),
        strict: Some(true),
    };
    request.output.format = Some(OutputFormat::Schema(schema));
    let (body, losses) = sent(&request);
    let format = json!({"type": "json_schema", "schema": {"type": "object",
        "properties": {"n": {"type": "integer"}}, "additionalProperties": false}});
    assert_eq!(body["output_config"]["format"], format);
    assert_eq!(losses, ["-output.format.schema.properties.n.minimum"]);
    let older = Capability { json_schema: false, ..Capability::ALL };
    let (body, losses) = sent_to(&request, &older);
    assert!(body["system"][0]["text"].as_str().unwrap().contains("\"minimum\":1"));
    assert!(body.get("output_config").is_none());
    assert_eq!(losses, ["~output.format"]);
    request.output.format = Some(OutputFormat::Json);
    assert_eq!(sent(&request).1, ["~output.format"]);
}

#[test]
fn tools_are_spelled_as_the_api_wants_them() {
    let mut request = question("q");
    let mut strict = tool("s", r#"{"type":"object","properties":{"a":{"maxLength":3}}}"#);
    strict.kind = match strict.kind {
        ToolKind::Function { schema, .. } => ToolKind::Function { schema, strict: Some(true) },
        other => other,
    };
    let mut capitals = tool("g", r#"{"type":"OBJECT","properties":{"a":{"type":"STRING"}}}"#);
    capitals.extra = Extra::new(DialectId::Gemini);
    let free = Tool { kind: ToolKind::Custom, ..tool("f", "{}") };
    let native = ToolKind::Native(opaque(DialectId::Gemini, "googleSearch", "{}"));
    let choice = tool("c", r#"{"anyOf":[{"type":"object"}],"title":"T"}"#);
    let search = Tool { kind: native, ..tool("w", "{}") };
    request.tools = vec![strict, capitals, free, choice, search];
    request.parallel_tools = Some(false);
    let (body, losses) = sent(&request);
    let tools = body["tools"].as_array().unwrap();
    assert_eq!(tools.len(), 4);
    assert_eq!(tools[0]["strict"], true);
    assert_eq!(tools[0]["input_schema"]["additionalProperties"], false);
    assert_eq!(tools[1]["input_schema"]["properties"]["a"]["type"], "string");
    assert_eq!(tools[2]["input_schema"]["required"], json!(["input"]));
    assert_eq!(tools[3]["input_schema"], json!({"type": "object", "title": "T"}));
    assert_eq!(body["tool_choice"], json!({"type": "auto", "disable_parallel_tool_use": true}));
    let want = [
        "-tools.0.schema.properties.a.maxLength",
        "~tools.2.kind",
        "-tools.3.schema.anyOf",
        "-tools.4",
    ];
    assert_eq!(losses, want);

    request.tool_choice = Some(ToolChoice::Among { names: vec!["g".into()], required: true });
    let (body, losses) = sent(&request);
    assert_eq!(body["tools"].as_array().unwrap().len(), 1);
    assert_eq!(body["tool_choice"]["type"], "any");
    assert!(losses.contains(&"~tool_choice".to_owned()));
    request.tools.clear();
    let (body, losses) = sent(&request);
    assert!(body.get("tools").is_none() && body.get("tool_choice").is_none());
    assert_eq!(losses, ["-tool_choice"]);
}

#[test]
fn thinking_is_a_budget_for_older_models_and_an_effort_for_newer() {
    let mut request = question("q");
    request.sampling.temperature = Some(0u64.into());
    request.reasoning = spec("high");
    let (body, losses) = sent(&request);
    assert_eq!(body["thinking"], json!({"type": "enabled", "budget_tokens": 16384}));
    assert_eq!(body["max_tokens"], 16384 + 4096);
    assert_eq!(losses, ["~reasoning.effort", "-sampling.temperature"]);

    request.output.tokens_max = Some(2000u64.into());
    let (body, _) = sent(&request);
    assert_eq!(
        (&body["thinking"]["budget_tokens"], &body["max_tokens"]),
        (&json!(1600), &json!(2000))
    );
    request.output.tokens_max = Some(500u64.into());
    let (body, losses) = sent(&request);
    assert!(body.get("thinking").is_none());
    assert_eq!((&body["temperature"], losses), (&json!(0), vec!["-reasoning".to_owned()]));

    let newer = Capability { sampling: false, output_tokens_max: 9000, ..Capability::ALL };
    request.reasoning = spec("minimal");
    let (body, losses) = sent_to(&request, &newer);
    assert_eq!(body["thinking"], json!({"type": "adaptive"}));
    assert_eq!(body["output_config"], json!({"effort": "low"}));
    assert_eq!(losses, ["~reasoning.effort", "-sampling.temperature"]);
    for (effort, thinking) in
        [("none", json!({"type": "disabled"})), ("max", json!({"type": "adaptive"}))]
    {
        request.reasoning = spec(effort);
        assert_eq!(sent_to(&request, &newer).0["thinking"], thinking);
    }
}

#[test]
fn thinking_gives_way_to_what_excludes_it() {
    let mut request = question("q");
    request.reasoning = spec("low");
    request.tools = vec![tool("t", "{}")];
    request.tool_choice = Some(ToolChoice::Required);
    let (body, losses) = sent(&request);
    assert!(body.get("thinking").is_none());
    assert_eq!(losses, ["-reasoning"]);
    request.tool_choice = None;
    request.messages.push(message(Role::Assistant, vec![call("a", "{}")]));
    request.messages.push(message(Role::Tool, vec![result("a", "r")]));
    assert_eq!(sent(&request).1, ["-reasoning"]);
    let mut signed = Part::new(PartKind::Reasoning("hm".into()));
    signed.state = Some(opaque(ID, "signature", "\"Eq\""));
    request.messages[1].parts.insert(0, signed);
    let (body, _) = sent(&request);
    assert_eq!(body["thinking"]["type"], "enabled");
    assert_eq!(body["messages"][1]["content"][0]["signature"], "Eq");
    let plain = Capability { reasoning: false, ..Capability::ALL };
    assert_eq!(sent_to(&request, &plain).1, ["-reasoning"]);
}

#[test]
fn state_of_others_and_thoughts_without_signature_stay_away() {
    let mut request = question("q");
    let mut foreign = Part::new(PartKind::Reasoning("hm".into()));
    foreign.state = Some(opaque(DialectId::OpenaiResponses, "encrypted_content", "\"e\""));
    let mut signed_call = call("a", "{}");
    signed_call.state = Some(opaque(DialectId::Gemini, "thoughtSignature", "\"g\""));
    let unsigned = Part::new(PartKind::Reasoning("hm".into()));
    let mut redacted = Part::new(PartKind::Reasoning("".into()));
    redacted.state = Some(opaque(ID, "redacted_thinking", "\"Em\""));
    let refusal = Part::new(PartKind::Refusal(llm_core::prompt::Text::new("no")));
    let parts = vec![foreign, unsigned, redacted, refusal, signed_call, call("b", "{\"cut")];
    request.messages.push(message(Role::Assistant, parts));
    request.messages.push(message(Role::Tool, vec![result("a", "r")]));
    let (body, losses) = sent(&request);
    let want = json!([
        {"type": "redacted_thinking", "data": "Em"}, {"type": "text", "text": "no"},
        {"type": "tool_use", "id": "a", "name": "find", "input": {}},
        {"type": "tool_use", "id": "b", "name": "find", "input": {"input": "{\"cut"}},
    ]);
    assert_eq!(body["messages"][1]["content"], want);
    let at = |what: &str| format!("messages.1.parts.{what}");
    let want = [
        format!("-{}", at("0")),
        format!("-{}", at("1")),
        format!("~{}", at("3")),
        format!("-{}", at("4.state")),
        format!("~{}", at("5.arguments")),
    ];
    assert_eq!(losses, want);
}

#[test]
fn media_is_spelled_or_refused() {
    let base64 = |data: &'static str, mime: Option<&'static str>| Media {
        mime: mime.map(Into::into),
        ..Media::new(MediaSource::Base64(data.into()))
    };
    let ask = |kind: PartKind| {
        let mut request = question("q");
        let extra = Extra::new(DialectId::OpenaiChat);
        request.messages[0].parts = vec![Part { extra, ..Part::new(kind) }];
        let capability = Capability::ALL;
        let cx = SendCx { model: "m", stream: false, usage_frame: false, capability: &capability };
        let encoded = Anthropic.encode(&Prompt::Chat(request), &cx)?;
        Ok::<_, llm_core::dialect::BadRequest>(
            parsed(&encoded.body)["messages"][0]["content"][0].clone(),
        )
    };
    let image = ask(PartKind::Image(base64("/9j/4A", None))).unwrap();
    assert_eq!(
        image["source"],
        json!({"type": "base64", "media_type": "image/jpeg", "data": "/9j/4A"})
    );
    let pdf = Media { name: Some("a.pdf".into()), ..base64("JVBERi0", None) };
    let pdf = ask(PartKind::File(pdf)).unwrap();
    assert_eq!(
        (&pdf["source"]["media_type"], &pdf["title"]),
        (&json!("application/pdf"), &json!("a.pdf"))
    );
    let text = ask(PartKind::File(base64("aGk=", Some("text/csv")))).unwrap();
    assert_eq!(text["source"], json!({"type": "text", "media_type": "text/plain", "data": "hi"}));
    let picture = ask(PartKind::File(base64("iVBORw0KGgo", None))).unwrap();
    assert_eq!(picture["type"], "image");
    let url = Media::new(MediaSource::Url("https://d".into()));
    assert_eq!(
        ask(PartKind::File(url)).unwrap()["source"],
        json!({"type": "url", "url": "https://d"})
    );

    let id = Media::new(MediaSource::Id("file-1".into()));
    let sound = Audio { media: base64("AA", Some("audio/wav")), transcript: None };
    let refused = [
        PartKind::Image(id.clone()),
        PartKind::File(id),
        PartKind::Audio(sound),
        PartKind::Video(base64("AA", None)),
        PartKind::File(base64("AAAA", Some("font/ttf"))),
    ];
    for kind in refused {
        let error = ask(kind).unwrap_err();
        assert_eq!(error.reason, BadReason::Unsupported);
        assert_eq!(error.param.as_deref(), Some("messages.0.parts.0"));
    }
}
