//! The commands about configurations, as they are typed.

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::{Command, Output};

    fn run(dir: &Path, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_llm-proxy"));
        command.env_clear().env("APP_KEY", "sk-app-0123456789abcdef");
        command.args(args).current_dir(dir).output().unwrap()
    }

    fn text(bytes: &[u8]) -> String {
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    const FINE: &str = "[providers.sim]\nkind = \"simulated\"\n\
        [models.m]\ntiers = [[\"sim/a\"], [\"sim/b\"]]\n\
        [plans.pro]\nlimits = [\"600/minute\"]\n\
        [[keys]]\nname = \"app\"\nkey = \"env:APP_KEY\"\nplan = \"pro\"\n";

    const LITELLM: &str = "model_list:\n  - model_name: m\n    litellm_params:\n      \
        model: openai/gpt-4o-mini\n      api_key: sk-literal-0123456789abcdef\n\
        general_settings:\n  custom_auth: ours.auth\n";

    fn files() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        write("fine.toml", FINE);
        write("other.toml", &FINE.replace("600", "60"));
        write("bad.toml", &FINE.replace("tiers", "teirs"));
        write(
            "priceless.yaml",
            "providers: {vllm: {base_url: 'http://127.0.0.1:1/v1'}}\n\
            models: {m: {tiers: [[vllm/x]]}}\n",
        );
        write("litellm.yaml", LITELLM);
        dir
    }

    #[test]
    fn check_says_whether_it_can_be_served() {
        let dir = files();
        let fine = run(dir.path(), &["--config", "fine.toml", "check"]);
        assert_eq!(fine.status.code(), Some(0), "{}", text(&fine.stdout));
        assert!(text(&fine.stdout).starts_with("errors: 0, warnings: 0, configuration "));
        let bad = run(dir.path(), &["check", "--config", "bad.toml"]);
        assert_eq!(bad.status.code(), Some(1));
        let told = text(&bad.stdout);
        assert!(told.contains(" --> bad.toml:4:1") && told.contains("did you mean \"tiers\"?"));
        let priceless = run(dir.path(), &["check", "--config", "priceless.yaml"]);
        assert_eq!(priceless.status.code(), Some(1));
        let told = text(&priceless.stdout);
        assert!(
            told.contains("no price is known") && told.contains("priceless.yaml:2:23"),
            "{told}"
        );
        let none = run(dir.path(), &["check", "--config", "none.toml"]);
        assert_eq!(none.status.code(), Some(1));
        assert!(text(&none.stdout).contains("none.toml"));
        assert_eq!(run(dir.path(), &["check"]).status.code(), Some(0), "without a file");
    }

    #[test]
    fn diff_and_explain_look_at_files() {
        let dir = files();
        let args = ["diff", "--config", "other.toml", "--against", "fine.toml"];
        let out = run(dir.path(), &args);
        assert_eq!(out.status.code(), Some(0));
        let wanted = "~ plans.pro.limits: [\"600/minute\"] -> [\"60/minute\"]\n";
        assert_eq!(text(&out.stdout), wanted);
        let out = run(dir.path(), &["diff", "--config", "bad.toml"]);
        assert_eq!(out.status.code(), Some(2));
        assert!(text(&out.stderr).contains("bad.toml:4:1"));
        let explain = |model| {
            let args = ["explain", "--config", "fine.toml", "--model", model, "--key", "app"];
            run(dir.path(), &args)
        };
        let out = explain("m");
        assert_eq!(out.status.code(), Some(0));
        assert!(text(&out.stdout).contains("limits 600/minute"));
        let out = explain("nobody");
        assert_eq!(out.status.code(), Some(1));
        assert!(text(&out.stdout).contains("refused: there is no model \"nobody\""));
    }

    #[test]
    fn a_litellm_file_is_taken_as_it_is_and_can_be_turned_into_ours() {
        let dir = files();
        let out = run(dir.path(), &["check", "--config", "litellm.yaml"]);
        let told = text(&out.stdout);
        assert_eq!(out.status.code(), Some(0), "{told}");
        assert!(told.contains("a secret stands in the file") && !told.contains("sk-literal"));
        let out = run(dir.path(), &["import", "litellm", "litellm.yaml"]);
        assert_eq!(out.status.code(), Some(0));
        let (ours, told) = (text(&out.stdout), text(&out.stderr));
        assert!(ours.contains("keys = [\"env:OPENAI_API_KEY\"]"), "{ours}");
        assert!(told.contains("unsupported  general_settings.custom_auth: "), "{told}");
        assert!(!ours.contains("sk-literal") && !told.contains("sk-literal"));
        let out = run(dir.path(), &["import", "litellm", "--strict", "litellm.yaml"]);
        assert_eq!(out.status.code(), Some(1));
        let out = run(dir.path(), &["import", "litellm", "fine.toml"]);
        assert_eq!(out.status.code(), Some(2));
    }
}
