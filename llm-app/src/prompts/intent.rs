//! What a prompt wants: its class, its domain, its language, and which facts a good answer would
//! need that it does not say. Rules alone, and the same for the same text always.

use super::language::Language;
use super::lexicon::{self as words, Plain};

/// What somebody understood of a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// What is to be done.
    pub class: Class,
    /// What it is about.
    pub domain: Domain,
    /// What it is written in.
    pub language: Language,
    /// What a good answer would need to know, most important first.
    pub missing: Vec<Fact>,
}

macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$about:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$about])* $variant,)+ }

        impl $name {
            /// All of them, in the order in which a draw is decided.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];
            /// Their words.
            pub const WORDS: &[&'static str] = &[$($word,)+];

            /// The word for it.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// By its word.
            pub fn named(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.word() == word)
            }
        }
    };
}
pub(crate) use named;

named! {
    /// What is to be done.
    Class {
        /// From one language to another.
        Translation = "translation",
        /// Less of the same.
        Summary = "summary",
        /// A program, or a part of one.
        Code = "code",
        /// The same, better.
        Editing = "editing",
        /// Parts of a text, as data.
        Extraction = "extraction",
        /// What follows from facts.
        Analysis = "analysis",
        /// Steps in time.
        Plan = "plan",
        /// Several to choose from.
        Ideas = "ideas",
        /// A text that is not there yet.
        Writing = "writing",
        /// Something to be known.
        Question = "question",
        /// Nothing that is known here.
        Other = "other",
    }
}

named! {
    /// What a prompt is about.
    Domain {
        /// Software.
        Programming = "programming",
        /// Numbers and tables.
        Data = "data",
        /// Law and contracts.
        Legal = "legal",
        /// Health.
        Medical = "medical",
        /// Money.
        Finance = "finance",
        /// Selling.
        Marketing = "marketing",
        /// Teaching and learning.
        Education = "education",
        /// Journeys.
        Travel = "travel",
        /// Stories, verses, scripts.
        Creative = "creative",
        /// Work in companies.
        Business = "business",
        /// Everything else.
        General = "general",
    }
}

named! {
    /// A fact that a good answer needs.
    Fact {
        /// The text, the numbers or the program that it is about.
        Material = "material",
        /// The language to translate to.
        Target = "target_language",
        /// The programming language or frame.
        Stack = "stack",
        /// Who reads it.
        Audience = "audience",
        /// What it is for.
        Purpose = "purpose",
        /// How long it is to be.
        Length = "length",
        /// How it is to sound.
        Tone = "tone",
        /// How it is to be laid out.
        Format = "format",
        /// When, or how long.
        Time = "time",
        /// What it may cost.
        Budget = "budget",
        /// What must hold.
        Rules = "rules",
        /// What surrounds it.
        Context = "context",
    }
}

/// What a class is known by.
fn class_words(class: Class) -> &'static str {
    match class {
        Class::Translation => "translat*|번역|영어로 옮|한국어로 옮",
        Class::Summary => "summar*|tl;dr|key points|condense|요약|정리해|핵심만|줄여",
        Class::Code => {
            "code|function|script|implement*|debug*|refactor*|unit test*|sql query|regex|bug|\
            compile*|class|api endpoint|코드|함수|구현|디버그|디버깅|리팩터링|리팩토링|\
            테스트 코드|쿼리|정규식|버그|스크립트|프로그램"
        }
        Class::Editing => {
            "rewrite|proofread|improve|polish|edit|rephrase|fix the grammar|correct|고쳐|\
            다듬|수정해|교정|맞춤법|바꿔|자연스럽게"
        }
        Class::Extraction => "extract|pull out|parse|classify|label|추출|뽑아|분류|골라",
        Class::Analysis => {
            "analy*|compare|evaluate|assess|review|pros and cons|trend*|분석|비교|평가|검토|\
            장단점|추세|원인을|원인은|원인이|원인 분석|원인 가설"
        }
        Class::Plan => {
            "plan|roadmap|schedule|itinerary|curriculum|strategy|계획|일정|로드맵|커리큘럼|\
            코스|전략|루틴"
        }
        Class::Ideas => {
            "ideas|brainstorm*|suggest*|names for|recommend*|아이디어|브레인스토밍|추천|제안|\
            이름 지어|후보"
        }
        Class::Writing => {
            "write|draft|compose|create|generate|story|poem|essay|post|letter|article|써|\
            작성|만들어|글|소설| 시를|에세이|편지|보고서|자기소개서|카피"
        }
        Class::Question => {
            "what|why|how|when|who|which|where|explain|is it|can i|tell me|왜|어떻게|무엇|뭐|\
            언제|어디|누구|설명|알려|인가요|일까|나요|뭔가요"
        }
        Class::Other => "",
    }
}

