//! Requests return as they came, and say in between what they mean.

use llm_core::prompt::{
    MediaSource, OutputFormat, PartKind, Prompt, Request, Role, ToolChoice, ToolKind,
};
use serde_json::json;

use super::{decode, encode_for, json as parsed};

fn chat(body: &str) -> Request {
    match decode("generateContent", body) {
        Prompt::Chat(request) => request,
        other => panic!("{other:?}"),
    }
}

/// Bodies that must return as they are.
const SPELLINGS: &[&str] = &[
    r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}"#,
    r#"{"contents":{"parts":{"text":"hi"}}}"#,
    r#"{"contents":[{"parts":[{"text":"hi"}]}],"unknown":{"a":[1,2.50]},"labels":{"a":"b"}}"#,
    r#"{"contents":[],"tools":[],"toolConfig":{},"generationConfig":{}}"#,
    r#"{"contents":null,"tools":null,"toolConfig":null,"generationConfig":null,"systemInstruction":null}"#,
    r#"{"model":"models/gemini-2.5-flash","contents":[]}"#,
    r#"{"model":"gemini-2.5-flash","contents":[]}"#,
    r#"{"system_instruction":{"role":"x","parts":{"text":"be brief"}},"contents":[]}"#,
    r#"{"systemInstruction":"be brief","contents":[]}"#,
    r#"{"systemInstruction":{"parts":[{"text":"a"},{"text":"b","thought":false}],"more":1},"contents":[]}"#,
    r#"{"contents":[{"role":"function","parts":[{"functionResponse":{"name":"f","response":{"result":1}}}]}]}"#,
    r#"{"contents":[{"role":"tool","parts":[{"text":null,"functionCall":{"name":"f"}}]},{"role":"model"},{"role":"user","parts":[]}]}"#,
    r#"{"contents":[{"role":"model","parts":[{"text":"","thoughtSignature":"QUJD"},{"thought_signature":"QUJD"},{"thought":true},{}]}]}"#,
    r#"{"contents":[{"role":"model","parts":[{"text":"t","thought":true,"thoughtSignature":"QUJD","later":1},{"executableCode":{"language":1,"code":"x"}},{"codeExecutionResult":{"outcome":"OUTCOME_OK","output":"1"},"thoughtSignature":"QQ=="}]}]}"#,
    r#"{"contents":[{"role":"user","parts":[{"inline_data":{"mime_type":"image/png","data":"-_8"}},{"inlineData":{"data":"+/8=","displayName":"p","x":1}},{"inlineData":{"mimeType":"audio/wav","data":"_-8="}},{"fileData":{"file_uri":"https://youtu.be/x"},"videoMetadata":{"fps":2}},{"file_data":{"fileUri":"gs://b/o","mime_type":"video/mp4"},"mediaResolution":{"level":"MEDIA_RESOLUTION_LOW"}}]}]}"#,
    r#"{"contents":[{"role":"model","parts":[{"functionCall":{"id":"a","name":"f","args":{"x":1.0},"willContinue":false},"thoughtSignature":"QQ=="},{"function_call":{"name":"f"}},{"functionCall":{"name":"f","args":{}}},{"functionCall":{"args":null}}]},{"role":"user","parts":[{"functionResponse":{"id":"a","name":"f","response":{"output":"{\"a\":1}"},"scheduling":"SILENT"}},{"function_response":{"name":"f","response":{"output":{"deep":[1]}}}},{"functionResponse":{"name":"f","response":{"error":"no"}}},{"functionResponse":{"name":"f","response":{"output":"x","more":1},"parts":[{"inlineData":{"mimeType":"image/png","data":"QUJD"}}]}},{"functionResponse":{"name":"f","response":{"result":null},"parts":[]}},{"functionResponse":{"name":"f"}}]}]}"#,
    r#"{"contents":[],"tools":[{"functionDeclarations":[{"name":"a","description":"","parameters":{"type":"OBJECT","properties":{"nullable":{"type":"STRING","nullable":true},"type":{"type":"ARRAY","items":{"type":"INTEGER","format":"int32"}}}},"behavior":"BLOCKING","response":{"type":"STRING"}},{"name":"b","parametersJsonSchema":{"type":"object"}}],"googleSearch":{}},{"codeExecution":{}},{"function_declarations":[{"name":"c","parameters_json_schema":true}]},{"functionDeclarations":[]},{}]}"#,
    r#"{"contents":[],"tools":{"function_declarations":[{"name":"a","parameters":{"type":6,"properties":{"x":{"type":1}}}}]}}"#,
    r#"{"contents":[],"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["a","b"]},"retrievalConfig":{"languageCode":"ko"}}}"#,
    r#"{"contents":[],"tool_config":{"function_calling_config":{"mode":2,"allowed_function_names":["a"]}}}"#,
    r#"{"contents":[],"toolConfig":{"functionCallingConfig":{"mode":"VALIDATED"}}}"#,
    r#"{"contents":[],"toolConfig":{"functionCallingConfig":{"mode":"NEW","x":1}}}"#,
    r#"{"contents":[],"toolConfig":{"functionCallingConfig":{"mode":"AUTO","allowedFunctionNames":[]}}}"#,
    r#"{"contents":[],"generationConfig":{"temperature":0.70,"topP":1,"top_k":40.0,"candidate_count":2,"maxOutputTokens":1e3,"stop_sequences":["a"],"seed":12345678901,"presencePenalty":0.1,"frequency_penalty":0.2,"responseLogprobs":true,"logprobs":3,"mediaResolution":"X","speechConfig":{"a":1}}}"#,
    r#"{"contents":[],"generationConfig":{"topK":"40","candidateCount":2.0,"stopSequences":[],"responseModalities":["Text"],"maxOutputTokens":null}}"#,
    r#"{"contents":[],"generationConfig":{"responseModalities":["TEXT","IMAGE"],"responseMimeType":"text/plain","thinkingConfig":{"thinkingBudget":0,"includeThoughts":false}}}"#,
    r#"{"contents":[],"generation_config":{"response_modalities":[1,3],"response_mime_type":"application/json","thinking_config":{"thinking_budget":-1,"include_thoughts":true}}}"#,
    r#"{"contents":[],"generationConfig":{"responseMimeType":"application/json","responseSchema":{"type":"OBJECT","properties":{"a":{"type":"STRING","nullable":true}},"propertyOrdering":["a"]},"thinkingConfig":{"thinkingLevel":"HIGH"}}}"#,
    r#"{"contents":[],"generationConfig":{"response_schema":{"type":"string","enum":["a"]},"responseMimeType":"text/x.enum","thinkingConfig":{"thinkingLevel":"low"}}}"#,
    r#"{"contents":[],"generationConfig":{"responseJsonSchema":{"$ref":"x"},"thinkingConfig":{}}}"#,
    r#"{"contents":[],"generationConfig":{"responseSchema":{"type":"STRING"},"thinkingConfig":{"thinkingLevel":1,"new":2}}}"#,
];

