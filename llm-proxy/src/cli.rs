//! The command line.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

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
    /// Turns another gateway's configuration into one of ours.
    #[command(subcommand)]
    Import(Import),
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
}
