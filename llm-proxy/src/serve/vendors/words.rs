//! What to do about a key, in the languages of those who run gateways.

use serde::Serialize;

use super::trial::Verdict;

/// The same in two languages.
#[derive(Clone, Copy, Debug, Serialize)]
pub(in crate::serve) struct Words {
    en: &'static str,
    ko: &'static str,
}

impl Words {
    /// In English.
    pub(super) fn en(self) -> &'static str {
        self.en
    }
}

/// What a verdict means, and what to do.
pub(super) fn advice(verdict: Verdict) -> Words {
    let (en, ko) = match verdict {
        Verdict::Valid => ("The key works.", "키가 정상적으로 동작합니다."),
        Verdict::Restricted => (
            "The key is known and may not do this. Give it the missing permissions in the \
             provider's console, or use another key.",
            "키는 유효하지만 이 작업의 권한이 없습니다. 제공자 콘솔에서 부족한 권한을 추가하거나 \
             다른 키를 사용하세요.",
        ),
        Verdict::Invalid => (
            "The provider does not know this key. Check that it was copied whole and belongs to \
             this provider, or make a new one in its console.",
            "제공자가 이 키를 인식하지 못합니다. 키 전체가 복사되었는지, 이 제공자의 키가 맞는지 \
             확인하거나 콘솔에서 새 키를 발급하세요.",
        ),
        Verdict::Expired => (
            "The key has expired. Make a new one in the provider's console and replace it here.",
            "키가 만료되었습니다. 제공자 콘솔에서 새 키를 발급해 교체하세요.",
        ),
        Verdict::NoQuota => (
            "Nothing is left of what was paid for. Add credit or raise the spending limit in the \
             provider's billing page; waiting does not help.",
            "결제된 한도를 모두 사용했습니다. 제공자의 결제 페이지에서 크레딧을 충전하거나 지출 \
             한도를 올리세요. 기다려도 해결되지 않습니다.",
        ),
        Verdict::RateLimited => (
            "The key works and too much was asked of it just now. Try again in a minute, add \
             another key to the pool, or ask the provider for a higher limit.",
            "키는 유효하지만 지금은 요청 한도를 초과했습니다. 잠시 후 다시 시도하거나, 키를 \
             추가하거나, 제공자에게 한도 상향을 요청하세요.",
        ),
        Verdict::Unreachable => (
            "Nothing was learnt about the key: the provider did not answer. Check base_url, the \
             network and the provider's status page.",
            "제공자가 응답하지 않아 키를 확인하지 못했습니다. base_url, 네트워크, 제공자 상태 \
             페이지를 확인하세요.",
        ),
        Verdict::Unknown => (
            "The answer says nothing clear about the key. Read what the provider says below.",
            "응답만으로는 키 상태를 판단할 수 없습니다. 아래 제공자의 메시지를 확인하세요.",
        ),
    };
    Words { en, ko }
}
