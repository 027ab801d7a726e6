//! The gateway as a proxy: one binary that needs no other server.
//!
//! `main` reads the command line, starts what it asks for, and turns the result into an exit
//! code: 0 done, 1 the thing asked about is bad, 2 usage or configuration.

// The futures of a connection nest deeper than the compiler looks by itself: stages, edges, seats.
#![recursion_limit = "256"]

use std::num::NonZeroUsize;
use std::process::ExitCode;

use clap::Parser as _;
use tokio::runtime::{Builder, Runtime};

mod cli;
mod commands;
mod config;
#[cfg(unix)]
mod files;
mod secrets;
mod serve;
mod simulate;
mod start;
mod verified;
mod way;

use cli::{Audit, Cli, Command, Import, Ledger};

// In place of the system's: a tenth less time a call, at the same memory. It takes the name of C's own
// (`override`), so that SQLite has it as well; and Rust by that name, since the crate's own door asks for
// an alignment each time, which is a longer way.
#[cfg(not(windows))]
use mimalloc as _;

/// There C's names cannot be taken.
#[cfg(windows)]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Wrong usage, or a configuration that cannot be served.
const EXIT_USAGE: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&format!("cannot start: {error}")),
    };
    // Whoever serves does this once it can say what came of it; simulators and benches hold as many.
    #[cfg(unix)]
    if matches!(cli.command, Some(Command::Simulate(_) | Command::Bench(_))) {
        files::take();
    }
    let host = cli.host.unwrap_or(cli::LOOPBACK);
    let done = match cli.command.clone().unwrap_or_default() {
        Command::Serve => runtime.block_on(start::serve(&cli)).map(|()| ExitCode::SUCCESS),
        Command::Simulate(wanted) => {
            runtime.block_on(simulate::run(wanted, host)).map(|()| ExitCode::SUCCESS)
        }
        Command::Check => commands::check(cli.config),
        Command::Diff { against } => commands::diff(cli.config, against),
        Command::Explain { model, key } => commands::explain(cli.config, &model, key.as_deref()),
        Command::Key(wanted) => runtime.block_on(commands::key(cli.asked(), wanted)),
        Command::Ledger(Ledger::Verify) => runtime.block_on(commands::verify(cli.asked())),
        Command::Audit(Audit::Verify { head }) => {
            runtime.block_on(commands::audit(cli.asked(), head))
        }
        Command::Backup { to, secrets } => {
            runtime.block_on(commands::back_up(cli.asked(), &to, secrets.as_deref()))
        }
        Command::Restore { from, secrets } => {
            runtime.block_on(commands::restore(cli.asked(), &from, secrets.as_deref()))
        }
        Command::Bench(wanted) => runtime.block_on(commands::bench(wanted)),
        Command::Top(wanted) => runtime.block_on(commands::top(wanted)),
        Command::Health(wanted) => runtime.block_on(commands::health(cli.asked(), wanted)),
        Command::Import(Import::Litellm { file, strict }) => commands::litellm(&file, strict),
    };
    match done {
        Ok(code) => code,
        Err(message) => failed(&message),
    }
}

/// Where there is one core there is one thread, which takes what is ready in its order: all questions
/// that have come are sent on together, so that whoever they are for is woken once for all of them.
fn runtime() -> std::io::Result<Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let mut builder = match cores {
        1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    builder.enable_all().build()
}

fn failed(message: &str) -> ExitCode {
    eprintln!("llm-proxy: {message}");
    ExitCode::from(EXIT_USAGE)
}
