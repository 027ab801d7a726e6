use super::*;
use crate::event::laws;

fn of_parts(parts: usize) -> Completion {
    let parts = vec![Part::text("x"); parts];
    let finish = Some(Finish::new(FinishReason::Stop));
    Completion {
        candidates: vec![Candidate { parts, finish }],
        ended: true,
        ..Completion::default()
    }
}

#[test]
fn an_answer_folds_back_to_itself() {
    for parts in [0, 1, 3, usize::from(u16::MAX)] {
        let whole = of_parts(parts);
        let events = whole.explode();
        assert_eq!(laws::check(&events), Ok(()));
        assert_eq!(collect(&events), whole);
    }
}

#[test]
fn more_parts_than_have_numbers_are_a_failure_and_no_silence() {
    let events = of_parts(usize::from(u16::MAX) + 2).explode();
    assert_eq!(laws::check(&events), Ok(()));
    let folded = collect(&events);
    assert!(folded.failure.is_some() && !folded.ended);
    assert_eq!(folded.candidates[0].parts.len(), usize::from(u16::MAX));
}

#[test]
fn an_event_cannot_have_us_make_candidates_nobody_asked_for() {
    let id = |candidate| PartId { candidate, index: 0 };
    let start = |c| Event::PartStart { part: id(c), head: PartHead::Text };
    let finish = |candidate| Event::Finish { candidate, finish: Finish::new(FinishReason::Stop) };
    let folded = collect(&[start(1), start(u16::MAX), finish(u16::MAX), Event::End]);
    assert_eq!(folded.candidates.len(), 2);
    assert!(folded.failure.is_some());
    let many = Completion { candidates: vec![Candidate::default(); 2000], ..Completion::default() };
    assert!(matches!(many.explode().last(), Some(Event::Failure(_))));
}

/// Copying what is there for each piece would take minutes.
#[test]
fn a_long_transcript_grows_in_linear_time() {
    let part = PartId::default();
    let head = PartHead::Audio { mime: None };
    let piece = Event::PartDelta { part, delta: Delta::Transcript("word ".into()) };
    let start = Event::PartStart { part, head };
    let folded = collect(std::iter::once(&start).chain(std::iter::repeat_n(&piece, 400_000)));
    let PartKind::Audio(audio) = &folded.candidates[0].parts[0].kind else { panic!("no sound") };
    assert_eq!(audio.transcript.as_ref().map(|t| t.len()), Some(5 * 400_000));
}
