use llm_core::prompt::{OutputFormat, PartKind, Role, ToolChoice};

use super::*;

/// Requests whose every spelling must return.
const AS_WRITTEN: &[&str] = &[
    r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#,
    r#"{"model":"m","messages":[],"stream":false,"tools":[],"stop":[],"temperature":0.70,"seed":12345678901234567890123}"#,
    r#"{"model":"m","messages":[{"role":"developer","content":[{"type":"text","text":"be","cache_control":{"type":"ephemeral","ttl":"1h"}}]},
        {"role":"user","name":"Ann","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,QUJD","detail":"low","format":"x"}},
        {"type":"image_url","image_url":"https://a/b.png"},{"type":"input_audio","input_audio":{"data":"QUJD","format":"mp3"}},
        {"type":"file","file":{"file_data":"data:application/pdf;base64,QUJD","filename":"a.pdf"}},{"type":"file","file":{"file_id":"file-1"}},
        {"type":"video_url","video_url":{"url":"https://a/b.mp4"}},{"type":"odd","x":[1,null]}]},
        {"role":"system","content":"in the middle"}],"max_tokens":5,"stop":"x","user":"u","safety_identifier":"s"}"#,
    r#"{"model":"m","messages":[{"role":"assistant","content":null,"refusal":null,"tool_calls":[
        {"id":"a","type":"function","function":{"name":"f","arguments":"{ \"x\": 1 }","k":null},"index":0},
        {"id":"b","type":"custom","custom":{"name":"g","input":"raw"}},
        {"id":"c","function":{"name":"f","arguments":{"x":1}}},{"id":"d","type":"new","new":{}},
        {"id":"e","type":"function","function":{"name":"f","arguments":""},"extra_content":{"google":{"thought_signature":"c2ln"}}}]},
        {"role":"tool","tool_call_id":"a","content":"ok"},
        {"role":"tool","tool_call_id":"b","name":"g","content":[{"type":"text","text":"ok"}]}],
        "tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"},"strict":true,"x":1},"y":2},
        {"type":"custom","custom":{"name":"g","format":{"type":"text"}}},{"type":"web_search","z":1},{"function":{"name":"h"}}],
        "tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"f"}},{"type":"custom","custom":{"name":"g"}}]}},
        "parallel_tool_calls":false}"#,
    r#"{"model":"m","messages":[{"role":"user","content":"w"},{"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{}"}},
        {"role":"function","name":"f","content":"1"}],"functions":[{"name":"f","parameters":{}}],"function_call":{"name":"f"}}"#,
    r#"{"model":"m","messages":[{"role":"assistant","content":"","reasoning_content":"think","tool_calls":[]},
        {"role":"assistant","content":"a","reasoning":"r","reasoning_details":[{"type":"reasoning.text","text":"r","signature":"abc","index":0},{"type":"reasoning.encrypted","data":"zz"}]},
        {"role":"assistant","content":[{"type":"thinking","thinking":[{"type":"text","text":"t"}]},{"type":"text","text":"a"}]},
        {"role":"assistant","content":[{"type":"refusal","refusal":"no"}],"audio":{"id":"audio_1"}},
        {"role":"assistant","reasoning_content":"x","reasoning":"y","content":[]}]}"#,
    r#"{"model":"m","messages":[],"response_format":{"type":"json_schema","x":1,"json_schema":{"name":"n","schema":{"type":"object"},"strict":true,"y":2}},
        "max_completion_tokens":9,"max_tokens":8,"n":1,"modalities":["text","audio"],"audio":{"voice":"v","format":"wav"},"verbosity":"low",
        "reasoning":{"effort":"high","exclude":true,"max_tokens":5,"new":1},"stream_options":{"include_usage":true,"x":1},"stream":true,
        "logit_bias":{"5":1},"top_k":40,"tool_choice":"any","thinking":{"type":"enabled"}}"#,
    r#"{"model":"m","messages":[],"response_format":{"type":"grammar","g":1},"reasoning_effort":"minimal","thinking":{"type":"disabled"},
        "modalities":[],"tool_choice":{"type":"new"},"response_format2":null,"user":null}"#,
    r#"{"model":"m","messages":[],"thinking":{"type":"enabled","budget_tokens":100}}"#,
];

