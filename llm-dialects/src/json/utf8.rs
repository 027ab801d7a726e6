//! Bytes as text. By the widest registers there are: of a body in Korean, the standard library's way
//! is most of what it costs to read it, ten times as much as this.

/// What those bytes say, where they are UTF-8.
pub(crate) fn read(bytes: &[u8]) -> Result<&str, simdutf8::basic::Utf8Error> {
    simdutf8::basic::from_utf8(bytes)
}
