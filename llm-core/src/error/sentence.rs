//! What people are told, in their own language: the only place that does.

use super::Kind;

impl Kind {
    /// A sentence for the person in front of the application.
    pub fn user_message(self, language: Language) -> &'static str {
        let (english, korean) = self.sentences();
        match language {
            Language::English => english,
            Language::Korean => korean,
        }
    }

    fn sentences(self) -> (&'static str, &'static str) {
        match self {
            Self::BadRequest => ("The request is not valid.", "요청이 올바르지 않습니다."),
            Self::Unsupported => {
                ("This model cannot do that.", "이 모델은 해당 기능을 지원하지 않습니다.")
            }
            Self::TooLarge => ("The request is too large.", "요청이 너무 큽니다."),
            Self::Unauthenticated => ("The API key is not valid.", "API 키가 유효하지 않습니다."),
            Self::Forbidden => ("This key may not do that.", "이 키에는 해당 권한이 없습니다."),
            Self::UnknownModel => ("There is no such model.", "해당 모델을 찾을 수 없습니다."),
            Self::CreditExhausted => ("The credit is used up.", "크레딧이 모두 소진되었습니다."),
            Self::QuotaExceeded => ("The quota is used up.", "사용 한도를 초과했습니다."),
            Self::RateLimited | Self::UpstreamRateLimited => (
                "Too many requests. Please wait a moment.",
                "요청이 너무 많습니다. 잠시 후 다시 시도해 주세요.",
            ),
            Self::Busy | Self::LedgerUnavailable | Self::UpstreamOverloaded => (
                "The service is busy. Please try again soon.",
                "서비스가 혼잡합니다. 잠시 후 다시 시도해 주세요.",
            ),
            Self::ContextOverflow => {
                ("The text is too long for this model.", "입력이 모델의 최대 길이를 초과했습니다.")
            }
            Self::ContentFiltered => {
                ("The content was blocked.", "콘텐츠 정책에 따라 차단되었습니다.")
            }
            Self::UpstreamKeyRejected | Self::UpstreamQuota => (
                "The AI service is not available. The operator has to act.",
                "AI 서비스를 이용할 수 없습니다. 관리자에게 문의해 주세요.",
            ),
            Self::UpstreamFailed | Self::ConnectFailed | Self::CorruptReply => (
                "The AI service failed. Please try again.",
                "AI 서비스에 오류가 발생했습니다. 다시 시도해 주세요.",
            ),
            Self::BrokenStream => ("The answer broke off.", "응답이 중간에 끊어졌습니다."),
            Self::Timeout | Self::DeadlinePassed => {
                ("It took too long.", "응답 시간이 초과되었습니다.")
            }
            Self::Cancelled => ("The request was cancelled.", "요청이 취소되었습니다."),
            Self::Internal => ("Something went wrong on our side.", "내부 오류가 발생했습니다."),
        }
    }
}

/// A language in which we speak to people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// Korean.
    Korean,
}