fn domain_words(domain: Domain) -> &'static str {
    match domain {
        Domain::Programming => {
            "code|python|rust|java|javascript|typescript|react|api|function|bug|compile*|\
            server|sql|git|docker|algorithm|코드|함수|서버|파이썬|자바|리액트|알고리즘|쿼리|\
            개발|프로그램|버그"
        }
        Domain::Data => {
            "dataset|data|csv|spreadsheet|excel|statistics|regression|chart|sales figures|\
            metric*|dashboard|데이터|통계|엑셀|지표|그래프|설문|매출|표본"
        }
        Domain::Legal => {
            "contract|legal|law|lawyer|clause|terms of service|privacy policy|lease|gdpr|\
            계약|법률|법적|조항|약관|소송|임대차|개인정보처리방침|특허"
        }
        Domain::Medical => {
            "symptom*|patient*|diagnos*|medicine|dose|health|doctor|diabetes|therapy|증상|\
            환자|진단|약물|복용|건강 |건강검|병원|당뇨|치료|두통|간호"
        }
        Domain::Finance => {
            "invest*|stock|stocks|portfolio|tax|loan|mortgage|interest rate|fund|retirement|\
            투자|주식|세금|대출|금리|펀드|연금|재무|환율"
        }
        Domain::Marketing => {
            "marketing|campaign|brand*|advert*|ad copy|landing page|slogan|seo|instagram|\
            product launch|newsletter|마케팅|광고|브랜드|슬로건|카피|홍보|인스타그램|캠페인|\
            뉴스레터|상세페이지"
        }
        Domain::Education => {
            "student*|lesson|teach*|exam|homework|curriculum|quiz|school|class for|study|\
            학생|수업|강의|시험|과제|커리큘럼|퀴즈|학교|공부|교육|문제를 내"
        }
        Domain::Travel => {
            "travel|trip|itinerary|flight*|hotel*|vacation|tour|여행|항공|호텔|숙소|관광|\
            맛집|제주|코스"
        }
        Domain::Creative => {
            "story|poem|novel|lyrics|screenplay|character|fiction|haiku|소설| 시를|동화|가사|\
            시나리오|등장인물|이야기|웹툰"
        }
        Domain::Business => {
            "business|meeting|email|proposal|report|startup|company|kpi|hiring|customer*|\
            manager|사업|회의|이메일|메일|제안서|보고서|회사|스타트업|채용|고객|면접|\
            자기소개서"
        }
        Domain::General => "",
    }
}

/// What a class needs to be told, most important first.
fn needs(class: Class) -> &'static [Fact] {
    use Fact::{
        Audience, Budget, Context, Format, Length, Material, Purpose, Rules, Stack, Target, Time,
        Tone,
    };
    match class {
        Class::Translation => &[Material, Target, Tone],
        Class::Summary => &[Material, Length, Audience],
        Class::Code => &[Stack, Context, Rules],
        Class::Editing => &[Material, Tone, Purpose],
        Class::Extraction => &[Material, Format],
        Class::Analysis => &[Material, Purpose, Format],
        Class::Plan => &[Time, Budget, Purpose],
        Class::Ideas => &[Purpose, Audience, Rules],
        Class::Writing => &[Audience, Purpose, Length, Tone],
        Class::Question => &[Context],
        Class::Other => &[Purpose, Context, Format],
    }
}

/// Understands a prompt. What somebody has said of it holds over what is found.
pub fn understand(prompt: &str, domain: Option<Domain>, language: Option<Language>) -> Intent {
    let plain = Plain::new(prompt);
    let class = best(Class::ALL, |class| plain.count(class_words(class))).unwrap_or_else(|| {
        if prompt.contains(['?', '？']) { Class::Question } else { Class::Other }
    });
    let found = || best(Domain::ALL, |domain| plain.count(domain_words(domain)));
    let missing = needs(class).iter().copied().filter(|fact| !says(&plain, prompt, *fact));
    Intent {
        class,
        domain: domain.or_else(found).unwrap_or(Domain::General),
        language: language.unwrap_or_else(|| Language::of(prompt)),
        missing: missing.collect(),
    }
}

/// The first of those with the most; `None` where none has any.
fn best<T: Copy>(all: &[T], count: impl Fn(T) -> usize) -> Option<T> {
    let mut found = (None, 0);
    for one in all {
        let many = count(*one);
        if many > found.1 {
            found = (Some(*one), many);
        }
    }
    found.0
}

/// Whether a prompt says a fact.
fn says(plain: &Plain, prompt: &str, fact: Fact) -> bool {
    match fact {
        Fact::Material => has_material(prompt),
        Fact::Target => plain.any(words::TARGET),
        Fact::Stack => plain.any(words::STACK),
        Fact::Audience => plain.any(words::AUDIENCE),
        Fact::Purpose => plain.any(words::PURPOSE),
        Fact::Length => plain.any(words::LENGTH),
        Fact::Tone => plain.any(words::TONE),
        Fact::Format => plain.any(words::FORMAT),
        Fact::Time => plain.any(words::TIME),
        Fact::Budget => plain.any(words::BUDGET),
        Fact::Rules => plain.any(words::RULES),
        Fact::Context => plain.any(words::CONTEXT),
    }
}

/// Letters from which on a prompt surely brings what it is about.
const MATERIAL_CHARS: usize = 240;
/// A quotation of so many letters is what it is about, and no name.
const QUOTED_CHARS: usize = 12;

/// Whether the prompt brings what it is about: quoted, fenced, behind a colon at a line's end, or
/// because it is long.
pub(super) fn has_material(prompt: &str) -> bool {
    let long = prompt.chars().count() >= MATERIAL_CHARS;
    let mut lines = prompt.lines().map(str::trim).skip_while(|line| !line.ends_with([':', '：']));
    let follows = lines.next().is_some() && lines.any(|line| !line.is_empty());
    long || follows || prompt.contains("```") || prompt.contains("{{") || is_quoted(prompt)
}

fn is_quoted(prompt: &str) -> bool {
    let pairs = [('"', '"'), ('“', '”'), ('\'', '\''), ('‘', '’'), ('「', '」')];
    pairs.into_iter().any(|(open, close)| {
        let Some((_, rest)) = prompt.split_once(open) else { return false };
        let Some((inner, _)) = rest.rsplit_once(close) else { return false };
        inner.chars().count() >= QUOTED_CHARS
    })
}
