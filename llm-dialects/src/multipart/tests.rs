//! Forms as clients write them, forms that are none, and the way there and back.

use bytes::Bytes;
use llm_core::dialect::BadReason;
use proptest::prelude::*;

use super::*;

const TYPE: &str = "multipart/form-data; boundary=xyz";

fn read(body: &str) -> Result<Vec<Part>, BadRequest> {
    parse(TYPE, &Bytes::from(body.replace('\n', "\r\n")))
}

fn part(name: &'static str, bytes: &'static str) -> Part {
    Part { name: name.into(), bytes: bytes.into(), ..Part::default() }
}

#[test]
fn parts_are_slices_of_the_body() {
    let text = "preamble\n--xyz\nContent-Disposition: form-data; name=\"file\"; \
        filename=\"노래.wav\"\ncontent-type: audio/wav\n\nRIFF\n--xy\n\n--xyzz\n--xyz  \n\
        content-disposition: form-data; name=model\n\nwhisper-1\n--xyz--\nepilogue";
    let body = Bytes::from(text.replace('\n', "\r\n"));
    let parts = parse("Multipart/Form-Data; charset=utf-8; Boundary=\"xyz\"", &body).unwrap();
    assert_eq!(parts.len(), 2);
    assert_eq!((&*parts[0].name, parts[0].filename.as_deref()), ("file", Some("노래.wav")));
    assert_eq!(parts[0].content_type.as_deref(), Some("audio/wav"));
    assert_eq!(&parts[0].bytes[..], b"RIFF\r\n--xy\r\n\r\n--xyzz");
    assert!(body.as_ptr_range().contains(&parts[0].bytes.as_ptr()));
    assert_eq!(parts[1], part("model", "whisper-1"));
}

#[test]
fn names_come_in_several_spellings() {
    for (written, name) in [
        (r#"filename="a b.wav""#, "a b.wav"),
        (r#"filename=a.wav"#, "a.wav"),
        (r#"filename="a\"b.wav""#, "a\"b.wav"),
        (r#"filename="a%22b%0D.wav""#, "a\"b\r.wav"),
        (r#"filename="100%25 %.wav""#, "100%25 %.wav"),
        (r#"filename="C:\tmp\\a;b=c.wav""#, "C:\\tmp\\a;b=c.wav"),
        (r#"filename="""#, ""),
        ("filename*=UTF-8''%ED%95%9C.wav", "한.wav"),
        ("flag; filename=../../etc", "../../etc"),
    ] {
        let text =
            format!("--xyz\nContent-Disposition: form-data; {written}; name=f\n\nx\n--xyz--");
        let parts = read(&text).unwrap();
        assert_eq!(parts[0].filename.as_deref(), Some(name), "{written}");
        assert_eq!(&*parts[0].name, "f");
    }
}

#[test]
fn a_part_may_be_empty() {
    let head = "--xyz\nContent-Disposition: form-data; name=a\n\n";
    assert_eq!(read(&format!("{head}\n--xyz--")).unwrap(), [part("a", "")]);
    assert_eq!(read(&format!("{head}--xyz--")).unwrap(), [part("a", "")]);
    assert_eq!(read("--xyz--").unwrap(), []);
}

#[test]
fn what_is_no_form_is_refused() {
    let head = "--xyz\nContent-Disposition: form-data; name=a\n\n";
    for body in [
        "",
        "--xy",
        "--xyz",
        "--xyzcontent",
        "--xyz\n",
        "--xyz\n\nx\n--xyz--",
        "--xyz\nContent-Disposition: form-data\n\nx\n--xyz--",
        "--xyz\nno colon\n\nx\n--xyz--",
        "--xyz\nContent-Disposition: form-data; name=\"a\rb\"\n\nx\n--xyz--",
        &format!("{head}x"),
        &format!("{head}x\n--xyz"),
        "--xyz\nContent-Disposition: x; name=a\nContent-Disposition: x; name=b\n\nx\n--xyz--",
    ] {
        assert_eq!(read(body).unwrap_err().reason, BadReason::Syntax, "{body:?}");
    }
    for kind in ["application/json", "multipart/form-data", "multipart/form-data; boundary="] {
        assert!(parse(kind, &Bytes::new()).is_err(), "{kind}");
    }
    let long = format!("multipart/form-data; boundary={}", "x".repeat(71));
    assert!(parse(&long, &Bytes::new()).is_err());
    let many = format!("{head}x\n").repeat(65) + "--xyz--";
    assert_eq!(read(&many).unwrap_err().reason, BadReason::TooLarge);
    let wide = format!("--xyz\nX: {}\n\nx\n--xyz--", "x".repeat(5000));
    assert_eq!(read(&wide).unwrap_err().reason, BadReason::TooLarge);
}

#[test]
fn a_boundary_never_stands_in_a_part() {
    let plain = write(&[part("a", "x")]);
    assert!(plain.content_type.ends_with("llm-form-boundary-00000000"));
    // Content that was made to contain it, and the next ones too.
    let hostile: String =
        [0, 2, 1].map(|n| format!("\r\n--llm-form-boundary-{n:08x}--\r\n")).concat();
    let parts = [Part { name: "a".into(), bytes: hostile.into(), ..Part::default() }];
    let form = write(&parts);
    assert!(form.content_type.ends_with("-00000003"), "{}", form.content_type);
    assert_eq!(parse(&form.content_type, &form.body).unwrap(), parts);
}

#[test]
fn a_type_cannot_smuggle_headers() {
    let kind = Some("audio/wav\r\nX: y".into());
    let form = write(&[Part { content_type: kind, ..part("a", "x") }]);
    assert_eq!(parse(&form.content_type, &form.body).unwrap(), [part("a", "x")]);
}

proptest! {
    #[test]
    fn what_is_written_is_read(parts in prop::collection::vec((
        "[a-z한\"\\\\\r\n;= ]{0,6}", prop::option::of("[a-z한\"\\\\;=./ ]{0,6}"),
        prop::option::of("[a-z]{1,4}/[a-z]{1,4}"), prop::collection::vec(any::<u8>(), 0..40),
    ), 0..5)) {
        let parts: Vec<Part> = parts.into_iter().map(|(name, filename, kind, bytes)| Part {
            name: name.into(),
            filename: filename.map(Into::into),
            content_type: kind.map(Into::into),
            bytes: bytes.into(),
        }).collect();
        let form = write(&parts);
        prop_assert_eq!(parse(&form.content_type, &form.body).unwrap(), parts);
    }

    #[test]
    fn any_bytes_are_read_or_refused(pieces in prop::collection::vec(prop::sample::select(vec![
        "--xyz", "\r\n", "--", "Content-Disposition: form-data; name=", "\"", "a", ":", ";", "=",
        "%", "\\", "filename", "\r\n\r\n", "'", "*",
    ]), 0..40)) {
        let _ = parse(TYPE, &Bytes::from(pieces.concat()));
    }
}

/// Escapes make a name longer when it is written again; a part that was read must stay readable.
#[test]
fn a_name_that_would_outgrow_its_headers_is_refused() {
    let form = |name: &str| {
        let head = format!("--xyz\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\nm");
        Bytes::from(head + "\r\n--xyz--\r\n")
    };
    let content_type = "multipart/form-data; boundary=xyz";
    let long = parse(content_type, &form(&"\\t".repeat(1_500))).unwrap_err();
    assert_eq!(long.reason, BadReason::TooLarge);
    let fits = parse(content_type, &form(&"\\t".repeat(256))).unwrap();
    let again = write(&fits);
    assert_eq!(parse(&again.content_type, &again.body).unwrap(), fits);
}
