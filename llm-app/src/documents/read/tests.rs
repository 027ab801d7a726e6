use std::cell::Cell;
use std::io::Write as _;

use lopdf::content::{Content, Operation};
use lopdf::{Document, Object, Stream, StringFormat, dictionary};
use proptest::prelude::*;

use super::*;

fn never() -> bool {
    false
}

fn reads(media: Media, bytes: &[u8]) -> Result<Vec<Str>, Unreadable> {
    read(media, bytes, &never)
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

/// A font whose letters are two bytes each, with a table that says what they mean, as Korean files
/// have it.
fn font(file: &mut Document, letters: &str) -> Object {
    let mut lines = String::new();
    for letter in letters.chars() {
        let code = u32::from(letter);
        lines.push_str(&format!("<{code:04x}> <{code:04x}>\n"));
    }
    let map = format!(
        "/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n\
         1 begincodespacerange\n<0000> <ffff>\nendcodespacerange\n\
         {} beginbfchar\n{lines}endbfchar\nendcmap\nend\nend\n",
        letters.chars().count()
    );
    let map = Stream::new(dictionary! { "Filter" => "FlateDecode" }, packed(map.as_bytes()));
    let map = file.add_object(map);
    let below = dictionary! { "Type" => "Font", "Subtype" => "CIDFontType2", "BaseFont" => "F" };
    let below = file.add_object(below);
    let font = dictionary! {
        "Type" => "Font", "Subtype" => "Type0", "BaseFont" => "F", "Encoding" => "Identity-H",
        "DescendantFonts" => vec![below.into()], "ToUnicode" => map,
    };
    file.add_object(font).into()
}

fn pdf(pages: &[&str]) -> Vec<u8> {
    let mut file = Document::with_version("1.5");
    let tree = file.new_object_id();
    let mut letters: Vec<char> = pages.concat().chars().collect();
    letters.sort_unstable();
    letters.dedup();
    let letters: String = letters.into_iter().collect();
    let font = font(&mut file, &letters);
    let mut kids = Vec::new();
    for page in pages {
        let mut drawn =
            vec![Operation::new("BT", vec![]), Operation::new("Tf", vec!["F1".into(), 12.into()])];
        for line in page.lines() {
            let bytes: Vec<u8> = line.encode_utf16().flat_map(u16::to_be_bytes).collect();
            drawn
                .push(Operation::new("Tj", vec![Object::String(bytes, StringFormat::Hexadecimal)]));
            drawn.push(Operation::new("T*", vec![]));
        }
        drawn.push(Operation::new("ET", vec![]));
        let drawn = Content { operations: drawn }.encode().unwrap();
        let drawn = Stream::new(dictionary! { "Filter" => "FlateDecode" }, packed(&drawn));
        let drawn = file.add_object(drawn);
        let page = dictionary! {
            "Type" => "Page", "Parent" => tree, "Contents" => drawn,
            "Resources" => dictionary! { "Font" => dictionary! { "F1" => font.clone() } },
        };
        kids.push(file.add_object(page).into());
    }
    let count = pages.len() as i64;
    let node = dictionary! { "Type" => "Pages", "Kids" => kids, "Count" => count };
    file.objects.insert(tree, node.into());
    let root = file.add_object(dictionary! { "Type" => "Catalog", "Pages" => tree });
    file.trailer.set("Root", root);
    let mut bytes = Vec::new();
    file.save_to(&mut bytes).unwrap();
    bytes
}

#[test]
fn a_pdf_is_read_page_by_page() {
    let pages = reads(Media::Pdf, &pdf(&["서울의 매출\n12억 원", "", "Second page"])).unwrap();
    assert_eq!(pages, ["서울의 매출\n12억 원", "", "Second page"].map(Str::from));
    assert_eq!(reads(Media::Pdf, &pdf(&["", ""])), Err(Unreadable::Empty));
}

#[test]
fn hostile_pdfs_are_refused_in_time() {
    let good = pdf(&["서울의 매출"]);
    assert_eq!(reads(Media::Pdf, b"no pdf"), Err(Unreadable::Pdf));
    assert_eq!(reads(Media::Pdf, b"%PDF-1.7\n%%EOF"), Err(Unreadable::Pdf));
    // Every beginning of a file, and files with bytes that are others.
    for end in (0..good.len()).step_by(97) {
        let _ = reads(Media::Pdf, &good[..end]);
    }
    for at in (9..good.len()).step_by(31) {
        let mut bad = good.clone();
        bad[at] ^= 0x5a;
        let _ = reads(Media::Pdf, &bad);
    }
    // A bomb in the drawing of a page, and many small ones.
    let bomb = packed(&vec![b' '; 40 << 20]);
    let mut file = Document::load_mem(&good).unwrap();
    let page = file.page_iter().next().unwrap();
    let drawn = file.get_page_contents(page)[0];
    let stream = Stream::new(dictionary! { "Filter" => "FlateDecode" }, bomb.clone());
    file.objects.insert(drawn, stream.into());
    let mut bytes = Vec::new();
    file.save_to(&mut bytes).unwrap();
    assert_eq!(reads(Media::Pdf, &bytes), Err(Unreadable::TooMuch));
    let mut many = b"%PDF-1.7\n".to_vec();
    for _ in 0..10 {
        many.extend_from_slice(b"1 0 obj <</Filter/FlateDecode>> stream\n");
        many.extend_from_slice(&bomb);
        many.extend_from_slice(b"\nendstream endobj\n");
    }
    assert_eq!(reads(Media::Pdf, &many), Err(Unreadable::TooMuch));
    // Brackets without an end, and a page tree that is its own child.
    let deep = [b"%PDF-1.7\n1 0 obj ".to_vec(), b"[<<".repeat(200_000)].concat();
    assert!(reads(Media::Pdf, &deep).is_err());
    let circle = b"%PDF-1.7\n1 0 obj <</Type/Catalog/Pages 2 0 R>> endobj\n\
        2 0 obj <</Type/Pages/Kids[2 0 R 2 0 R]/Count 9999999>> endobj\n\
        trailer <</Root 1 0 R/Size 3>>\n%%EOF";
    assert!(reads(Media::Pdf, circle).is_err());
    // Whoever looks at the clock is heard.
    let asked = Cell::new(0);
    let late = || {
        asked.set(asked.get() + 1);
        asked.get() > 2
    };
    assert_eq!(read(Media::Pdf, &good, &late), Err(Unreadable::TooLong));
}

#[test]
fn texts_have_the_pages_they_say() {
    let pages = reads(Media::Text, "하나\u{c}둘\u{c}\u{c}넷".as_bytes()).unwrap();
    assert_eq!(pages, ["하나", "둘", "", "넷"].map(Str::from));
    let long = "한 줄이다.\n".repeat(2_000);
    let pages = reads(Media::Markdown, long.as_bytes()).unwrap();
    assert!(pages.len() > 3 && pages.concat_is(&long));
    assert_eq!(reads(Media::Text, b"\xef\xbb\xbfx").unwrap(), [Str::from("x")]);
    assert_eq!(reads(Media::Text, b"\xff\xfe"), Err(Unreadable::Empty));
    assert_eq!(reads(Media::Text, b"a\0b"), Err(Unreadable::NotText));
    assert_eq!(reads(Media::Text, b" \n \x0c "), Err(Unreadable::Empty));
    assert_eq!(reads(Media::Text, &vec![b'x'; TEXT_MAX + 1]), Err(Unreadable::TooMuch));
    assert_eq!(reads(Media::Text, &vec![b'\x0c'; PAGES_MAX]), Err(Unreadable::TooMuch));
}

#[test]
fn tables_keep_their_records_whole() {
    let mut table = "이름,메모\n".to_owned();
    for n in 0..120 {
        table.push_str(&format!("행{n},\"두 줄\n그리고 \"\"따옴표\"\"\"\n"));
    }
    let pages = reads(Media::Csv, table.as_bytes()).unwrap();
    assert_eq!(pages.len(), 3);
    assert!(pages.iter().all(|page| page.starts_with("이름,메모\n행")));
    assert!(pages[1].contains("행50,") && !pages[1].contains("행49,"));
    assert_eq!(reads(Media::Csv, b"a,\"b\nc"), Err(Unreadable::Record(1)));
    let wide = [b"a\n".to_vec(), b",".repeat(3_000)].concat();
    assert_eq!(reads(Media::Csv, &wide), Err(Unreadable::Wide(2)));
}

#[test]
fn json_is_looked_at_whole() {
    assert_eq!(reads(Media::Json, br#"{"a":[1,2]}"#).unwrap(), [Str::from(r#"{"a":[1,2]}"#)]);
    assert_eq!(reads(Media::Json, b"{\"a\":\n1,}"), Err(Unreadable::Json(2)));
    assert!(matches!(reads(Media::Json, &b"[".repeat(1 << 20)), Err(Unreadable::Json(_))));
    assert!(matches!(reads(Media::Json, b""), Err(Unreadable::Json(_))));
}

#[test]
fn media_are_known_by_type_and_name() {
    assert_eq!(Media::parse("TEXT/CSV; charset=utf-8"), Some(Media::Csv));
    assert_eq!(Media::parse("image/png"), None);
    assert_eq!(Media::of_name("보고서.PDF"), Some(Media::Pdf));
    assert_eq!((Media::of_name("none"), Media::of_name("x.exe")), (None, None));
}

/// Whether pages are a text that was cut.
trait ConcatIs {
    fn concat_is(&self, text: &str) -> bool;
}

impl ConcatIs for Vec<Str> {
    fn concat_is(&self, text: &str) -> bool {
        self.iter().map(|page| &**page).collect::<String>() == text
    }
}

proptest! {
    #[test]
    fn no_bytes_break_a_reader(bytes in prop::collection::vec(any::<u8>(), 0..2_000), media in 0..5usize) {
        let _ = reads(Media::ALL[media], &bytes);
        let pdf = [b"%PDF-1.4\n".to_vec(), bytes].concat();
        let _ = reads(Media::Pdf, &pdf);
    }

    #[test]
    fn records_lose_nothing(rows in prop::collection::vec("[a-z가-힣,\";\n ]{0,20}", 1..200)) {
        let quoted = rows.iter().map(|row| format!("\"{}\"\n", row.replace('"', "\"\"")));
        let table: String = quoted.clone().collect();
        let pages = reads(Media::Csv, table.as_bytes()).unwrap();
        let names: String = quoted.clone().take(1).collect();
        let rest: String = quoted.skip(1).collect();
        let again: String = pages.iter().map(|page| page.strip_prefix(&*names).unwrap()).collect();
        prop_assert_eq!(again, rest);
    }
}

/// As Korean spreadsheets save a table, and as others do.
#[test]
fn a_table_is_read_in_the_letters_it_was_saved_in() {
    let table =
        "이름,도시,\u{d56b}\r\n김민수,서울,100%\r\n\u{8a71} 이영희,\"부산, 해운대\",caf\r\n";
    let wanted = reads(Media::Csv, table.as_bytes()).unwrap();
    let (korean, _, lost) = encoding_rs::EUC_KR.encode(table);
    assert!(!lost && str::from_utf8(&korean).is_err());
    let wide = |unit: fn(u16) -> [u8; 2]| table.encode_utf16().flat_map(unit).collect::<Vec<u8>>();
    let (little, big) = (wide(u16::to_le_bytes), wide(u16::to_be_bytes));
    let marked = |mark: &[u8], rest: &[u8]| [mark, rest].concat();
    let ways = [
        korean.to_vec(),
        marked(b"\xef\xbb\xbf", table.as_bytes()),
        marked(b"\xff\xfe", &little),
        marked(b"\xfe\xff", &big),
        little,
        big,
    ];
    for (number, bytes) in ways.iter().enumerate() {
        assert_eq!(reads(Media::Csv, bytes).as_ref(), Ok(&wanted), "way {number}");
    }
    // Cut in the middle of a letter it is none of them.
    assert_eq!(reads(Media::Csv, &korean[..1]), Err(Unreadable::NotText));
}

#[test]
fn letters_of_elsewhere_are_not_guessed() {
    let french =
        encoding_rs::WINDOWS_1252.encode("nom;pr\u{e9}nom\r\nH\u{e9}l\u{e8}ne;\u{c0}\r\n").0;
    let chinese = encoding_rs::GBK.encode("姓名,城市\r\n张伟,北京\r\n李娜,上海\r\n").0;
    let japanese = encoding_rs::SHIFT_JIS.encode("名前,都市\r\nたなか,とうきょう\r\n").0;
    let picture = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\xb0\xa1";
    for bytes in [&french[..], &chinese, &japanese, picture] {
        assert_eq!(reads(Media::Text, bytes), Err(Unreadable::NotText), "{bytes:?}");
    }
}

proptest! {
    /// Whatever comes, it is read or refused; what is read is text.
    #[test]
    fn no_bytes_are_too_odd(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(pages) = reads(Media::Text, &bytes) {
            prop_assert!(pages.iter().all(|page| !page.contains('\0')));
        }
    }
}
