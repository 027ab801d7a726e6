use llm_core::money::Credits;

use super::*;

fn incoming() -> Incoming {
    let secrets = Secrets::new(["a secret of twenty-four bytes"]).unwrap();
    Incoming { tenant: TenantId::from("t"), secrets }
}

fn read(body: &str) -> Result<TopUp, NotAccepted> {
    let incoming = incoming();
    let signature = incoming.secrets.sign("msg_1", 1_000, body.as_bytes());
    let shown = Shown { id: "msg_1", timestamp: "1000", signature: &signature };
    incoming.read(shown, body.as_bytes(), Timestamp::from_second(1_010).unwrap())
}

#[test]
fn a_payment_is_read_exactly() {
    let read = |body| read(body).unwrap();
    let paid = read(r#"{"user":"u","event_id":"toss:1","credits":100.5,"bonus":"0.000001"}"#);
    assert_eq!((paid.credits, paid.bonus), (Credits(100_500_000), Some(Credits(1))));
    assert_eq!((&*paid.tenant.0, &*paid.user.0, &*paid.event), ("t", "u", "toss:1"));
    assert_eq!(paid.expires_at, None);
    let body = r#"{"user":"u","event_id":"e","credits":1,"expires":"2027-01-01T00:00:00+09:00"}"#;
    assert_eq!(read(body).expires_at, Some("2026-12-31T15:00:00Z".parse().unwrap()));
}

#[test]
fn what_is_odd_is_refused() {
    for credits in ["-1", "1e3", "0.0000001", "\"\"", "null", "true", "99999999999999"] {
        let body = format!(r#"{{"user":"u","event_id":"e","credits":{credits}}}"#);
        assert_eq!(read(&body), Err(NotAccepted::Credits), "{credits}");
    }
    let odd = [
        "",
        "{}",
        r#"{"user":"u","credits":1}"#,
        r#"{"user":"u","event_id":"e","credits":1,"expire":"2027-01-01T00:00:00Z"}"#,
        r#"{"user":"u","event_id":"e","credits":1,"tenant":"other"}"#,
    ];
    for body in odd {
        assert_eq!(read(body), Err(NotAccepted::Shape), "{body}");
    }
    let body = r#"{"user":"u","event_id":"e","credits":1,"expires":"soon"}"#;
    assert_eq!(read(body), Err(NotAccepted::Expires));
}

#[test]
fn nothing_is_read_before_it_is_believed() {
    let shown = Shown { id: "msg_1", timestamp: "1000", signature: "v1,AAAA" };
    let now = Timestamp::from_second(1_000).unwrap();
    let seen = incoming().read(shown, b"nonsense", now);
    assert_eq!(seen, Err(NotAccepted::NotVerified(NotVerified::Signature)));
}
