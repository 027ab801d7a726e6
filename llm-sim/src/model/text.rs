//! What the model says: an answer that shows what was understood.
//!
//! It quotes the question, so that a test that speaks of "blue" finds "blue" in the answer and a
//! person who tries the keyless gateway sees that the words arrived. Two wishes are obeyed to the
//! letter, because tests of gateways need texts of a known content and of a known length:
//! `reply with exactly: …` and `… in 200 words`.

use llm_core::prompt::{Media, MediaSource, Part, PartKind, Request, Role};

use super::tokens;

/// A long question is quoted so far; the whole of it would make answers as long as prompts.
const QUOTE_CHARS_MAX: usize = 240;
/// A tool's result is quoted further, because the answer is about it.
const RESULT_CHARS_MAX: usize = 600;
/// The most words one can ask for.
const WORDS_MAX: usize = 20_000;

/// Whether a text is written in Korean.
pub(crate) fn is_korean(text: &str) -> bool {
    text.chars().any(|c| ('가'..='힣').contains(&c))
}

/// The last thing the person said.
pub(crate) fn question(request: &Request) -> String {
    let spoken =
        |m: &&llm_core::prompt::Message| m.role == Role::User && !words(&m.parts).is_empty();
    let last = request.messages.iter().rev().find(spoken);
    let text = last.map(|m| words(&m.parts));
    text.or_else(|| request.system.last().map(|m| words(&m.parts))).unwrap_or_default()
}

/// The text of parts, joined by line ends.
pub(crate) fn words(parts: &[Part]) -> String {
    let mut out = String::new();
    for part in parts {
        let text = match &part.kind {
            PartKind::Text(t) | PartKind::Refusal(t) => &t.text,
            PartKind::File(Media { source: MediaSource::Text(text), .. }) => text,
            _ => continue,
        };
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(text);
    }
    out
}

/// The answer to a request that wants text.
pub(crate) fn answer(request: &Request, question: &str, candidate: u16) -> String {
    if let Some(wanted) = dictated(question) {
        return wanted;
    }
    if let Some(count) = length_wanted(question) {
        return filler(count, is_korean(question));
    }
    let results = results(request);
    let korean = is_korean(question);
    let mut out =
        if results.is_empty() { echo(question, korean) } else { from_results(&results, korean) };
    let seen = media(request);
    if seen > 0 && results.is_empty() {
        out.push_str(&if korean {
            format!(" 첨부하신 파일 {seen}개도 확인했습니다.")
        } else {
            format!(" I have also looked at the {seen} attachment(s) you sent.")
        });
    }
    let turns = request.messages.iter().filter(|m| m.role == Role::User).count();
    if turns > 1 && results.is_empty() {
        out.push_str(&if korean {
            format!(" 이번이 {turns}번째 질문입니다.")
        } else {
            format!(" This is turn {turns} of our conversation.")
        });
    }
    if candidate > 0 {
        out.push_str(&format!(" ({})", candidate + 1));
    }
    out
}

/// What the model thinks before it answers.
pub(crate) fn thoughts(question: &str) -> String {
    let topic = short(question, 80);
    if is_korean(question) {
        format!("사용자가 \"{topic}\"에 대해 묻고 있다. 핵심을 정리한 뒤 간결하게 답하자.")
    } else {
        format!(
            "The user asks about \"{topic}\". I should sort out the main point and answer briefly."
        )
    }
}

fn echo(question: &str, korean: bool) -> String {
    let topic = short(question, QUOTE_CHARS_MAX);
    match (korean, topic.is_empty()) {
        (true, _) => format!(
            "말씀하신 \"{topic}\"에 대한 시뮬레이션 답변입니다. 핵심을 먼저 정리하고, 필요한 부분을 \
             하나씩 확인해 나가면 됩니다."
        ),
        (false, true) => "Hello! How can I help you today?".to_owned(),
        (false, false) => format!(
            "You said: \"{topic}\". This is a simulated answer to it: start from the main point, \
             check it step by step, and ask again where something is unclear."
        ),
    }
}

