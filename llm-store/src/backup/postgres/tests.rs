//! Addresses without what nobody may read.

use super::*;

#[test]
fn a_password_is_taken_out_of_an_address() {
    let cases = [
        ("postgres://u:p%40%2f@h:1/d?sslmode=disable", "postgres://u@h:1/d?sslmode=disable", "p@/"),
        ("postgres://u:p@q@h", "postgres://u@h", "p@q"),
        ("postgres://u:%@h/d", "postgres://u@h/d", "%"),
    ];
    for (url, without, password) in cases {
        assert_eq!(without_password(url), (without.to_owned(), Some(password.to_owned())));
    }
    for url in ["postgres://u@h/d", "postgres://h/a:b@c", "nothing"] {
        assert_eq!(without_password(url), (url.to_owned(), None));
    }
}
