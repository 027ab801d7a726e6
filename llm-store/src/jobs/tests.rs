//! What needs no database. The rest is in `tests/jobs`.

use std::collections::BTreeSet;

use super::runner::Settings;
use super::*;

#[test]
fn an_id_is_its_text() {
    for id in [JobId(0), JobId(1 << 80), JobId(u128::MAX)] {
        assert_eq!(id.to_string().parse(), Ok(id));
    }
    let long = format!("0{}", JobId(1));
    for text in ["", "1", "g".repeat(32).as_str(), &long] {
        assert_eq!(text.parse::<JobId>(), Err(NotJobId), "{text}");
    }
    let plus = format!("+{}", &JobId(1).to_string()[1..]);
    assert_eq!(plus.parse::<JobId>(), Err(NotJobId));
}

#[test]
fn states_are_their_words() {
    for state in State::ALL {
        assert_eq!(State::parse(state.as_str()), Some(state));
    }
    assert_eq!(State::parse("running"), None);
}

/// A second try must ask for the same, whatever runs into what.
#[test]
fn prints_tell_what_was_asked() {
    let draft = |user: Option<&'static str>, kind: &'static str, input: &'static str| {
        let user = user.map(llm_core::principal::UserId::from);
        let input = Bytes::from_static(input.as_bytes());
        Draft { user, ..Draft::new(TenantId::from("t"), Str::from_static(kind), input) }
    };
    let drafts = [
        draft(None, "ab", "c"),
        draft(None, "a", "bc"),
        draft(Some("a"), "b", "c"),
        draft(Some("ab"), "", "c"),
        draft(None, "abc", ""),
    ];
    let prints: BTreeSet<[u8; 32]> = drafts.iter().map(print).collect();
    assert_eq!(prints.len(), drafts.len());
    assert_eq!(print(&drafts[0]), print(&draft(None, "ab", "c")));
}

#[test]
fn waits_double_up_to_a_bound() {
    let settings = Settings::new(Str::from_static("w"));
    let seconds = |attempts, random| settings.wait(attempts, random).as_secs_f64();
    assert_eq!((seconds(1, 0), seconds(2, 0), seconds(3, 0)), (5.0, 10.0, 20.0));
    assert_eq!((seconds(20, 0), seconds(u32::MAX, 0)), (600.0, 600.0));
    for attempts in 0..30 {
        let most = seconds(attempts, 0);
        for random in [1, 7_919, u64::MAX / 3, u64::MAX] {
            let wait = seconds(attempts, random);
            assert!(wait >= most / 2.0 && wait <= most, "{attempts} {random}: {wait}");
        }
    }
}
