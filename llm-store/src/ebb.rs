//! Queues that a burst makes long, and that are short otherwise.

use std::collections::VecDeque;

/// Places that a queue keeps, whatever is in it.
const KEPT: usize = 4 << 10;
/// One of which less than this part is used has outlived its burst.
const USED: usize = 8;

/// Gives back the room that a burst has taken, once it is over: a queue does not by itself, and a
/// process would keep for its life what it needed for a second. What it costs is paid by the many
/// that have left since.
pub(crate) fn ebb<T>(queue: &mut VecDeque<T>) {
    if queue.capacity() > KEPT && queue.len() < queue.capacity() / USED {
        queue.shrink_to(KEPT.max(2 * queue.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_leaves_nothing_behind() {
        const BURST: usize = 100_000;
        let mut queue: VecDeque<usize> = (0..BURST).collect();
        let mut shrunk = 0;
        for expected in 0..BURST {
            let before = queue.capacity();
            assert_eq!(queue.pop_front(), Some(expected));
            ebb(&mut queue);
            shrunk += usize::from(queue.capacity() < before);
            assert!(queue.capacity() >= queue.len());
        }
        assert!(queue.capacity() <= 2 * KEPT, "{}", queue.capacity());
        assert!((1..=5).contains(&shrunk), "it is moved {shrunk} times");
    }
}
