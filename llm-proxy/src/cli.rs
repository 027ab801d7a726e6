//! The command line.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use llm_core::quota::{Limit, Quantity};
use llm_store::audit::Head;

use crate::config::resolve::{Asked, Ollama};

/// An LLM gateway: one API in front of many providers.
#[derive(Debug, Parser)]
#[command(name = "llm-proxy", version, about)]
pub(crate) struct Cli {
    /// What the proxy is told: a .toml or .yaml file, a LiteLLM config.yaml too.
    #[arg(long, global = true, value_name = "FILE", env = "LLM_PROXY_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Address to listen at, in place of the file's.
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub(crate) host: Option<IpAddr>,
    /// Port to listen at, in place of the file's; 0 takes any free one.
    #[arg(long, global = true, value_name = "PORT")]
    pub(crate) port: Option<u16>,
    /// Where this process keeps its files, in place of the file's.
    #[arg(long, global = true, value_name = "FOLDER")]
    pub(crate) data: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

impl Cli {
    /// What it says of the configuration.
    pub(crate) fn asked(&self) -> Asked {
        Asked {
            config: self.config.clone(),
            host: self.host,
            port: self.port,
            data: self.data.clone(),
            ollama: Ollama::Unasked,
        }
    }
}

/// What to do.
#[derive(Clone, Debug, Default, Subcommand)]
pub(crate) enum Command {
    /// Serves: what is done when no command is given.
    #[default]
    Serve,
    /// Serves simulated providers: openai, anthropic, gemini, cohere, ollama, one port each.
    ///
    /// They need no key (any key that does not contain "invalid" is right), answer every call
    /// deterministically, and do wrong what a script tells them: POST /__sim/script. GET
    /// /__sim/requests shows what came.
    Simulate(Simulate),
    /// Says everything that is wrong with a configuration.
    Check,
    /// Says what a configuration changes.
    Diff {
        /// What it changes; unless said, what is served without any file.
        #[arg(long, value_name = "FILE")]
        against: Option<PathBuf>,
    },
    /// Says what becomes of a call: who is asked, at what price, under which limits.
    Explain {
        /// The model that the call names.
        #[arg(long, value_name = "NAME")]
        model: String,
        /// The name of the key that it shows, of those in the configuration.
        #[arg(long, value_name = "NAME")]
        key: Option<String>,
    },
    /// Makes, lists and revokes virtual keys, beside a running proxy or without one.
    #[command(subcommand)]
    Key(Key),
    /// Looks at what the store says of money.
    #[command(subcommand)]
    Ledger(Ledger),
    /// Looks at the trail of what operators changed.
    #[command(subcommand)]
    Audit(Audit),
    /// Copies the store and this machine's journal into a new folder, while calls run.
    Backup {
        /// The folder, which must not exist yet.
        #[arg(value_name = "PATH")]
        to: PathBuf,
        /// Copies this machine's secrets too, into a folder of their own: never where the backup is.
        #[arg(long, value_name = "DIR")]
        secrets: Option<PathBuf>,
    },
    /// Puts a backup in the place of what is stored, if no process uses that. Nothing is deleted:
    /// what was there is put aside.
    Restore {
        /// The folder of the backup.
        #[arg(value_name = "PATH")]
        from: PathBuf,
        /// The folder that the secrets were copied into. None that is there is replaced.
        #[arg(long, value_name = "DIR")]
        secrets: Option<PathBuf>,
    },
    /// Measures this proxy on this machine, against a simulated provider: a few seconds.
    Bench(Bench),
    /// Shows what a proxy is doing: calls, tokens, spend, targets. Ctrl-C ends it.
    Top(Top),
    /// Says whether a proxy is well, for whoever restarts containers: ends with 0 when it is, and
    /// with 1 when it is not or does not answer.
    Health(Health),
    /// Turns another gateway's configuration into one of ours.
    #[command(subcommand)]
    Import(Import),
}

/// What to do with virtual keys.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Key {
    /// Makes a key: its text on standard output, this once; its id on standard error.
    Create(NewKey),
    /// Lists all keys, one line of JSON for each.
    List,
    /// Ends a key for good.
    Revoke {
        /// Its id, as it is listed.
        id: String,
    },
}

/// A key that somebody would like to have.
#[derive(Clone, Debug, Args)]
pub(crate) struct NewKey {
    /// What people call it.
    #[arg(long)]
    pub(crate) name: String,
    /// How much it may spend: $20/month.
    #[arg(long, value_name = "MONEY/PERIOD", value_parser = budget)]
    pub(crate) budget: Option<Limit>,
    /// How often, or with how many tokens, it may be used: 600/minute, 1M tokens/day. Again for
    /// another one.
    #[arg(long = "limit", value_name = "LIMIT", value_parser = limit)]
    pub(crate) limits: Vec<Limit>,
    /// A model that it may use, or a pattern of models: gpt-*. Again for another one; unless said,
    /// all of them.
    #[arg(long = "model", value_name = "MODEL")]
    pub(crate) models: Vec<String>,
    /// Whose it is.
    #[arg(long)]
    pub(crate) user: Option<String>,
    /// What it is sold.
    #[arg(long)]
    pub(crate) plan: Option<String>,
}

