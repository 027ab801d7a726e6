//! The trail of what operators change, wherever it is.

use std::sync::Arc;

use llm_core::Str;
use llm_store::audit::{Draft, Outcome, Search, Trail};

use crate::place::Place;

fn draft(n: u64) -> Draft {
    Draft {
        who: Str::from(format!("op-{}", n % 2)),
        what: "POST /key/update".into(),
        about: Str::from(format!("key-{n}")),
        detail: "{\"max_budget\":\"0.1\"}".into(),
        outcome: Outcome::Done,
    }
}

pub(crate) async fn lines_follow_each_other(place: &dyn Place) {
    const EACH: u64 = 20;
    let replicas = [Trail::new(place.database().await), Trail::new(place.database().await)];
    let writes = replicas.iter().cloned().map(|trail| {
        tokio::spawn(async move {
            for n in 0..EACH {
                trail.append(draft(n)).await.unwrap();
            }
        })
    });
    for write in writes.collect::<Vec<_>>() {
        write.await.unwrap();
    }
    let trail = Arc::new(replicas[0].clone());
    let head = trail.head().await.unwrap();
    assert_eq!(head.seq, 2 * EACH);
    let found = trail.verify(Some(head)).await.unwrap();
    assert_eq!((found.lines, found.head, found.problem), (2 * EACH, head, None));
    let search = Search { who: Some("op-1".into()), about: Some("key-3".into()) };
    let page = trail.page(&search, None, 1).await.unwrap();
    assert_eq!((page.lines[0].draft.clone(), page.lines.len()), (draft(3), 1));
    let rest = trail.page(&search, page.next, 9).await.unwrap();
    assert_eq!((rest.lines.len(), rest.next), (1, None), "one of each replica");
}
