use proptest::prelude::*;

use super::*;

const ONE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn parse(text: &str) -> Option<Trace> {
    Trace::parse(text.as_bytes(), None)
}

#[test]
fn a_trace_is_read_as_everybody_writes_it() {
    let trace = parse(ONE).unwrap();
    assert_eq!(trace.id, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
    assert_eq!((trace.parent, trace.sampled), (0x00f0_67aa_0ba9_02b7, true));
    assert!(!parse(&ONE.replace("-01", "-00")).unwrap().sampled);
    assert!(parse(&ONE.replace("-01", "-03")).unwrap().sampled);
    // Of a later version, what is known of it.
    for later in [ONE.replacen("00", "cc", 1), ONE.replacen("00", "01", 1) + "-more"] {
        assert_eq!(parse(&later).map(|t| t.id), Some(trace.id), "{later}");
    }
}

#[test]
fn what_is_no_trace_is_none() {
    for odd in [
        String::new(),
        "00".to_owned(),
        ONE.to_uppercase(),
        ONE[..54].to_owned(),
        format!("{ONE}-more"),
        format!("{ONE}0"),
        ONE.replacen("00", "ff", 1),
        ONE.replacen("00", "0x", 1),
        ONE.replacen("00", "01", 1) + "x",
        ONE.replace('-', "_"),
        ONE.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
        ONE.replace("00f067aa0ba902b7", &"0".repeat(16)),
        ONE.replace("4bf9", "4bg9"),
        ONE.replace("-01", "-0\u{e9}"),
    ] {
        assert_eq!(parse(&odd), None, "{odd}");
    }
}

#[test]
fn what_others_have_noted_is_carried_unless_it_is_endless() {
    let state = |text: &str| Trace::parse(ONE.as_bytes(), Some(text)).unwrap().state;
    assert_eq!(state("a=1,b=2").as_deref(), Some("a=1,b=2"));
    assert_eq!((state(""), state(&"x".repeat(513))), (None, None));
}

proptest! {
    #[test]
    fn what_is_written_is_read(ms in 0..1u64 << 48, bits: u128, id in 1u128.., sampled: bool, at in 0..9usize) {
        let call = CallId::new(ms, bits);
        let begun = Trace { id, parent: 7, sampled, state: None };
        let read = Trace::parse(&written(call, Some(&begun), at), None).unwrap();
        prop_assert_eq!((read.id, read.parent, read.sampled), (id, span(call, at), sampled));
        let own = Trace::parse(&written(call, None, at), None);
        prop_assert_eq!(own.map(|own| own.id), (call.as_u128() != 0).then_some(call.as_u128()));
    }

    #[test]
    fn spans_of_a_call_are_different(bits: u128, places in 2..40usize) {
        let call = CallId::new(1, bits);
        let all: std::collections::BTreeSet<_> = (0..places).map(|at| span(call, at)).collect();
        prop_assert_eq!(all.len(), places);
    }

    #[test]
    fn nothing_that_comes_does_any_harm(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let _ = Trace::parse(&bytes, None);
    }
}
