use llm_core::Str;
use proptest::prelude::*;

use super::*;

fn cells() -> impl Strategy<Value = Vec<Cell>> {
    let value = prop_oneof!["[a-z ]{0,80}", "[가-힣]{0,200}", Just("긴".repeat(4_000))];
    prop::collection::vec(value, 0..300).prop_map(|values| {
        let cell = |(n, value): (usize, String)| Cell {
            id: Str::from(format!("c{n}")),
            row: None,
            column: Some("매출".into()),
            value: value.into(),
            unit: None,
        };
        values.into_iter().enumerate().map(cell).collect()
    })
}

fn pages() -> impl Strategy<Value = Vec<Shown>> {
    prop::collection::vec("[가-힣 ]{0,600}", 0..40).prop_map(|texts| {
        let page = |(n, text): (u32, String)| Shown {
            document: "문서".into(),
            page: n,
            text: text.into(),
        };
        (1..).zip(texts).map(page).collect()
    })
}

proptest! {
    #[test]
    fn each_cell_is_in_one_part(cells in cells(), pages in pages(), per_cell in any::<bool>()) {
        let mode = if per_cell { Mode::PerCell } else { Mode::Claims };
        let parts = split(&cells, &pages, mode);
        prop_assert!(!parts.is_empty());
        let again: Vec<Cell> = parts.iter().flat_map(|part| part.cells).cloned().collect();
        prop_assert_eq!(&again, &cells);
        let most = if per_cell { ANSWERED_MAX } else { CITED_MAX };
        for part in &parts {
            prop_assert!(part.cells.len() <= most);
            let weight: usize = part.cells.iter().map(weight).sum();
            prop_assert!(weight <= TOKENS_MAX || part.cells.len() == 1);
        }
        if cells.is_empty() {
            let again: Vec<Shown> = parts.iter().flat_map(|part| part.pages).cloned().collect();
            prop_assert_eq!(&again, &pages);
        } else {
            prop_assert!(parts.iter().all(|part| part.pages == &pages[..]));
        }
    }
}
