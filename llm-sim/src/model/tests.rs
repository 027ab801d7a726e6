//! The model, asked in words.

use llm_core::answer::Answer;
use llm_core::completion::{Completion, FinishReason, collect};
use llm_core::dialect::DialectId;
use llm_core::event::laws::Sequence;
use llm_core::prompt::{
    CacheMark, JsonSchema, Message, OutputFormat, Part, PartKind, Prompt, ReasoningSpec, Request,
    Role, Tool, ToolChoice, ToolKind, ToolResult,
};
use llm_core::raw::{Raw, RawNumber};
use serde_json::{Value, json};

use super::{Wish, answer, input, stream, tokens};

fn request(text: &str) -> Request {
    let messages = vec![Message::text(Role::User, text)];
    Request { model: "m".into(), messages, ..Request::default() }
}

fn tool(name: &str, schema: &Value) -> Tool {
    let schema = Some(Raw::of(schema).unwrap());
    Tool {
        name: name.into(),
        description: None,
        kind: ToolKind::Function { schema, strict: None },
        cache: None,
        extra: Default::default(),
    }
}

fn weather() -> Tool {
    let city =
        json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    tool("get_weather", &city)
}

fn ask(request: &Request, dialect: DialectId, wish: &Wish<'_>) -> Completion {
    match answer(&Prompt::Chat(request.clone()), dialect, &[], wish) {
        Answer::Chat(whole) => whole,
        other => panic!("{other:?}"),
    }
}

fn chat(request: &Request) -> Completion {
    ask(request, DialectId::OpenaiChat, &Wish::default())
}

fn calls(whole: &Completion) -> Vec<(String, String)> {
    let parts = whole.candidates[0].parts.iter();
    parts
        .filter_map(|p| match &p.kind {
            PartKind::ToolCall(c) => Some((c.name.to_string(), c.arguments.to_string())),
            _ => None,
        })
        .collect()
}

fn reason(whole: &Completion) -> &FinishReason {
    &whole.candidates[0].finish.as_ref().unwrap().reason
}

#[test]
fn the_same_question_gets_the_same_answer() {
    let mut asked = request("What is the capital of France?");
    let first = chat(&asked);
    asked.sampling.temperature = RawNumber::parse("1.7");
    assert_eq!(first, chat(&asked));
    assert!(first.text(0).contains("capital of France"));
    let usage = first.usage.unwrap().usage;
    assert_eq!(usage.output, tokens::tokens(&chat(&asked).text(0)));
    assert_eq!(
        usage.input,
        tokens::tokens("What is the capital of France?") + input::MESSAGE_TOKENS
    );
}

#[test]
fn caps_and_stops_are_kept() {
    let mut asked = request("Tell a story in 200 words");
    asked.output.tokens_max = Some(7u64.into());
    let cut = chat(&asked);
    assert_eq!((reason(&cut), tokens::tokens(&cut.text(0))), (&FinishReason::Length, 7));
    let over =
        ask(&asked, DialectId::OpenaiChat, &Wish { ignore_max_tokens: true, ..Wish::default() });
    assert_eq!(tokens::tokens(&over.text(0)), 200);
    let mut asked = request("Reply with exactly: one two three");
    asked.output.stop = vec!["two".into(), "three".into()];
    let stopped = ask(&asked, DialectId::Anthropic, &Wish::default());
    assert_eq!(stopped.text(0), "one ");
    let finish = stopped.candidates[0].finish.as_ref().unwrap();
    assert_eq!(finish.extra.get("stop_sequence").unwrap().get(), "\"two\"");
}