fn budget(text: &str) -> Result<Limit, String> {
    let limit: Limit = text.parse().map_err(|error| format!("{error}"))?;
    match limit.quantity {
        Quantity::Money(_) => Ok(limit),
        Quantity::Requests(_) | Quantity::Tokens(_) | Quantity::Credits(_) => {
            Err("a budget is money for a time: $20/month".to_owned())
        }
    }
}

fn limit(text: &str) -> Result<Limit, String> {
    text.parse().map_err(|error| format!("{error}"))
}

/// What to do with the ledger.
#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum Ledger {
    /// Recomputes every balance from its entries, and says what differs as JSON; ends with 1 when
    /// an account breaks a law.
    Verify,
}

/// What to do with the trail of what operators changed.
#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum Audit {
    /// Recomputes the chain of its lines, and says what differs as JSON; ends with 1 when a line was
    /// changed, dropped or moved.
    Verify {
        /// A head that was noted before (each change logs one): the trail must still lead through it.
        #[arg(long, value_name = "LINE:HASH")]
        head: Option<Head>,
    },
}

/// Whose configuration.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Import {
    /// LiteLLM's config.yaml: ours on standard output, what became of each field on standard error.
    Litellm {
        /// The file.
        file: PathBuf,
        /// Ends with 1 when there is no such thing here for a field.
        #[arg(long)]
        strict: bool,
    },
}

/// How much is measured.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Bench {
    /// For how long, all parts together.
    #[arg(long, value_name = "SECONDS", default_value_t = 6, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(crate) seconds: u64,
    /// How many ask at once.
    #[arg(long, value_name = "COUNT", default_value_t = 32, value_parser = callers)]
    pub(crate) callers: usize,
}

/// Beyond this nothing is measured but the machine's queue.
const CALLERS_MAX: usize = 4_096;

fn callers(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=CALLERS_MAX).contains(number));
    number.ok_or_else(|| format!("a number from 1 to {CALLERS_MAX}"))
}

/// Whom to look at.
#[derive(Clone, Args)]
pub(crate) struct Top {
    /// The proxy.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:4000")]
    pub(crate) url: String,
    /// The admin key, or an operator's. Better in the environment, where nobody else sees it.
    #[arg(long, value_name = "KEY", env = "LLM_PROXY_ADMIN_KEY", hide_env_values = true)]
    pub(crate) key: Option<String>,
    /// Where its metrics are, if that is another address.
    #[arg(long, value_name = "URL")]
    pub(crate) metrics_url: Option<String>,
    /// Milliseconds from one look to the next.
    #[arg(long, value_name = "MS", default_value_t = 1_000)]
    pub(crate) every_ms: u64,
    /// One frame, and no more: for scripts.
    #[arg(long)]
    pub(crate) once: bool,
}

impl std::fmt::Debug for Top {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Top").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Whom to ask.
#[derive(Clone, Debug, Args)]
pub(crate) struct Health {
    /// The proxy; unless said, the one that this configuration starts, on this machine.
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Whether it lives, and not whether it should be sent calls.
    #[arg(long)]
    pub(crate) live: bool,
}

/// Where the simulated providers listen.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Simulate {
    /// Port of the first provider; the others follow it. 0 takes any free ports.
    #[arg(long, value_name = "PORT", default_value_t = PORT_BASE)]
    pub(crate) port_base: u16,
    /// Lets a prompt ask for faults: [[sim: {"status": 503}]].
    #[arg(long)]
    pub(crate) prompt_faults: bool,
}

const PORT_BASE: u16 = 18_000;
/// Where simulated providers listen unless it is said: nobody else's machine should reach a provider
/// that lets everyone in.
pub(crate) const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn options_stand_before_and_behind_a_command() {
        let cli = Cli::parse_from(["llm-proxy"]);
        assert!(matches!(cli.command.unwrap_or_default(), Command::Serve));
        let cli = Cli::parse_from(["llm-proxy", "--port", "9", "serve", "--config", "a.toml"]);
        assert_eq!((cli.port, cli.config), (Some(9), Some("a.toml".into())));
        let cli = Cli::parse_from(["llm-proxy", "simulate", "--port-base", "9", "--host", "::1"]);
        let Some(Command::Simulate(wanted)) = cli.command else { panic!("no command") };
        assert_eq!((wanted.port_base, cli.host), (9, "::1".parse().ok()));
    }

    #[test]
    fn a_key_is_asked_for_with_its_limits() {
        let line = ["llm-proxy", "key", "create", "--name", "app", "--budget", "$20/month"];
        let more = ["--limit", "600/minute", "--limit", "1M tokens/day", "--model", "gpt-*"];
        let cli = Cli::parse_from(line.into_iter().chain(more));
        let Some(Command::Key(Key::Create(asked))) = cli.command else { panic!("no command") };
        assert_eq!(asked.budget.map(|limit| limit.to_string()).as_deref(), Some("$20/month"));
        assert_eq!((asked.limits.len(), asked.models), (2, vec!["gpt-*".to_owned()]));
        for wrong in [["--budget", "600/minute"], ["--limit", "x"]] {
            let line = ["llm-proxy", "key", "create", "--name", "app"];
            assert!(Cli::try_parse_from(line.into_iter().chain(wrong)).is_err(), "{wrong:?}");
        }
    }
}
