//! What somebody is told to add to a prompt, in Korean or in English.

use llm_core::error::Language;

use super::intent::{Fact, Intent};
use super::score::{Criterion, Risk, Scored};

/// Below this a criterion is worth a word.
const WEAK: u8 = 60;
/// More than this nobody follows.
pub const SUGGESTIONS_MAX: usize = 8;

/// One thing to do about a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suggestion {
    /// What becomes better by it.
    pub criterion: Criterion,
    /// What to do.
    pub text: &'static str,
}

/// What to do about a prompt: what is dangerous first, then what is missing, then what is weak.
pub fn suggestions(intent: &Intent, scored: &Scored, language: Language) -> Vec<Suggestion> {
    let risky = scored.risks.iter().map(|risk| (Criterion::Safety, risk_words(*risk)));
    let missing = intent.missing.iter().map(|fact| (helps(*fact), fact_words(*fact)));
    let mut all: Vec<_> = risky.chain(missing).collect();
    for criterion in Criterion::ALL {
        let told = all.iter().any(|(about, _)| about == criterion);
        if scored.of(*criterion) < WEAK && !told {
            all.push((*criterion, criterion_words(*criterion)));
        }
    }
    let said = |(criterion, [korean, english]): (Criterion, Words)| Suggestion {
        criterion,
        text: match language {
            Language::Korean => korean,
            Language::English => english,
        },
    };
    all.into_iter().take(SUGGESTIONS_MAX).map(said).collect()
}

/// In Korean, and in English.
type Words = [&'static str; 2];

/// What becomes better when a fact is said.
fn helps(fact: Fact) -> Criterion {
    match fact {
        Fact::Material | Fact::Stack | Fact::Audience | Fact::Purpose | Fact::Context => {
            Criterion::Context
        }
        Fact::Target => Criterion::Clarity,
        Fact::Length | Fact::Tone | Fact::Time | Fact::Budget | Fact::Rules => {
            Criterion::Constraints
        }
        Fact::Format => Criterion::Format,
    }
}

fn fact_words(fact: Fact) -> Words {
    match fact {
        Fact::Material => {
            ["다룰 원문이나 자료를 함께 넣어 주세요.", "Include the text or the facts it is about."]
        }
        Fact::Target => ["어느 언어로 옮길지 적어 주세요.", "Say which language to translate to."],
        Fact::Stack => [
            "사용할 프로그래밍 언어와 버전을 적어 주세요.",
            "Name the programming language and its version.",
        ],
        Fact::Audience => ["누가 읽을 글인지 적어 주세요.", "Say who will read it."],
        Fact::Purpose => ["무엇을 위한 것인지 목적을 적어 주세요.", "Say what it is for."],
        Fact::Length => ["원하는 분량을 적어 주세요.", "Say how long it should be."],
        Fact::Tone => ["원하는 말투나 어조를 적어 주세요.", "Say how it should sound."],
        Fact::Format => ["결과의 형식을 적어 주세요.", "Say how the answer should be laid out."],
        Fact::Time => ["기간이나 마감을 적어 주세요.", "Say when, or how long it may take."],
        Fact::Budget => ["예산이나 쓸 수 있는 자원을 적어 주세요.", "Say what it may cost."],
        Fact::Rules => {
            ["반드시 지킬 조건을 적어 주세요.", "Say what must hold, and what must not."]
        }
        Fact::Context => [
            "배경과 상황을 한두 문장으로 적어 주세요.",
            "Give the background in a sentence or two.",
        ],
    }
}

fn risk_words(risk: Risk) -> Words {
    match risk {
        Risk::Injection => [
            "지시를 무시하라는 문구를 빼 주세요.",
            "Take out words that tell the model to ignore its instructions.",
        ],
        Risk::Secret => {
            ["API 키처럼 보이는 값을 지워 주세요.", "Take out what looks like an API key."]
        }
        Risk::Email => ["이메일 주소를 가려 주세요.", "Mask the e-mail address."],
        Risk::Phone => ["전화번호를 가려 주세요.", "Mask the telephone number."],
        Risk::Identity => [
            "주민등록번호나 카드 번호를 지워 주세요.",
            "Take out what looks like the number of a person or a card.",
        ],
    }
}

fn criterion_words(criterion: Criterion) -> Words {
    match criterion {
        Criterion::Clarity => [
            "할 일을 한 문장의 동사로 분명하게 적어 주세요.",
            "Say in one sentence with a verb what is to be done.",
        ],
        Criterion::Context => {
            ["배경과 독자, 목적을 적어 주세요.", "Add the background, the reader and the purpose."]
        }
        Criterion::Constraints => [
            "분량, 어조, 포함하거나 제외할 것을 적어 주세요.",
            "Add limits: length, tone, what to include and what to leave out.",
        ],
        Criterion::Format => {
            ["표, 목록 등 결과의 형식을 정해 주세요.", "Ask for a form: a table, a list, JSON."]
        }
        Criterion::Examples => {
            ["원하는 결과의 예를 하나 보여 주세요.", "Show one example of what you want."]
        }
        Criterion::Safety => ["민감한 내용을 빼 주세요.", "Take out what is sensitive."],
    }
}