#[test]
fn every_spelling_returns() {
    for body in SPELLINGS {
        let encoded = encode_for(&decode("generateContent", body), "gemini-2.5-flash");
        assert!(encoded.losses.is_empty(), "{body}: {:?}", encoded.losses);
        assert_eq!(parsed(&encoded.body), parsed(body.as_bytes()), "{body}");
    }
}

#[test]
fn counts_return_flat_and_wrapped() {
    for body in [
        r#"{"contents":[{"parts":[{"text":"a"}]}]}"#,
        r#"{"contents":[{"parts":[{"text":"a"}]}],"systemInstruction":{"parts":[{"text":"s"}]}}"#,
        r#"{"generateContentRequest":{"model":"models/gemini-2.5-flash","contents":[{"parts":[{"text":"a"}]}],"generationConfig":{"topK":1}},"x":1}"#,
    ] {
        let encoded = encode_for(&decode("countTokens", body), "gemini-2.5-flash");
        assert!(encoded.losses.is_empty());
        assert_eq!(parsed(&encoded.body), parsed(body.as_bytes()), "{body}");
    }
}

#[test]
fn an_edit_comes_out() {
    let mut request = chat(
        r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]}],"systemInstruction":null,
            "tools":[{"functionDeclarations":[{"name":"f","parameters":{"type":"OBJECT"}}]}],
            "generationConfig":{"top_k":1,"maxOutputTokens":null}}"#,
    );
    request.messages[0].parts[0].kind = PartKind::Text(llm_core::prompt::Text::new("bye"));
    request.sampling.top_k = Some(2u64.into());
    request.output.tokens_max = Some(9u64.into());
    request.system.push(llm_core::prompt::Message::text(Role::System, "s"));
    let ToolKind::Function { schema, .. } = &mut request.tools[0].kind else { panic!() };
    *schema = Some(llm_core::raw::Raw::parse(r#"{"type":"object","title":"new"}"#).unwrap());
    let body = encode_for(&Prompt::Chat(request), "gemini-2.5-flash").body;
    let text = String::from_utf8_lossy(&body);
    assert_eq!(text.matches("systemInstruction").count(), 1, "{text}");
    assert_eq!(
        parsed(&body),
        json!({"contents": [{"role": "user", "parts": [{"text": "bye"}]}],
            "systemInstruction": {"parts": [{"text": "s"}]},
            // What a program wrote is JSON Schema, whatever it took the place of.
            "tools": [{"functionDeclarations": [
                {"name": "f", "parametersJsonSchema": {"type": "object", "title": "new"}}]}],
            "generationConfig": {"top_k": 2, "maxOutputTokens": 9}})
    );
}

#[test]
fn words_are_understood() {
    let r = chat(
        r#"{"system_instruction":{"parts":[{"text":"s"}]},
        "contents":[{"parts":[{"text":"u"},{"inline_data":{"mime_type":"image/png","data":"-_8"}}]},
                    {"role":"model","parts":[{"functionCall":{"name":"f","args":{"a":1}}},{"functionCall":{"name":"g"}},{"functionCall":{"name":"f"}}]},
                    {"role":"user","parts":[{"functionResponse":{"name":"f","response":{"output":"one"}}},{"functionResponse":{"name":"f","response":{"error":"two"}}}]}],
        "tools":[{"functionDeclarations":[{"name":"f","parameters":{"type":"OBJECT","properties":{"a":{"type":"STRING","nullable":true}}}}]}],
        "toolConfig":{"functionCallingConfig":{"mode":2,"allowedFunctionNames":["f"]}},
        "generationConfig":{"max_output_tokens":10,"responseMimeType":"application/json","thinkingConfig":{"thinkingLevel":"HIGH","includeThoughts":true}}}"#,
    );
    assert_eq!(r.model, "gemini-2.5-flash");
    assert_eq!(r.system[0].role, Role::System);
    let PartKind::Image(picture) = &r.messages[0].parts[1].kind else { panic!("{r:?}") };
    assert_eq!(picture.source, MediaSource::Base64("+/8=".into()));
    let ids: Vec<_> = r.messages[1]
        .parts
        .iter()
        .map(|p| match &p.kind {
            PartKind::ToolCall(call) => call.id.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(ids.iter().all(|id| id.starts_with("call_gw")) && ids[0] != ids[2]);
    let results: Vec<_> = r.messages[2]
        .parts
        .iter()
        .map(|p| match &p.kind {
            PartKind::ToolResult(result) => (result.call_id.clone(), result.is_error),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(results, [(ids[0].clone(), None), (ids[2].clone(), Some(true))]);
    let ToolKind::Function { schema: Some(schema), .. } = &r.tools[0].kind else { panic!() };
    assert_eq!(
        parsed(schema.get().as_bytes()),
        json!({"type": "object", "properties": {"a": {"type": ["string", "null"]}}})
    );
    assert_eq!(r.tool_choice, Some(ToolChoice::Named("f".into())));
    assert_eq!(r.output.format, Some(OutputFormat::Json));
    let reasoning = r.reasoning.unwrap();
    assert_eq!(reasoning.effort.as_deref(), Some("high"));
    assert_eq!(reasoning.visible, Some(true));
}

#[test]
fn a_wrong_field_is_named() {
    use llm_core::dialect::{Body, CallerDialect};
    for (body, param) in [
        (r#"{"contents":[{"parts":[{"text":7}]}]}"#, "contents.0.parts.0.text"),
        (r#"{"contents":"hi"}"#, "contents"),
        (r#"{"contents":[],"generationConfig":{"topP":1,"top_p":2}}"#, "generationConfig.top_p"),
        (r#"{"contents":[],"contents":[]}"#, "contents"),
        (r#"{"contents":[{"parts":[{"inlineData":{}}]}]}"#, "contents.0.parts.0.inlineData.data"),
    ] {
        let bytes = bytes::Bytes::from(body);
        let route = super::route("generateContent");
        let bad = super::Gemini.decode(&route, Body::json(&bytes)).expect_err(body);
        assert_eq!(bad.param.as_deref(), Some(param), "{body}: {}", bad.message);
    }
}