#[test]
fn half_a_pair_is_refused_where_it_is_read_and_kept_where_it_is_not() {
    let body = r#"{"model":"m","messages":[],"new":["\ud800"]}"#;
    let request = decode(body);
    let sent = encode_for(&request, &Capability::ALL);
    assert!(std::str::from_utf8(&sent.body).unwrap().contains(r#""new":["\ud800"]"#));
    let body =
        Bytes::from_static(br#"{"model":"m","messages":[{"role":"user","content":"\ud800"}]}"#);
    let route = OpenaiChat.route(&http::Method::POST, "/chat/completions").unwrap();
    let refused = OpenaiChat.decode(&route, Body::json(&body)).unwrap_err();
    assert_eq!(refused.param.as_deref(), Some("messages.0.content"));
}

#[test]
fn requests_return_as_they_were_written() {
    for body in AS_WRITTEN {
        let (again, losses) = encode(&decode(body));
        assert_eq!(again, json(body.as_bytes()));
        assert_eq!(losses, [""; 0], "{body}");
    }
}

#[test]
fn an_edit_comes_out() {
    let body =
        r#"{"model":"m","messages":[{"role":"user","content":"hi","x":1}],"max_tokens":null}"#;
    let mut request = decode(body);
    request.messages[0].parts.push(llm_core::prompt::Part::text("more"));
    request.output.tokens_max = Some(5u64.into());
    let (again, _) = encode(&request);
    assert_eq!(again["messages"][0]["content"][1]["text"], "more");
    assert_eq!(again["messages"][0]["x"], 1);
    assert_eq!(again["max_completion_tokens"], 5);
    assert!(again["max_tokens"].is_null());
    let mut request = decode(r#"{"model":"m","messages":[{"role":"assistant","content":null}]}"#);
    request.messages[0].parts.push(llm_core::prompt::Part::text("now"));
    assert_eq!(encode(&request).0["messages"][0]["content"], "now");
}

#[test]
fn words_are_understood() {
    let request = decode(AS_WRITTEN[2]);
    assert_eq!(request.system.len(), 1);
    assert_eq!(request.system[0].role, Role::Developer);
    assert_eq!(request.messages[1].role, Role::System);
    assert!(request.system[0].parts[0].cache.as_ref().is_some_and(|c| c.ttl.is_some()));
    let request = decode(AS_WRITTEN[3]);
    assert!(
        matches!(&request.tool_choice, Some(ToolChoice::Among { names, .. }) if names.len() == 2)
    );
    let PartKind::ToolCall(call) = &request.messages[0].parts[0].kind else { panic!() };
    assert_eq!((&*call.id, &*call.arguments), ("a", "{ \"x\": 1 }"));
    assert!(request.messages[0].parts[4].state.is_some());
    let request = decode(AS_WRITTEN[6]);
    assert!(matches!(request.output.format, Some(OutputFormat::Schema(_))));
    assert_eq!(request.reasoning.unwrap().visible, Some(false));
}

#[test]
fn old_results_belong_to_their_calls() {
    let request = decode(AS_WRITTEN[4]);
    let PartKind::ToolCall(call) = &request.messages[1].parts[0].kind else { panic!() };
    let PartKind::ToolResult(result) = &request.messages[2].parts[0].kind else { panic!() };
    assert_eq!(call.id, result.call_id);
}

#[test]
fn usage_is_asked_for_beside_what_the_caller_asked() {
    let request = decode(
        r#"{"model":"m","messages":[],"stream":true,"stream_options":{"include_usage":false,"x":1}}"#,
    );
    let cx =
        SendCx { model: "other", stream: true, usage_frame: true, capability: &Capability::ALL };
    let body = json(&OpenaiChat.encode(&Prompt::Chat(request), &cx).unwrap().body);
    assert_eq!(body["stream_options"], serde_json::json!({"include_usage": true, "x": 1}));
    assert_eq!(body["model"], "other");
    let plain = decode(r#"{"model":"m","messages":[]}"#);
    let body = json(&OpenaiChat.encode(&Prompt::Chat(plain), &cx).unwrap().body);
    assert_eq!(body["stream_options"], serde_json::json!({"include_usage": true}));
}

#[test]
fn what_is_wrong_is_named() {
    for (body, param) in [
        (r#"{"messages":[]}"#, "model"),
        (r#"{"model":"m"}"#, "messages"),
        (r#"{"model":"m","messages":[{"role":"bot"}]}"#, "messages.0.role"),
        (
            r#"{"model":"m","messages":[{"role":"user","content":[{"text":"x"}]}]}"#,
            "messages.0.content.0.type",
        ),
        (r#"{"model":"m","messages":[{"role":"tool","content":"x"}]}"#, "messages.0.tool_call_id"),
        (r#"{"model":"m","messages":[],"temperature":"hot"}"#, "temperature"),
        (r#"{"model":"m","messages":[],"seed":1,"seed":2}"#, "seed"),
        (r#"{"model":"m","messages":[],"n":70000}"#, "n"),
    ] {
        let route = OpenaiChat.route(&http::Method::POST, "/chat/completions").unwrap();
        let bad = OpenaiChat.decode(&route, Body::json(&Bytes::from(body.to_owned()))).unwrap_err();
        assert_eq!(bad.param.as_deref(), Some(param), "{bad}");
    }
}