fn from_results(results: &[(String, String)], korean: bool) -> String {
    let mut out =
        String::from(if korean { "확인한 결과입니다." } else { "Here is what I found." });
    for (name, text) in results {
        let text = short(text, RESULT_CHARS_MAX);
        let from = match (korean, name.is_empty()) {
            (_, true) => format!(" {text}"),
            (true, false) => format!(" {name} 결과: {text}"),
            (false, false) => format!(" From {name}: {text}"),
        };
        out.push_str(&from);
        if !out.ends_with('.') {
            out.push('.');
        }
    }
    out
}

/// The results that came since the model last spoke, each with the name of its tool.
fn results(request: &Request) -> Vec<(String, String)> {
    let name_of = |id: &str| {
        let parts = request.messages.iter().flat_map(|m| &m.parts);
        let mut calls = parts.filter_map(|p| match &p.kind {
            PartKind::ToolCall(call) => Some(call),
            _ => None,
        });
        calls.find(|c| c.id == id).map(|c| c.name.to_string())
    };
    let mut out = Vec::new();
    let last = request.messages.iter().rposition(|m| m.role == Role::Assistant);
    for message in &request.messages[last.map_or(0, |n| n + 1)..] {
        for part in &message.parts {
            if let PartKind::ToolResult(result) = &part.kind {
                let given = result.name.as_ref().map(ToString::to_string);
                let name = given.or_else(|| name_of(&result.call_id)).unwrap_or_default();
                out.push((name, words(&result.content)));
            }
        }
    }
    out
}

fn media(request: &Request) -> usize {
    let Some(last) = request.messages.iter().rev().find(|m| m.role == Role::User) else { return 0 };
    let seen = |p: &&Part| {
        matches!(
            p.kind,
            PartKind::Image(_) | PartKind::Audio(_) | PartKind::Video(_) | PartKind::File(_)
        )
    };
    last.parts.iter().filter(seen).count()
}

/// The text after `exactly:`, to the end of its line.
fn dictated(question: &str) -> Option<String> {
    let lower = question.to_ascii_lowercase();
    let at = lower.rfind("exactly: ")? + "exactly: ".len();
    let line = question.get(at..)?.lines().next()?.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

fn length_wanted(question: &str) -> Option<usize> {
    let mut last = None;
    for word in question.split_whitespace() {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        if let Some(count) = last
            && matches!(bare, "words" | "tokens" | "단어" | "단어로")
        {
            return Some(count).map(|n: usize| n.min(WORDS_MAX));
        }
        last = bare.parse().ok().filter(|n| *n > 0);
    }
    None
}

/// A text of so many words, each of one token.
pub(crate) fn filler(count: usize, korean: bool) -> String {
    const ENGLISH: [&str; 16] = [
        "the", "light", "of", "a", "small", "lamp", "shows", "more", "paths", "than", "one",
        "walker", "can", "take", "in", "time",
    ];
    const KOREAN: [&str; 8] = ["빛", "길", "물", "숲", "달", "별", "꽃", "산"];
    let words: &[&str] = if korean { &KOREAN } else { &ENGLISH };
    let mut out = String::with_capacity(count * 5);
    for word in words.iter().cycle().take(count) {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    debug_assert_eq!(tokens::tokens(&out), count as u64);
    out
}

/// The first characters of a text, on one line.
fn short(text: &str, chars_max: usize) -> String {
    let mut out = String::new();
    for (n, c) in text.trim().chars().enumerate() {
        if n == chars_max {
            out.push('…');
            break;
        }
        out.push(if c == '\n' || c == '\r' { ' ' } else { c });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(text: &str) -> String {
        let mut request = Request::default();
        request.messages.push(llm_core::prompt::Message::text(Role::User, text));
        answer(&request, &question(&request), 0)
    }

    #[test]
    fn answers_speak_of_the_question() {
        assert!(ask("Why is the sky blue?").contains("sky blue"));
        assert!(is_korean(&ask("하늘은 왜 파란가요?")));
        assert_eq!(ask("Reply with exactly: pong 42"), "pong 42");
        assert_eq!(tokens::tokens(&ask("Tell a story in 200 words.")), 200);
        assert_eq!(ask("same"), ask("same"));
    }
}
