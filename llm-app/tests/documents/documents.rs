use std::time::Instant;

use bytes::Bytes;
use llm_app::NotDone;
use llm_app::documents::read::Media;
use llm_app::documents::{Draft, Query, Within, erase};
use llm_app::people::Consent;
use llm_core::Str;

use crate::model::Provider;
use crate::place::Place;

fn silent() -> Provider {
    Provider::new(|_, _| String::new())
}

fn draft(name: &str, collection: Option<&str>, text: impl Into<Bytes>) -> Draft {
    Draft {
        name: name.into(),
        media: Media::Text,
        collection: collection.map(Str::from),
        content: text.into(),
    }
}

fn query(text: &str, within: Within) -> Query {
    Query { text: text.into(), within, limit: 10 }
}

/// So many pages, no two alike.
fn book(pages: usize) -> String {
    let page = |n: usize| {
        let line = format!("{n}쪽의 내용은 {}번 부서의 분기 매출과 비용이다. ", n * 37 % 101);
        line.repeat(20)
    };
    (0..pages).map(page).collect::<Vec<_>>().join("\u{c}")
}

#[tokio::test]
async fn five_hundred_pages_twice_are_embedded_once() {
    let place = Place::in_file(silent()).await;
    let person = place.person("a").await;
    let (book, began) = (book(500), Instant::now_of_test());
    let first = place.documents.add(&person, draft("book", None, book.clone())).await.unwrap();
    assert_eq!(first.pages, 500);
    assert!(place.documents.embed(&person, &place.grant, &first, &()).await.unwrap());
    let (calls, texts) = (place.provider.embeds(), place.provider.texts());
    assert_eq!(texts, first.passages);
    assert!(calls < first.passages / 4, "{calls} calls for {texts} texts");
    // The same again is the same document; under another name it is another one of the same texts.
    let again = place.documents.add(&person, draft("book", None, book.clone())).await.unwrap();
    assert_eq!(again.id, first.id);
    let other = place.documents.add(&person, draft("copy", Some("c"), book.clone())).await.unwrap();
    assert_ne!(other.id, first.id);
    for document in [&again, &other] {
        assert_eq!(place.documents.missing(&person, document, 10).await.unwrap(), 0);
        assert!(place.documents.embed(&person, &place.grant, document, &()).await.unwrap());
    }
    assert_eq!((place.provider.embeds(), place.provider.texts()), (calls, texts), "not one more");
    // With a page more, that page alone.
    let more = format!("{book}\u{c}새로운 쪽");
    let more = place.documents.add(&person, draft("more", None, more)).await.unwrap();
    assert!(place.documents.embed(&person, &place.grant, &more, &()).await.unwrap());
    assert_eq!(place.provider.texts(), texts + 1);
    // Another person's texts are another's.
    let stranger = place.person("b").await;
    let theirs = place.documents.add(&stranger, draft("book", None, "1쪽")).await.unwrap();
    assert!(place.documents.embed(&stranger, &place.grant, &theirs, &()).await.unwrap());
    assert_eq!(place.provider.texts(), texts + 2);
    println!("{} passages, {calls} calls, {:?}", first.passages, began.elapsed());
}

/// A stopwatch of a test, which runs in real time.
trait OfTest {
    fn now_of_test() -> Self;
}

impl OfTest for Instant {
    #[expect(clippy::disallowed_methods, reason = "what is measured is real time")]
    fn now_of_test() -> Self {
        Self::now()
    }
}

