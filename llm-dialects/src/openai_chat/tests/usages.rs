use llm_core::usage::Usage;

use super::super::usage;
use crate::json::Field;

fn counts(body: &str) -> Option<Usage> {
    usage::read(Field::root(&llm_core::Str::from(body.to_owned())).unwrap()).map(|r| r.usage)
}

#[test]
fn each_host_counts_in_its_own_way() {
    let all = |input, cache_read, output, reasoning| Usage {
        input,
        cache_read,
        output,
        reasoning,
        ..Usage::default()
    };
    for (body, want) in [
        (r#"{"prompt_tokens":10,"completion_tokens":7,"total_tokens":17}"#, all(10, 0, 7, 0)),
        (
            r#"{"prompt_tokens":10,"completion_tokens":7,"total_tokens":17,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":5}}"#,
            all(6, 4, 2, 5),
        ),
        // DeepSeek.
        (
            r#"{"prompt_tokens":10,"completion_tokens":7,"total_tokens":17,"prompt_cache_hit_tokens":8,"prompt_cache_miss_tokens":2}"#,
            all(2, 8, 7, 0),
        ),
        // xAI leaves reasoning out of the completion.
        (
            r#"{"prompt_tokens":10,"completion_tokens":7,"total_tokens":37,"completion_tokens_details":{"reasoning_tokens":20}}"#,
            all(10, 0, 7, 20),
        ),
        // More reasoning than output is what it is not.
        (
            r#"{"prompt_tokens":10,"completion_tokens":7,"total_tokens":17,"completion_tokens_details":{"reasoning_tokens":9}}"#,
            all(10, 0, 0, 7),
        ),
        (r#"{"input_tokens":3,"output_tokens":1}"#, all(3, 0, 1, 0)),
    ] {
        assert_eq!(counts(body), Some(want), "{body}");
    }
    let audio = counts(r#"{"prompt_tokens":10,"completion_tokens":7,"prompt_tokens_details":{"audio_tokens":4,"cache_write_tokens":2},"completion_tokens_details":{"audio_tokens":3}}"#).unwrap();
    assert_eq!(
        (audio.input, audio.audio_in, audio.cache_write, audio.output, audio.audio_out),
        (4, 4, 2, 4, 3)
    );
    let half = counts(r#"{"prompt_tokens":10}"#).unwrap();
    assert_eq!((half.input_total(), half.output_total()), (Some(10), None));
    assert_eq!(counts("{}"), None);
    assert_eq!(counts(r#"{"prompt_tokens":null}"#), None);
}
