//! Words by which a text is understood without a model, and how they are looked for.
//!
//! English words stand alone, or end in `*` where anything may follow; Korean ones change their ends
//! and are found anywhere.

use unicode_normalization::UnicodeNormalization;

/// A text in the notation that words are looked for in.
#[derive(Debug)]
pub(super) struct Plain(String);

impl Plain {
    pub(super) fn new(text: &str) -> Self {
        Self(text.nfkc().flat_map(char::to_lowercase).collect())
    }

    pub(super) fn text(&self) -> &str {
        &self.0
    }

    /// How many of these words are in it; they are parted by bars.
    pub(super) fn count(&self, words: &str) -> usize {
        words.split('|').filter(|word| self.has(word)).count()
    }

    /// Whether any of them is.
    pub(super) fn any(&self, words: &str) -> bool {
        words.split('|').any(|word| self.has(word))
    }

    fn has(&self, word: &str) -> bool {
        if word.is_empty() {
            return false;
        }
        let (stem, open) = match word.strip_suffix('*') {
            Some(stem) => (stem, true),
            None => (word, false),
        };
        if !stem.is_ascii() {
            return self.0.contains(stem);
        }
        self.0.match_indices(stem).any(|(at, _)| {
            let (before, after) = (&self.0[..at], &self.0[at + stem.len()..]);
            // Korean endings are glued to foreign words: `python으로`.
            let ends = |letter: Option<char>| !letter.is_some_and(|l| l.is_ascii_alphanumeric());
            ends(before.chars().next_back()) && (open || ends(after.chars().next()))
        })
    }
}

/// Who is to read the result.
pub(super) const AUDIENCE: &str = "audience|readers|reader|customers|for kids|for children|for beginners|for developers|\
    for students|for my boss|for my team|for managers|for investors|for engineers|for users|\
    aimed at|target*|독자|대상|고객|초보|학생|사용자에게|아이들|어린이|팀원|임원|상사|\
    투자자|개발자를|개발자에게|비전공자|직장인|사람들에게";
/// What the result is for.
pub(super) const PURPOSE: &str = "in order to|so that|goal|purpose|because|i want to|we want to|we need to|i need to|\
    to help|to persuade|to convince|objective|목적|목표|위해|위한|하려고|하고 싶|때문|\
    필요해서|용도|설득";
/// What surrounds the task.
pub(super) const CONTEXT: &str = "context|background|currently|our company|we are|i am|i'm|my team|we have|i have|\
    situation|given|based on|배경|상황|현재|우리 회사|저는|나는|저희|우리 팀|가지고 있|\
    다음은|아래|기반으로|바탕으로|운영|맡고";
/// Who is to speak.
pub(super) const ROLE: &str =
    "you are a*|act as|as an expert|as a|role|당신은|너는|역할|전문가로|입장에서|처럼 행동";
/// How the result is laid out.
pub(super) const FORMAT: &str = "json|table|csv|markdown|bullet*|list|yaml|xml|html|paragraph*|section*|headings|outline|\
    step by step|step-by-step|numbered|columns|format|email|표로|표 형식|목록|리스트|형식|\
    글머리|단락|문단|항목|번호|마크다운|단계별|단계로|제목|이메일|개조식|열로";
/// How long it is, beside a number.
pub(super) const LENGTH: &str = "words|sentences|sentence|characters|lines|pages|minutes long|short|brief|briefly|\
    concise|detailed|paragraphs|tokens|글자|문장|자 이내|자 내외|줄|페이지|짧게|간단히|간략|\
    자세히|상세|분량|이내로|자로|길이";
/// How it sounds.
pub(super) const TONE: &str = "tone|formal*|informal*|friendly|polite*|professional*|casual*|humorous|persuasive|\
    neutral|style|어조|톤|말투|존댓말|반말|정중|친근|격식|전문적|재미있게|부드럽게|문체|딱딱";
/// What it must or must not do.
pub(super) const RULES: &str = "must|must not|do not|don't|only|without|at least|at most|no more than|avoid|exclude|\
    include|should|never|limit*|within|between|반드시|꼭|제외|포함|하지 마|하지 말|않도록|\
    없이|이상|이하|최대|최소|제한|금지|까지만|만 사용|이내";
/// That something is shown.
pub(super) const EXAMPLE: &str = "for example|for instance|e.g.|example*|such as|sample*|like this|input:|output:|예:|\
    예시|예를 들|예)|예컨대|가령|이런 식|샘플|입력:|출력:|처럼 써";
/// What says nothing.
pub(super) const VAGUE: &str = "something|stuff|things|good|nice|better|etc|somehow|whatever|asap|as usual|properly|\
    좋은|좋게|알아서|대충|적당히|뭔가|이것저것|등등|아무거나|잘 |멋지게|그냥|이거|그거";
/// What is to happen in time.
pub(super) const TIME: &str = "day|days|week|weeks|month|months|year|deadline|schedule|hours|hour|weekend|by monday|\
    by friday|tomorrow|quarter|일정|기간|마감|주일|주 동안|주간|개월|하루|박|일간|내일|시간|\
    까지|분기|주말|올해";
/// What it may cost.
pub(super) const BUDGET: &str =
    "budget|cost|costs|dollars|usd|$*|price|krw|예산|비용|만원|만 원|원 이내|가격|금액";
/// Which language or frame a program is in.
pub(super) const STACK: &str = "python|rust|java|javascript|typescript|kotlin|swift|go|golang|c++|c#|sql|postgres*|\
    mysql|sqlite|react|vue|node|django|spring|flutter|html|css|bash|shell|excel|php|ruby|\
    파이썬|자바|자바스크립트|타입스크립트|코틀린|러스트|리액트|스프링|엑셀|노드";
/// Which language it is translated to.
pub(super) const TARGET: &str = "to english|into english|to korean|into korean|to japanese|into japanese|to french|\
    into french|to spanish|into spanish|to german|into german|to chinese|into chinese|\
    영어로|한국어로|일본어로|중국어로|프랑스어로|스페인어로|독일어로|한글로|영문으로|\
    국문으로|우리말로";
/// Orders to whoever reads the prompt, and not to whoever answers it.
pub(super) const INJECTION: &str = "ignore previous|ignore all previous|ignore the above|ignore all instructions|\
    ignore your instructions|disregard previous|disregard the above|disregard all|\
    system prompt|developer mode|jailbreak|you are now dan|reveal your instructions|\
    forget your instructions|override your|new instructions:|이전 지시|위의 지시|앞의 지시|\
    지시를 무시|지침을 무시|명령을 무시|시스템 프롬프트|개발자 모드|탈옥|규칙을 무시|\
    모든 규칙을 잊";
