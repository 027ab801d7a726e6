//! How many connections one address has.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use parking_lot::Mutex;

use super::super::web::address::{Origin, origin};

/// Connections by address; nothing is counted unless it is limited. It is no longer than there are
/// connections, which are bounded.
#[derive(Debug)]
pub(super) struct Crowd {
    limit: Option<(u32, Arc<Counts>)>,
}

type Counts = Mutex<HashMap<Origin, u32>>;

/// One of them, until it is dropped.
#[derive(Debug)]
pub(super) struct Within(Option<(Origin, Arc<Counts>)>);

impl Crowd {
    pub(super) fn new(most: Option<NonZeroU32>) -> Self {
        Self { limit: most.map(|most| (most.get(), Arc::default())) }
    }

    /// One more of an address; `None` when it has too many.
    pub(super) fn enter(&self, address: IpAddr) -> Option<Within> {
        let Some((most, counts)) = &self.limit else { return Some(Within(None)) };
        let from = origin(address);
        let mut known = counts.lock();
        let count = known.entry(from).or_insert(0);
        if *count >= *most {
            return None;
        }
        *count += 1;
        Some(Within(Some((from, Arc::clone(counts)))))
    }
}

impl Drop for Within {
    fn drop(&mut self) {
        let Some((from, counts)) = self.0.take() else { return };
        let mut known = counts.lock();
        if let Some(count) = known.get_mut(&from) {
            *count -= 1;
            if *count == 0 {
                known.remove(&from);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_and_what_is_closed_counts_no_more() {
        let crowd = Crowd::new(NonZeroU32::new(2));
        let [one, other]: [IpAddr; 2] = ["10.0.0.1", "10.0.0.2"].map(|a| a.parse().unwrap());
        let (first, _second) = (crowd.enter(one), crowd.enter(one));
        assert!(first.is_some() && crowd.enter(one).is_none());
        assert!(crowd.enter(other).is_some());
        drop(first);
        assert!(crowd.enter(one).is_some());
        assert_eq!(crowd.limit.as_ref().unwrap().1.lock().len(), 1, "who is gone is forgotten");
    }

    #[test]
    fn a_household_of_ipv6_is_one_address() {
        let crowd = Crowd::new(NonZeroU32::new(1));
        let _one = crowd.enter("2001:db8::1".parse().unwrap()).unwrap();
        assert!(crowd.enter("2001:db8::ffff:2".parse().unwrap()).is_none());
        assert!(crowd.enter("2001:db8:0:1::1".parse().unwrap()).is_some());
    }
}
