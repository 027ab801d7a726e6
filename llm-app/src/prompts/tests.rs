//! Forty prompts and more, and what rules say of each: held against a file, so that a change of the
//! rules is seen for what it is.

mod kept;

use std::fmt::Write as _;

use llm_core::error::Language as Told;

use super::advice::suggestions;
use super::score::Criterion;
use super::*;

const FIXTURE: &str = include_str!("tests/prompts.txt");

/// Prompts of the fixture: parted by lines of three dashes.
fn prompts() -> Vec<&'static str> {
    FIXTURE.split("\n---\n").map(str::trim).filter(|prompt| !prompt.is_empty()).collect()
}

#[test]
fn rules_say_of_every_prompt_what_they_said() {
    let all = prompts();
    assert!(all.len() >= 40, "{}", all.len());
    let mut found = String::new();
    for prompt in all {
        let read = Prompts::read(prompt, None, None).unwrap();
        let intent = &read.intent;
        let head: String = prompt.lines().next().unwrap().chars().take(60).collect();
        let missing: Vec<_> = intent.missing.iter().map(|fact| fact.word()).collect();
        let risks: Vec<_> = read.scored.risks.iter().map(|risk| risk.word()).collect();
        let (class, domain) = (intent.class.word(), intent.domain.word());
        writeln!(found, "{head}\n  {class} / {domain} / {}", intent.language.code()).unwrap();
        writeln!(found, "  missing: {}", missing.join(", ")).unwrap();
        let each = Criterion::ALL.iter().map(|c| format!("{} {}", c.word(), read.scored.of(*c)));
        let each = each.collect::<Vec<_>>().join(", ");
        writeln!(found, "  {} = {each}", read.scored.whole).unwrap();
        if !risks.is_empty() {
            writeln!(found, "  risks: {}", risks.join(", ")).unwrap();
        }
        let told = match intent.language.code() {
            "ko" => Told::Korean,
            _ => Told::English,
        };
        for suggestion in suggestions(intent, &read.scored, told) {
            writeln!(found, "  - {}: {}", suggestion.criterion.word(), suggestion.text).unwrap();
        }
    }
    let kept = include_str!("tests/rules.txt");
    if found != kept {
        let path = std::env::temp_dir().join("prompts-rules-found.txt");
        std::fs::write(&path, &found).unwrap();
        let at = found.lines().zip(kept.lines()).find(|(a, b)| a != b);
        panic!("{at:?} differs: what was found is in {}", path.display());
    }
}

#[test]
fn the_same_text_has_the_same_score_in_any_notation() {
    use unicode_normalization::UnicodeNormalization;
    for prompt in prompts() {
        let apart: String = prompt.nfd().collect();
        let (one, other) = (Prompts::read(prompt, None, None), Prompts::read(&apart, None, None));
        let (one, other) = (one.unwrap(), other.unwrap());
        assert_eq!(one.intent.class, other.intent.class, "{prompt}");
        assert_eq!(one.intent.language, other.intent.language, "{prompt}");
    }
}

proptest::proptest! {
    #[test]
    fn rules_end_and_stay_within_the_scale(prompt in "\\PC{1,200}") {
        if let Ok(read) = Prompts::read(&prompt, None, None) {
            proptest::prop_assert!(read.scored.each.iter().all(|points| *points <= 100));
            proptest::prop_assert!(read.scored.whole <= 100);
            let again = Prompts::read(&prompt, None, None).unwrap();
            proptest::prop_assert_eq!(again.scored, read.scored);
        }
    }
}

#[test]
fn what_is_empty_or_too_long_is_refused() {
    for prompt in ["", " \n", &"가".repeat(PROMPT_MAX + 1)] {
        assert!(matches!(Prompts::read(prompt, None, None), Err(NotDone::Wrong { .. })));
    }
}
