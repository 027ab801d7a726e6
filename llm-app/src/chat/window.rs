//! How much of a conversation a model is shown: what fits its window, the newest first, and never
//! half a turn.
//!
//! Pure. Tokens are our own estimates, on the high side: a question that is refused for its length
//! helps nobody.

/// What a chat template puts around a message.
const AROUND_TOKENS: u64 = 8;
/// Bytes of a token at the least, in the languages that people write here.
const TOKEN_BYTES: u64 = 3;

/// One message, as far as its length goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    /// Whether the person says it: a turn begins.
    pub asks: bool,
    /// How long it is.
    pub tokens: u64,
}

/// About how many tokens a text has, with what stands around it.
pub fn tokens(text: &str) -> u64 {
    let bytes = u64::try_from(text.len()).unwrap_or(u64::MAX);
    bytes.div_ceil(TOKEN_BYTES).saturating_add(AROUND_TOKENS)
}

/// How many of the oldest messages are left out, so that the others fit: whole turns. The last turn
/// stays, however long it is.
pub fn left_out(said: &[Said], room: u64) -> usize {
    let (mut total, mut from) = (0u64, said.len());
    for (at, one) in said.iter().enumerate().rev() {
        total = total.saturating_add(one.tokens);
        let begins = one.asks || at == 0;
        let last = from == said.len();
        if begins && (total <= room || last) {
            from = at;
        }
        if total > room && from < said.len() {
            break;
        }
    }
    from
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The same, by trying: the longest rest of whole turns that fits.
    fn naive(said: &[Said], room: u64) -> usize {
        let begins: Vec<usize> = (0..said.len()).filter(|at| *at == 0 || said[*at].asks).collect();
        let fits = |from: &&usize| said[**from..].iter().map(|one| one.tokens).sum::<u64>() <= room;
        begins.iter().find(fits).or(begins.last()).copied().unwrap_or(0)
    }

    proptest! {
        #[test]
        fn whole_turns_are_left_out_and_no_more_than_must(
            said in proptest::collection::vec((any::<bool>(), 1u64..50), 0..30),
            room in 0u64..400,
        ) {
            let said: Vec<Said> =
                said.into_iter().map(|(asks, tokens)| Said { asks, tokens }).collect();
            let from = left_out(&said, room);
            prop_assert_eq!(from, naive(&said, room));
            prop_assert!(from == 0 || said[from].asks, "never half a turn");
        }
    }

    #[test]
    fn texts_are_counted_on_the_high_side() {
        assert_eq!(tokens(""), AROUND_TOKENS);
        assert_eq!(tokens("안녕하세요"), 5 + AROUND_TOKENS);
        assert_eq!(left_out(&[], 10), 0);
        let huge = [Said { asks: true, tokens: u64::MAX }, Said { asks: true, tokens: 9 }];
        assert_eq!(left_out(&huge, 100), 1);
    }
}
