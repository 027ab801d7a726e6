//! Where a path may lead: below the base address, and nowhere else.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// What an operator may have encoded once more than a server decodes.
const LAYERS: usize = 3;

/// Why a path is not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotPassed {
    /// It has steps upwards, empty steps, or bytes that servers take for such.
    Twisted,
    /// It is not among those that may be asked for.
    Closed,
}

/// Checks a path below the base address, as it was written.
pub(super) fn check(path: &str, allowed: &[impl AsRef<str>]) -> Result<(), NotPassed> {
    if path.is_empty() {
        return if allowed.is_empty() { Ok(()) } else { Err(NotPassed::Closed) };
    }
    let steps = path.strip_prefix('/').ok_or(NotPassed::Twisted)?;
    let mut steps = steps.split('/').peekable();
    while let Some(step) = steps.next() {
        // One slash may end it; `//host` would begin another authority.
        let last = steps.peek().is_none();
        if step.is_empty() && !last || !is_plain(step) {
            return Err(NotPassed::Twisted);
        }
    }
    let decoded = decoded(path).ok_or(NotPassed::Twisted)?;
    let within = |begin: &str| {
        let rest = decoded.strip_prefix(begin);
        rest.is_some_and(|rest| begin.ends_with('/') || rest.is_empty() || rest.starts_with('/'))
    };
    let open = allowed.is_empty() || allowed.iter().any(|begin| within(begin.as_ref()));
    if open { Ok(()) } else { Err(NotPassed::Closed) }
}

/// However often it is decoded, a step stays one step, and goes down.
fn is_plain(step: &str) -> bool {
    let mut step = Cow::Borrowed(step);
    for _ in 0..=LAYERS {
        let bad = |c: char| matches!(c, '/' | '\\' | '?' | '#') || c.is_control();
        // Some servers read `..;x` as `..`.
        let name = step.split(';').next().unwrap_or_default();
        if step.contains(bad) || name == "." || name == ".." {
            return false;
        }
        let Some(next) = decoded(&step) else { return false };
        if next == step {
            return true;
        }
        step = Cow::Owned(next.into_owned());
    }
    false
}

fn decoded(text: &str) -> Option<Cow<'_, str>> {
    percent_decode_str(text).decode_utf8().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NONE: &[&str] = &[];

    #[test]
    fn paths_that_lead_elsewhere_are_not_passed() {
        for path in [
            "/..",
            "/a/../b",
            "/a/%2e%2e/b",
            "/%252e%252e/",
            "//host/x",
            "/a//b",
            "/a\\b",
            "/a%5cb",
            "/a%2fb",
            "/a%252fb",
            "a",
            "/%ff",
            "/a%00",
            "/..;x/a",
            "/.",
            "/a/./b",
            "@host/",
        ] {
            assert_eq!(check(path, NONE), Err(NotPassed::Twisted), "{path}");
        }
        for path in ["", "/", "/a", "/a/", "/a.b/..c", "/a%20b", "/v1/a:b@c", "/%EA%B0%80"] {
            assert_eq!(check(path, NONE), Ok(()), "{path}");
        }
    }

    #[test]
    fn only_what_is_allowed_is_asked_for() {
        let allowed = ["/v1", "/open/"];
        for path in ["/v1", "/v1/", "/v1/x", "/%76%31/x", "/open/x"] {
            assert_eq!(check(path, &allowed), Ok(()), "{path}");
        }
        for path in ["", "/", "/v1x", "/v2", "/open", "/opened/x"] {
            assert_eq!(check(path, &allowed), Err(NotPassed::Closed), "{path}");
        }
    }

    proptest! {
        /// Whatever passes leads below the base, however often a server decodes it.
        #[test]
        fn nothing_escapes(steps in prop::collection::vec("[.a%25efFcC/\\\\;]{0,8}", 0..5)) {
            let path = format!("/{}", steps.join("/"));
            if check(&path, NONE).is_ok() {
                let mut path = path;
                for _ in 0..3 {
                    let depth = path.split(['/', '\\']).skip(1).try_fold(0i32, |depth, step| {
                        let down = match step { ".." => -1, "." | "" => 0, _ => 1 };
                        let depth = depth + down;
                        (depth >= 0).then_some(depth)
                    });
                    prop_assert!(depth.is_some(), "{path}");
                    path = percent_decode_str(&path).decode_utf8_lossy().into_owned();
                }
            }
        }
    }
}
