//! A form that is read is written so that it reads the same.

use bytes::Bytes;
use llm_dialects::multipart;

pub(super) fn parse_write(input: &[u8]) {
    let body = Bytes::copy_from_slice(input);
    let Ok(parts) = multipart::parse("multipart/form-data; boundary=xyz", &body) else { return };
    let form = multipart::write(&parts);
    assert_eq!(form, multipart::write(&parts), "not deterministic");
    let again = multipart::parse(&form.content_type, &form.body);
    // A type that no header can carry is left out.
    let plain = |t: &llm_core::Str| !t.bytes().any(|b| b.is_ascii_control());
    let mut expected = parts;
    for part in &mut expected {
        part.content_type = part.content_type.take().filter(plain);
    }
    assert_eq!(again.as_ref(), Ok(&expected));
}
