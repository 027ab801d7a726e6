//! Golden vectors of the one function that converts counts.

use llm_core::usage::Usage;

use super::*;
use crate::anthropic::usage::usage;

fn counted(value: &Value) -> Option<Usage> {
    let fields: Vec<(String, Raw)> =
        value.as_object().unwrap().iter().map(|(k, v)| (k.clone(), Raw::of(v).unwrap())).collect();
    usage(|name| fields.iter().find(|(n, _)| n == name).map(|(_, raw)| raw))
}

#[test]
fn counts_are_disjoint() {
    let all = json!({
        "input_tokens": 11, "cache_read_input_tokens": 1031, "cache_creation_input_tokens": 300,
        "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
        "output_tokens": 90, "output_tokens_details": {"thinking_tokens": 40},
        "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 5},
        "iterations": [{"input_tokens": 9999}], "service_tier": "standard",
    });
    let u = counted(&all).unwrap();
    let got =
        (u.input, u.cache_read, u.cache_write, u.cache_write_1h, u.output, u.reasoning, u.calls);
    assert_eq!(got, (11, 1031, 100, 200, 50, 40, 2));
    assert_eq!((u.input_total(), u.output_total()), (Some(1342), Some(90)));
}

#[test]
fn what_is_not_said_is_unknown() {
    let u = counted(&json!({"output_tokens": 3, "input_tokens": null})).unwrap();
    assert_eq!((u.input_total(), u.output_total()), (None, Some(3)));
    assert_eq!(counted(&json!({"service_tier": "x", "cache_read_input_tokens": 4})), None);
    let split = json!({"input_tokens": 1, "cache_creation": {"ephemeral_1h_input_tokens": 7}});
    let u = counted(&split).unwrap();
    assert_eq!((u.cache_write, u.cache_write_1h), (0, 7));
}

#[test]
fn contradictions_and_giants_do_not_wrap() {
    let u = counted(&json!({
        "input_tokens": 18_446_744_073_709_551_615_u64, "output_tokens": 5,
        "cache_creation_input_tokens": 3,
        "cache_creation": {"ephemeral_1h_input_tokens": 10},
        "output_tokens_details": {"thinking_tokens": 9},
        "server_tool_use": {"web_search_requests": 99_999_999_999_u64},
    }))
    .unwrap();
    assert_eq!((u.cache_write, u.cache_write_1h, u.output, u.reasoning), (0, 3, 0, 5));
    assert_eq!((u.input_total(), u.calls), (Some(u64::MAX), u32::MAX));
    let odd = json!({"input_tokens": "7", "output_tokens": 1.5, "cache_read_input_tokens": -1});
    assert_eq!(counted(&odd), None);
}