#[test]
fn tools_are_called_when_they_fit() {
    let mut asked = request("What is the weather in Paris and Oslo?");
    asked.tools = vec![tool("send_mail", &json!({"type": "object"})), weather()];
    let both = chat(&asked);
    let wanted = [r#"{"city":"Paris"}"#, r#"{"city":"Oslo"}"#];
    let wanted: Vec<_> =
        wanted.iter().map(|a| ("get_weather".to_owned(), (*a).to_owned())).collect();
    assert_eq!(calls(&both), wanted);
    assert_eq!(reason(&both), &FinishReason::ToolCalls);
    asked.parallel_tools = Some(false);
    assert_eq!(calls(&chat(&asked)).len(), 1);
    asked.tool_choice = Some(ToolChoice::Never);
    assert!(calls(&chat(&asked)).is_empty());
    asked.tool_choice = Some(ToolChoice::Named("send_mail".into()));
    assert_eq!(calls(&chat(&asked))[0].0, "send_mail");
    let mut other = request("Tell me a joke");
    other.tools = vec![weather()];
    assert!(calls(&chat(&other)).is_empty());
    other.tool_choice = Some(ToolChoice::Required);
    assert_eq!(calls(&chat(&other)).len(), 1);
}

#[test]
fn results_become_an_answer() {
    let mut asked = request("weather in Paris?");
    asked.tools = vec![weather()];
    asked.tool_choice = Some(ToolChoice::Required);
    let first = chat(&asked);
    let PartKind::ToolCall(call) = &first.candidates[0].parts[0].kind else { panic!("no call") };
    let parts = first.candidates[0].parts.clone();
    asked.messages.push(Message { role: Role::Assistant, parts, extra: Default::default() });
    let content = vec![Part::text("21 degrees")];
    let result = ToolResult { call_id: call.id.clone(), content, ..ToolResult::default() };
    let parts = vec![Part::new(PartKind::ToolResult(result))];
    asked.messages.push(Message { role: Role::Tool, parts, extra: Default::default() });
    let text = chat(&asked).text(0);
    assert!(text.contains("21 degrees") && text.contains("get_weather"), "{text}");
}

#[test]
fn thoughts_are_signed_where_the_vendor_signs() {
    let mut asked = request("think hard");
    asked.reasoning =
        Some(ReasoningSpec { effort: Some("high".into()), ..ReasoningSpec::default() });
    let anthropic = ask(&asked, DialectId::Anthropic, &Wish::default());
    let thought = &anthropic.candidates[0].parts[0];
    assert!(matches!(&thought.kind, PartKind::Reasoning(text) if !text.is_empty()));
    assert_eq!(thought.state.as_ref().unwrap().kind, "signature");
    assert!(anthropic.usage.unwrap().usage.reasoning > 0);
    let openai = chat(&asked);
    assert!(openai.candidates[0].parts.iter().all(|p| matches!(p.kind, PartKind::Text(_))));
    assert!(openai.usage.unwrap().usage.reasoning > 0);
}

#[test]
fn schemas_and_candidates() {
    let mut asked = request("one two");
    let schema =
        json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]});
    asked.output.format = Some(OutputFormat::Schema(JsonSchema {
        name: None,
        description: None,
        schema: Raw::of(&schema).unwrap(),
        strict: Some(true),
    }));
    let value: Value = serde_json::from_str(&chat(&asked).text(0)).unwrap();
    assert!(value["n"].is_i64());
    asked.output.format = None;
    asked.output.candidates = Some(3);
    assert_eq!(chat(&asked).candidates.len(), 3);
}

#[test]
fn marked_prefixes_are_cached() {
    let cache = input::PromptCache::default();
    let wish = || Wish { cache: Some(&cache), ..Wish::default() };
    let mut asked = request("question");
    asked.system = vec![Message::text(Role::System, "long instructions that repeat")];
    asked.system[0].parts[0].cache = Some(CacheMark::default());
    let first = ask(&asked, DialectId::Anthropic, &wish()).usage.unwrap().usage;
    let again = ask(&asked, DialectId::Anthropic, &wish()).usage.unwrap().usage;
    assert!(first.cache_write > 0 && first.cache_read == 0);
    assert_eq!((again.cache_read, again.cache_write), (first.cache_write, 0));
    assert_eq!(first.input_total(), again.input_total());
}

#[test]
fn streams_fold_to_the_whole() {
    let mut asked = request("What is the weather in Paris and Oslo? \"quoted\"");
    asked.output.candidates = Some(2);
    asked.sampling.logprobs = Some(true);
    for tools in [Vec::new(), vec![weather()]] {
        asked.tools = tools;
        for dialect in [DialectId::OpenaiChat, DialectId::Anthropic, DialectId::Gemini] {
            let whole = ask(&asked, dialect, &Wish::default());
            let events = stream::events(&whole, dialect);
            let mut laws = Sequence::default();
            events.iter().for_each(|e| laws.check(e).unwrap());
            assert_eq!(collect(&events), whole);
        }
    }
}
