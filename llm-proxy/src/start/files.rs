//! How many files the process may have open at once. Each caller is one, and so is each connection to
//! a provider: with the thousand that most systems begin with, five hundred streams were all.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// More than all callers and calls that are let in, and not so many that what goes by the number of
/// places would suffer.
const WANTED: u64 = 65_536;
/// Fewer are few: two thousand streams or so.
const FEW: u64 = 4_096;

/// Takes as many as whoever started the process may have.
pub(super) fn take() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let most = maximum.map_or(WANTED, |maximum| maximum.min(WANTED));
    // Nothing said is no limit.
    let Some(now) = current.filter(|now| *now < most) else { return told(current) };
    match setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum }) {
        Ok(()) => told(Some(most)),
        Err(error) => {
            tracing::warn!(%error, now, "the limit of open files could not be raised");
        }
    }
}

fn told(files: Option<u64>) {
    if let Some(files) = files.filter(|files| *files < FEW) {
        tracing::warn!(
            files,
            "few open files are allowed: raise the hard limit (`ulimit -Hn`) for many streams"
        );
    }
}
