//! The command line.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// An LLM gateway: one API in front of many providers.
#[derive(Debug, Parser)]
#[command(name = "llm-proxy", version, about)]
pub(crate) struct Cli {
    /// The configuration: TOML, YAML, or LiteLLM's config.yaml.
    #[arg(long, global = true, value_name = "FILE", env = "LLM_PROXY_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
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
#[derive(Debug, Subcommand)]
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

impl Default for Command {
    fn default() -> Self {
        Self::Simulate(Simulate::default())
    }
}

/// Where the simulated providers listen.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Simulate {
    /// Port of the first provider; the others follow it. 0 takes any free ports.
    #[arg(long, value_name = "PORT", default_value_t = PORT_BASE)]
    pub(crate) port_base: u16,
    /// Address to listen at.
    #[arg(long, value_name = "ADDRESS", default_value_t = LOOPBACK)]
    pub(crate) host: IpAddr,
    /// Lets a prompt ask for faults: [[sim: {"status": 503}]].
    #[arg(long)]
    pub(crate) prompt_faults: bool,
}

const PORT_BASE: u16 = 18_000;
/// Nobody else's machine should reach a provider that lets everyone in.
const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

impl Default for Simulate {
    fn default() -> Self {
        Self { port_base: PORT_BASE, host: LOOPBACK, prompt_faults: false }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_command_simulates() {
        let cli = Cli::parse_from(["llm-proxy"]);
        let Command::Simulate(wanted) = cli.command.unwrap_or_default() else { panic!("another") };
        assert_eq!((wanted.port_base, wanted.host), (18_000, LOOPBACK));
        let cli = Cli::parse_from(["llm-proxy", "simulate", "--port-base", "9", "--host", "::1"]);
        let Some(Command::Simulate(wanted)) = cli.command else { panic!("no command") };
        assert_eq!((wanted.port_base, wanted.host.to_string()), (9, "::1".to_owned()));
    }
}
