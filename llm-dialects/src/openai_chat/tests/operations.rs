use llm_core::answer::Vector;
use llm_core::prompt::EmbedInput;

use super::*;

fn prompt(path: &str, body: &'static str) -> Prompt {
    let route = OpenaiChat.route(&http::Method::POST, path).unwrap();
    OpenaiChat.decode(&route, Body::json(&Bytes::from_static(body.as_bytes()))).unwrap()
}

fn answer(operation: Operation, body: &'static str) -> Answer {
    let body = Bytes::from_static(body.as_bytes());
    OpenaiChat.decode_answer(operation, Body::json(&body)).unwrap()
}

#[test]
fn requests_of_all_operations_return_as_written() {
    for (path, body) in [
        (
            "/v1/embeddings",
            r#"{"model":"m","input":"a","encoding_format":"base64","dimensions":3,"user":"u","x":1}"#,
        ),
        ("/v1/embeddings", r#"{"model":"m","input":["a","b"]}"#),
        ("/v1/embeddings", r#"{"model":"m","input":[1,2]}"#),
        ("/v1/embeddings", r#"{"model":"m","input":[[1],[2,3]]}"#),
        (
            "/v1/rerank",
            r#"{"model":"m","query":"q","documents":["a",{"text":"b"}],"top_n":1,"return_documents":true}"#,
        ),
        ("/v1/moderations", r#"{"input":"a"}"#),
        (
            "/v1/moderations",
            r#"{"model":"m","input":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"https://a"}}]}"#,
        ),
        (
            "/v1/images/generations",
            r#"{"model":"m","prompt":"p","n":1,"size":"1x1","quality":"high"}"#,
        ),
    ] {
        let prompt = prompt(path, body);
        let model = if body.contains("model") { "m" } else { "" };
        let cx = SendCx { model, stream: false, usage_frame: false, capability: &Capability::ALL };
        let sent = OpenaiChat.encode(&prompt, &cx).unwrap();
        assert_eq!(json(&sent.body), json(body.as_bytes()));
        assert!(sent.losses.is_empty());
    }
}

#[test]
fn answers_of_all_operations_return_as_written() {
    for (operation, body) in [
        (
            Operation::Embed,
            r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.1,-2.5]}],"model":"m","usage":{"prompt_tokens":1,"total_tokens":1}}"#,
        ),
        (
            Operation::Embed,
            r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1,-2]}],"model":"m"}"#,
        ),
        (
            Operation::Rerank,
            r#"{"id":"r","model":"m","results":[{"index":1,"relevance_score":0.90,"document":{"text":"b"}}],"usage":{"total_tokens":5}}"#,
        ),
        (
            Operation::ListModels,
            r#"{"object":"list","data":[{"id":"m","object":"model","created":1,"owned_by":"o","x":1},{"id":"n"}]}"#,
        ),
        (Operation::ListModels, r#"{"id":"m","object":"model","created":1,"owned_by":"o"}"#),
        (
            Operation::Moderate,
            r#"{"id":"x","model":"m","results":[{"flagged":true,"categories":{"a":true,"b":false},"category_scores":{"a":0.9,"b":1e-5},"category_applied_input_types":{}}]}"#,
        ),
        (
            Operation::Image,
            r#"{"created":1,"data":[{"b64_json":"QUJD","revised_prompt":"p","x":1}],"usage":{"input_tokens":1,"output_tokens":2,"total_tokens":3,"input_tokens_details":{"text_tokens":1}}}"#,
        ),
        (
            Operation::Transcribe,
            r#"{"text":"hi","language":"en","duration":1.50,"segments":[1],"usage":{"type":"duration","seconds":2}}"#,
        ),
        (
            Operation::Transcribe,
            r#"{"text":"hi","usage":{"type":"tokens","input_tokens":1,"output_tokens":2,"total_tokens":3}}"#,
        ),
    ] {
        let answer = answer(operation, body);
        let rendered = OpenaiChat.encode_answer(&answer, &RenderCx::default());
        assert_eq!(json(&rendered.body), json(body.as_bytes()));
        assert!(rendered.losses.is_empty(), "{:?}", rendered.losses);
    }
}

