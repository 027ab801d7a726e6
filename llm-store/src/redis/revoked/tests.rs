use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn keys_are_read_as_they_were_written(names in prop::collection::vec("\\PC{0,12}", 0..20)) {
        let keys: Vec<_> = names.into_iter().map(|name| KeyId(Str::from(name))).collect();
        prop_assert_eq!(read(&write(&keys)), Some(keys));
    }

    #[test]
    fn anything_may_be_on_the_channel(text in prop::collection::vec(any::<u8>(), 0..40)) {
        let _ = read(&text);
    }
}

#[test]
fn what_is_not_ours_is_not_guessed_at() {
    for text in ["alice", "9:alice", "5:alice3:b", "-1:a", ":", "18446744073709551615:a", "+1:a:"] {
        assert_eq!(read(text.as_bytes()), None, "{text}");
    }
}
