//! How many files the process may have open at once. Each caller is one, and so is each connection to
//! a provider: with the thousand that most shells begin with, five hundred streams were all.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// More than all callers and calls that are let in, and not so many that what goes by the number of
/// places would suffer.
const WANTED: u64 = 65_536;

/// Takes as many as whoever started the process may have; says how many that are, if not any number.
pub(crate) fn take() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let now = current?;
    let mut most = maximum.map_or(WANTED, |maximum| maximum.min(WANTED));
    // A system may say that there is no limit, and refuse what is above one of its own.
    while most > now {
        if setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum }).is_ok() {
            return Some(most);
        }
        most /= 2;
    }
    Some(now)
}
