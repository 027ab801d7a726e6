use proptest::prelude::*;

use super::*;

/// Texts as people write them, in several scripts, with spaces and without.
fn page() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-z]{1,12}",
        "[가-힣]{1,10}",
        "[ \n\t.!?]{1,3}",
        Just("\n\n".to_owned()),
        Just("다. ".to_owned()),
        Just("👩‍👩‍👧".to_owned()),
        Just("漢字かな。".to_owned()),
        "\\PC{1,30}",
    ];
    prop_oneof![
        prop::collection::vec(piece, 0..900).prop_map(|pieces| pieces.concat()),
        (0..4_000usize).prop_map(|count| "가".repeat(count)),
    ]
}

proptest! {
    #[test]
    fn every_letter_is_in_one_core_of_its_page(pages in prop::collection::vec(page(), 0..6)) {
        let pages: Vec<Str> = pages.into_iter().map(Str::from).collect();
        let found = passages(&pages);
        let mut ends = vec![0; pages.len()];
        for passage in &found {
            let at = passage.page as usize - 1;
            let page = &pages[at];
            // One after the other, without a gap and without anything twice.
            prop_assert_eq!(passage.core.start, ends[at]);
            prop_assert!(passage.core.end > passage.core.start);
            ends[at] = passage.core.end;
            let core = &page[passage.core.clone()];
            prop_assert!(core.chars().count() <= CORE_LETTERS);
            // The lead is what stands before it, on the same page.
            prop_assert_eq!(&passage.text[passage.lead..], core);
            let lead = &passage.text[..passage.lead];
            prop_assert!(page[..passage.core.start].ends_with(lead));
            prop_assert!(lead.chars().count() <= LEAD_LETTERS);
        }
        for (page, end) in pages.iter().zip(ends) {
            prop_assert_eq!(end, if page.trim().is_empty() { 0 } else { page.len() });
        }
        let order: Vec<u32> = found.iter().map(|passage| passage.page).collect();
        prop_assert!(order.is_sorted());
    }

    #[test]
    fn pieces_are_the_text(text in page(), letters in 1..2_000usize) {
        let pieces: Vec<&str> = cut(&text, letters).collect();
        prop_assert_eq!(pieces.concat(), text.clone());
        prop_assert!(pieces.iter().all(|p| !p.is_empty() && p.chars().count() <= letters));
    }
}

#[test]
fn cuts_are_where_something_ends() {
    let sentence = "서울은 대한민국의 수도이다. ";
    let text = sentence.repeat(100);
    for piece in cut(&text, 500) {
        assert!(piece.starts_with("서울은"), "{piece}");
    }
    let lines = "한 줄\n".repeat(400);
    assert!(cut(&lines, 500).all(|piece| piece.ends_with('\n')));
    let found = passages(&[Str::from(text)]);
    assert!(found.len() > 1 && found[0].lead == 0 && found[1].lead > 0);
}

#[test]
fn tokens_are_about_right() {
    assert_eq!((tokens(""), tokens("word"), tokens("서울")), (0, 1, 2));
}
