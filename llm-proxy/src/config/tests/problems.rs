use super::{Said, said};

/// The whole of what is said about a file.
fn problems(name: &str, text: &str) -> String {
    match said().file(name, text).resolve(name) {
        Ok(resolved) => format!("fine\n{}", resolved.report),
        Err(report) => report.to_string(),
    }
}

#[test]
fn all_problems_are_listed_with_their_lines() {
    let text = r#"
[server]
listne = "127.0.0.1:4000"
drain = 30

[providers.openai]
keys = ["env:OPENAI_API_KEY", "sk-real-0123456789abcdef0123"]
retries = 99

[models.smart]
tiers = [["opnai/gpt-4o"], ["gpt-4o"]]
"#;
    let shown = problems("c.toml", text);
    assert_eq!(shown, "");
}
