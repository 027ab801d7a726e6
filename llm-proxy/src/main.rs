//! The gateway as a proxy: one binary that needs no other server.
//!
//! `main` reads the command line, starts what it asks for, and turns the result into an exit
//! code: 0 done, 1 the thing asked about is bad, 2 usage or configuration. Without a command the
//! simulated providers are served, which is all that can be offered to someone without a key.

use std::process::ExitCode;

use clap::Parser as _;

mod cli;
mod secrets;
mod serve;
mod simulate;

use cli::{Cli, Command};

/// Wrong usage, or a configuration that cannot be served.
const EXIT_USAGE: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&format!("cannot start: {error}")),
    };
    let done = match cli.command.unwrap_or_default() {
        Command::Simulate(wanted) => runtime.block_on(simulate::run(wanted)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => failed(&message),
    }
}

fn failed(message: &str) -> ExitCode {
    eprintln!("llm-proxy: {message}");
    ExitCode::from(EXIT_USAGE)
}
