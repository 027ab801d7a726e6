//! The one source of "chance" of the model: FNV-1a over what was asked.
//!
//! No cryptography is needed, only that the same question always gives the same answer, on every
//! machine and in every build; the standard library's hasher promises neither.

/// FNV-1a, 64 bits.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3))
}

/// `len` characters of base 62 that look like a vendor's id.
pub(crate) fn id(prefix: &str, seed: u64, len: usize) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut out = String::with_capacity(prefix.len() + len);
    out.push_str(prefix);
    let mut state = seed;
    for _ in 0..len {
        state = mix(state);
        out.push(char::from(DIGITS[(state % 62) as usize]));
    }
    out
}

/// The next of a sequence of well spread numbers (splitmix64).
pub(crate) fn mix(state: u64) -> u64 {
    let z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A UUID of version 4 made from a seed.
pub(crate) fn uuid(seed: u64) -> String {
    let (a, b) = (mix(seed), mix(seed ^ 0x5bd1_e995));
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        a >> 32,
        (a >> 16) & 0xffff,
        a & 0xfff,
        0x8000 | (b >> 48) & 0x3fff,
        b & 0xffff_ffff_ffff
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_id() {
        assert_eq!(hash(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(id("call_", 7, 24), id("call_", 7, 24));
        assert_eq!(id("call_", 7, 24).len(), 29);
        assert_eq!(uuid(1).len(), 36);
        assert_eq!(uuid(1).as_bytes()[14], b'4');
    }
}