async fn suite(place: Place) {
    let (a, b) = (place.person("a").await, place.person("b").await);
    let docs = &place.documents;
    let report =
        "머리말\u{c}서울 지점의 삼분기 매출은 12억 원이다.\n부산 지점은 9억 원이다.\u{c}끝";
    let first = docs.add(&a, draft("보고서.txt", Some("재무"), report)).await.unwrap();
    let menu = docs.add(&a, draft("menu.md", None, "Soup of the day: tomato")).await.unwrap();
    let hidden = docs.add(&b, draft("비밀", Some("재무"), "서울 지점의 비밀 매출")).await.unwrap();
    // Found by its words before it is embedded, and by both afterwards.
    let everywhere = query("서울의 매출은?", Within::All);
    let found = docs.search(&a, &place.grant, &everywhere).await.unwrap();
    assert_eq!((found.looked, found.unembedded), (4, 4));
    assert_eq!((&*found.hits[0].document, found.hits[0].page), ("보고서.txt", 2));
    for document in [&first, &menu] {
        assert!(docs.embed(&a, &place.grant, document, &()).await.unwrap());
    }
    let found = docs.search(&a, &place.grant, &everywhere).await.unwrap();
    assert_eq!((found.looked, found.unembedded), (4, 0));
    assert_eq!((&*found.hits[0].document, found.hits[0].page), ("보고서.txt", 2));
    assert!(found.hits[0].excerpt.contains("서울 지점"), "{found:?}");
    assert!(found.hits.windows(2).all(|two| two[0].score >= two[1].score));
    // Within a collection, and within documents.
    let within = |within| query("tomato", within);
    let named = within(Within::Collection("재무".into()));
    let found = docs.search(&a, &place.grant, &named).await.unwrap();
    assert!(found.looked == 3 && found.hits.iter().all(|hit| hit.id == first.id));
    let named = within(Within::Documents(vec![menu.id.clone(), hidden.id.clone()]));
    let found = docs.search(&a, &place.grant, &named).await.unwrap();
    assert_eq!((found.looked, &found.hits[0].id), (1, &menu.id), "another's is not looked at");
    // Pages come back as they were, but for those without a word.
    let pages = docs.pages(&a, &first.id).await.unwrap();
    let text: Vec<&str> = pages.iter().map(|page| &*page.text).collect();
    assert_eq!(text.join("\u{c}"), report);
    // Lists go on behind a document, the newest first.
    let all = docs.list(&a, None, None, 10).await.unwrap();
    let ids: Vec<&Str> = all.iter().map(|document| &document.id).collect();
    assert_eq!(ids, [&menu.id, &first.id]);
    assert_eq!(all[1].collection.as_deref(), Some("재무"));
    let rest = docs.list(&a, None, Some(menu.id.clone()), 10).await.unwrap();
    assert_eq!((rest.len(), &rest[0].id), (1, &first.id));
    assert_eq!(docs.list(&a, Some("재무"), None, 10).await.unwrap().len(), 1);
    assert_eq!(docs.list(&a, Some("없음"), None, 10).await.unwrap().len(), 0);
    // Another's is not there.
    for none in [
        docs.get(&a, &hidden.id).await.map(drop),
        docs.forget(&a, &hidden.id).await,
        docs.get(&a, "nothing").await.map(drop),
    ] {
        assert!(matches!(none, Err(NotDone::Unknown("document"))), "{none:?}");
    }
    assert!(docs.pages(&a, &hidden.id).await.unwrap().is_empty());
    // What is forgotten is gone, and so are the vectors that nothing else needs.
    docs.forget(&a, &first.id).await.unwrap();
    assert!(docs.get(&a, &first.id).await.is_err());
    let calls = place.provider.texts();
    let again = docs.add(&a, draft("보고서.txt", Some("재무"), report)).await.unwrap();
    assert!(docs.embed(&a, &place.grant, &again, &()).await.unwrap());
    assert_eq!(place.provider.texts(), calls + 3);
    // Who has not agreed has nothing kept.
    place.ground.people.agree(b.owner(), Consent::Withdrawn).await.unwrap();
    let refused = docs.add(&place.person("b").await, draft("x", None, "y")).await;
    assert!(matches!(refused, Err(NotDone::NoConsent)));
    assert!(erase(&place.ground.database, a.owner()).await.unwrap() > 6);
    assert!(docs.list(&a, None, None, 10).await.unwrap().is_empty());
    assert_eq!(erase(&place.ground.database, a.owner()).await.unwrap(), 0);
    for words in ["지점", "보고서", "재무", "tomato", "menu"] {
        assert!(!place.holds(words), "{words} can be read");
    }
}

#[tokio::test]
async fn documents_in_a_file() {
    suite(Place::in_file(silent()).await).await;
}

#[tokio::test]
async fn documents_in_a_server() {
    if let Some(place) = Place::in_server(silent()).await {
        suite(place).await;
    }
}

#[tokio::test]
async fn what_cannot_be_kept_is_refused_by_its_field() {
    let place = Place::in_file(silent()).await;
    let person = place.person("a").await;
    let long = "긴".repeat(201);
    for (draft, field) in [
        (draft("", None, "x"), "name"),
        (draft("a\nb", None, "x"), "name"),
        (draft(&long, None, "x"), "name"),
        (draft("a", Some(" "), "x"), "collection"),
        (draft("a", None, " "), "content"),
        (draft("a", None, &b"\xff\xff"[..]), "content"),
        (Draft { media: Media::Pdf, ..draft("a", None, "x") }, "content"),
        (Draft { media: Media::Json, ..draft("a", None, "{") }, "content"),
    ] {
        match place.documents.add(&person, draft).await {
            Err(NotDone::Wrong { field: wrong, .. }) => assert_eq!(wrong, field),
            other => panic!("{field}: {other:?}"),
        }
    }
    assert!(place.documents.list(&person, None, None, 10).await.unwrap().is_empty());
    for text in ["", " ", &"x".repeat(2_001)] {
        let refused =
            place.documents.search(&person, &place.grant, &query(text, Within::All)).await;
        assert!(matches!(refused, Err(NotDone::Wrong { .. })));
    }
    assert_eq!(place.provider.embeds(), 0);
}
