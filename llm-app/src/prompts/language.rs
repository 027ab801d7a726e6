//! The language that a text is mostly written in, by its letters.

use std::fmt;

/// A Korean syllable says as much as three and a half Latin letters: a Korean sentence with English
/// names in it is Korean, and an English one that quotes a Korean word is English.
const SYLLABLE: usize = 7;
const LETTER: usize = 2;

/// A language that is told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Language {
    /// By hangul.
    Korean,
    /// By Latin letters; other languages that are written in them are taken for it.
    English,
    /// By kana.
    Japanese,
    /// By Han characters without kana.
    Chinese,
    /// Anything else, and what has no letters.
    Other,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Korean, Self::English, Self::Japanese, Self::Chinese, Self::Other];

    /// Of a text.
    pub fn of(text: &str) -> Self {
        let (mut hangul, mut kana, mut han, mut latin, mut other) = (0, 0, 0, 0, 0);
        for letter in text.chars().filter(|letter| letter.is_alphabetic()) {
            let count = match u32::from(letter) {
                0x1100..=0x11ff | 0x3130..=0x318f | 0xac00..=0xd7ff => &mut hangul,
                0x3040..=0x30ff | 0x31f0..=0x31ff => &mut kana,
                0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xf900..=0xfaff | 0x20000..=0x323af => &mut han,
                0x41..=0x5a | 0x61..=0x7a | 0xc0..=0x24f => &mut latin,
                _ => &mut other,
            };
            *count += 1;
        }
        let most = SYLLABLE * hangul.max(kana + han).max(other);
        if most == 0 && latin == 0 {
            Self::Other
        } else if most <= LETTER * latin {
            Self::English
        } else if hangul >= (kana + han).max(other) {
            Self::Korean
        } else if other > kana + han {
            Self::Other
        } else if kana > 0 {
            Self::Japanese
        } else {
            Self::Chinese
        }
    }

    /// The code for it.
    pub fn code(self) -> &'static str {
        match self {
            Self::Korean => "ko",
            Self::English => "en",
            Self::Japanese => "ja",
            Self::Chinese => "zh",
            Self::Other => "other",
        }
    }

    /// By its code.
    pub fn named(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.code() == code)
    }
}

impl fmt::Display for Language {
    /// As models are told it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Korean => "Korean",
            Self::English => "English",
            Self::Japanese => "Japanese",
            Self::Chinese => "Chinese",
            Self::Other => "the language of the request",
        })
    }
}