#[test]
fn vectors_come_in_the_form_that_was_asked_for() {
    let floats = answer(
        Operation::Embed,
        r#"{"data":[{"index":1,"embedding":[0.5]},{"index":0,"embedding":[0.1,1.0]}]}"#,
    );
    let want =
        |format: &'static str| RenderCx { format: Some(format.into()), ..RenderCx::default() };
    let body = json(&OpenaiChat.encode_answer(&floats, &want("base64")).body);
    assert_eq!(body["data"][0]["embedding"], "zczMPQAAgD8=");
    let Answer::Embed(read) =
        answer(Operation::Embed, r#"{"data":[{"index":0,"embedding":"zczMPQAAgD8="}]}"#)
    else {
        panic!()
    };
    assert!(matches!(&read.sets[0].vectors[0], Vector::Base64(_)));
    let body = json(&OpenaiChat.encode_answer(&Answer::Embed(read), &want("float")).body);
    assert_eq!(body["data"][0]["embedding"], serde_json::json!([0.1, 1.0]));
}

#[test]
fn forms_are_read_and_written() {
    let form = "--b\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nm\r\n--b\r\n\
        content-disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\ncontent-type: audio/mpeg\r\n\r\nABC\r\n--b\r\n\
        content-disposition: form-data; name=\"temperature\"\r\n\r\n0.50\r\n--b\r\n\
        content-disposition: form-data; name=\"include[]\"\r\n\r\nlogprobs\r\n--b--\r\n";
    let bytes = Bytes::from_static(form.as_bytes());
    let route = OpenaiChat.route(&http::Method::POST, "/v1/audio/transcriptions").unwrap();
    let found = OpenaiChat.peek(&route, &bytes).unwrap();
    assert_eq!(&*found.model.value, "m");
    let body = Body { bytes: &bytes, content_type: Some("multipart/form-data; boundary=b") };
    let first = OpenaiChat.decode(&route, body).unwrap();
    let cx = SendCx { model: "m", stream: false, usage_frame: false, capability: &Capability::ALL };
    let sent = OpenaiChat.encode(&first, &cx).unwrap();
    let body = Body { bytes: &sent.body, content_type: Some(&sent.content_type) };
    assert_eq!(OpenaiChat.decode(&route, body).unwrap(), first);
    let Prompt::Transcribe(request) = first else { panic!() };
    assert_eq!(request.fields.len(), 1);
    let plain = Bytes::from_static(b"1\n00:00 --> 00:01\nhi\n");
    let body = Body { bytes: &plain, content_type: Some("text/plain") };
    let Ok(Answer::Transcribe(read)) = OpenaiChat.decode_answer(Operation::Transcribe, body) else {
        panic!()
    };
    assert!(read.plain);
}

#[test]
fn transcripts_stream() {
    let text = sse(&[
        r#"{"type":"transcript.text.delta","delta":"a "}"#,
        r#"{"type":"transcript.text.segment","id":"s"}"#,
        r#"{"type":"transcript.text.delta","delta":"b"}"#,
        r#"{"type":"transcript.text.done","text":"a b","usage":{"type":"tokens","input_tokens":1,"output_tokens":2}}"#,
    ]);
    let mut driver = Driver::new(Framing::Sse, OpenaiChat.stream_decoder(Operation::Transcribe));
    let mut out = Vec::new();
    driver.feed(text.into(), &mut out);
    driver.finish(&mut out);
    let done = collect(&out);
    assert_eq!((done.text(0).as_str(), done.ended), ("a b", true));
    assert_eq!(done.usage.unwrap().usage.output, 2);
}

#[test]
fn what_is_no_text_cannot_be_embedded() {
    let Prompt::Embed(mut request) = prompt("/v1/embeddings", r#"{"model":"m","input":"a"}"#)
    else {
        panic!()
    };
    let media =
        llm_core::prompt::Media::new(llm_core::prompt::MediaSource::Url("https://a".into()));
    let picture = llm_core::prompt::Part::new(llm_core::prompt::PartKind::Image(media));
    request.input = vec![EmbedInput::Parts(vec![picture])];
    let cx = SendCx { model: "m", stream: false, usage_frame: false, capability: &Capability::ALL };
    let bad = OpenaiChat.encode(&Prompt::Embed(request), &cx).unwrap_err();
    assert_eq!(bad.param.as_deref(), Some("input.0"));
}
