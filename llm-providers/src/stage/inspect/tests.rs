use llm_core::prompt::{Message, Part, PartKind, Prompt, Request, Role, ToolCall};

use super::*;

fn rules(rules: &[(Find, Then)], chars_max: Option<u64>) -> Rules {
    let named = |(n, (find, then)): (usize, &(Find, Then))| ContentRule {
        name: format!("rule{n}").into(),
        find: find.clone(),
        then: *then,
    };
    let said = ContentRules { chars_max, rules: rules.iter().enumerate().map(named).collect() };
    let metrics = Metrics::new().unwrap();
    let mut problems = Vec::new();
    let read = Rules::read(&said, &metrics, &mut problems);
    assert_eq!(problems, []);
    read.unwrap()
}

fn masked(find: Find, text: &str) -> String {
    let rules = rules(&[(find, Then::Mask)], None);
    rules.rules[0].apply(text, &mut Names::default()).unwrap_or_else(|| text.to_owned())
}

#[test]
fn what_is_found_is_masked_and_nothing_else() {
    let pem = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----";
    let cases = [
        (Find::Secrets, "key=sk-proj-abcdefghij0123456789 end", "key=******** end"),
        (Find::Secrets, "AKIAIOSFODNN7EXAMPLE", "********"),
        (Find::Secrets, "sk-short and sky-high", "sk-short and sky-high"),
        (Find::Cards, "4111 1111 1111 1111, 비밀", "********, 비밀"),
        (Find::Cards, "4111 1111 1111 1112", "4111 1111 1111 1112"),
        (Find::Cards, "order 1234567890123", "order 1234567890123"),
        (Find::Residents, "주민번호 900101-1234567 입니다", "주민번호 ******** 입니다"),
        (Find::Residents, "901301-1234567", "901301-1234567"),
        (Find::Emails, "<kim.j+x@mail.example.co.kr>", "<********>"),
        (Find::Phones, "010-1234-5678, +82 10 1234 5678", "********, ********"),
        (Find::Accounts, "110-123-456789, 123456-12-123456", "********, ********"),
        (Find::Accounts, "010-1234-5678 2024-01-01", "010-1234-5678 2024-01-01"),
        (Find::Words(vec!["a.b".into(), "금지".into()]), "A.B acb 금지어", "*** acb **어"),
        (Find::Pattern("x+".into()), "xx.y.x", "**.y.*"),
    ];
    for (find, text, expected) in cases {
        assert_eq!(masked(find.clone(), text), expected, "{find:?}");
    }
    assert_eq!(masked(Find::Secrets, &format!("a {pem} b")), "a ******** b");
    // One that was cut off is no less secret.
    assert_eq!(masked(Find::Secrets, &pem[..40]), "********");
}

/// A hold covers the question as it came, and must cover it masked.
#[test]
fn a_mask_is_never_longer() {
    for text in ["비밀", "a", "x@y.zz", "긴긴긴긴긴긴긴긴긴긴 말"] {
        let any = masked(Find::Pattern(r"\S+".into()), text);
        assert!(any.len() <= text.len() && any.chars().count() <= text.chars().count(), "{any}");
    }
}

fn asked(kind: PartKind) -> Prompt {
    let message = Message { parts: vec![Part::new(kind)], ..Message::text(Role::User, "") };
    let mut request = Request::new("m").user("first");
    request.messages.push(message);
    Prompt::Chat(request)
}

fn seen(rules: &Rules, mut prompt: Prompt) -> Result<Prompt, Error> {
    rules.look_at(&mut prompt, &mut Names::default()).map(|_| prompt)
}

#[test]
fn places_are_told_and_contents_are_not() {
    let rules = rules(&[(Find::Emails, Then::Refuse)], Some(40));
    let prompt = asked(Part::text("write to a@b.example").kind);
    let error = seen(&rules, prompt).unwrap_err();
    assert_eq!(error.kind(), Kind::ContentFiltered);
    assert_eq!(error.param().map(|p| p.to_string()).as_deref(), Some("messages.1.content.0"));
    assert!(!format!("{error:?}").contains("a@b"), "{error:?}");

    let long = asked(Part::text("가".repeat(36)).kind);
    assert_eq!(seen(&rules, long).unwrap_err().kind(), Kind::TooLarge);
    assert!(seen(&rules, asked(Part::text("가".repeat(35)).kind)).is_ok());
}

/// A mask that would break the JSON it stands in is a refusal instead.
#[test]
fn arguments_stay_json() {
    let rules = rules(&[(Find::Cards, Then::Mask)], None);
    let call = |arguments: &'static str| {
        asked(PartKind::ToolCall(ToolCall {
            id: "c".into(),
            name: "pay".into(),
            arguments: arguments.into(),
            ..ToolCall::default()
        }))
    };
    let Prompt::Chat(fine) = seen(&rules, call(r#"{"card":"4111111111111111"}"#)).unwrap() else {
        panic!("a chat stays one")
    };
    let PartKind::ToolCall(made) = &fine.messages[1].parts[0].kind else { panic!("a call") };
    assert_eq!(&*made.arguments, r#"{"card":"********"}"#);
    let error = seen(&rules, call(r#"{"card":4111111111111111}"#)).unwrap_err();
    assert_eq!(error.kind(), Kind::ContentFiltered);
}

#[test]
fn rules_that_cannot_work_are_problems() {
    let rule = |find| ContentRule { name: "r".into(), find, then: Then::Mask };
    let said = ContentRules {
        chars_max: None,
        rules: vec![
            rule(Find::Pattern("(".into())),
            rule(Find::Pattern("x*".into())),
            rule(Find::Words(vec![" ".into()])),
            rule(Find::Pattern("fine".into())),
        ],
    };
    let metrics = Metrics::new().unwrap();
    let mut problems = Vec::new();
    Rules::read(&said, &metrics, &mut problems);
    let places: Vec<_> = problems.iter().map(|p| p.place.to_string()).collect();
    assert_eq!(places, ["content.rules.0", "content.rules.1", "content.rules.2"]);
}
