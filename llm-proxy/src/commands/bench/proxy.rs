//! The proxy that is measured: a process of its own, in a folder that goes with it.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::secrets;

/// The only key, which opens nothing but a process that ends with this one.
pub(super) const KEY: &str = "sk-bench-0123456789abcdef0123456789";
/// The model that is asked for.
pub(super) const MODEL: &str = "bench";
/// What the kernel calls a second of a processor.
const TICKS: u64 = 100;
/// What is told of a proxy that did not start.
const TOLD_MAX: usize = 4_000;

pub(super) struct Proxy {
    child: Child,
    folder: PathBuf,
    base: String,
}

impl Proxy {
    pub(super) fn start(upstream: &str) -> Result<Self, String> {
        let name = secrets::hex::<8>().map_err(|error| error.to_string())?;
        let folder = std::env::temp_dir().join(format!("llm-proxy-bench-{name}"));
        let place = folder.display().to_string();
        let made = fs::create_dir(&folder);
        made.map_err(|error| format!("{place}: {error}; TMPDIR says where there is room"))?;
        let file = folder.join("bench.toml");
        let started = fs::write(&file, config(&place, upstream))
            .map_err(|error| format!("{}: {error}", file.display()))
            .and_then(|()| spawned(&file));
        match started {
            Ok((child, base)) => Ok(Self { child, folder, base }),
            Err(why) => {
                // Nothing of it is of any use.
                let _ = fs::remove_dir_all(&folder);
                Err(why)
            }
        }
    }

    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// Its time on processors; `None` where the system does not say.
    pub(super) fn used(&self) -> Option<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).ok()?;
        let (_, rest) = stat.rsplit_once(") ")?;
        let mut numbers = rest.split(' ').skip(11).map(str::parse::<u64>);
        let (user, system) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
        Some(Duration::from_millis((user + system) * 1_000 / TICKS))
    }

    /// Its memory in bytes.
    pub(super) fn memory(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
        Some(kilobytes << 10)
    }
}

/// Nothing of it outlasts the command.
impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn config(place: &str, upstream: &str) -> String {
    format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nadmin_key = \"env:BENCH_KEY_OF_ADMIN\"\n\
         [store]\nurl = \"sqlite:{place}/bench.db\"\ndata = \"{place}/data\"\n\
         [providers.openai]\nkind = \"openai\"\nbase_url = \"{upstream}\"\n\
         keys = [\"env:BENCH_KEY\"]\n\
         [models.{MODEL}]\ntiers = [[\"openai/gpt-4o-mini\"]]\n\
         [[keys]]\nname = \"bench\"\nkey = \"env:BENCH_KEY\"\nlimits = [\"$1000000/month\"]\n"
    )
}

fn spawned(file: &std::path::Path) -> Result<(Child, String), String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    // Nothing of the surroundings: they say where things are that are in use.
    command.env_clear().env("BENCH_KEY", KEY).env("BENCH_KEY_OF_ADMIN", format!("{KEY}-admin"));
    command.env("LLM_PROXY_LOG", "error").arg("--config").arg(file).arg("serve");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child =
        command.spawn().map_err(|error| format!("the proxy was not started: {error}"))?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let lines = out.into_iter().flat_map(|out| BufReader::new(out).lines().map_while(Result::ok));
    for line in lines {
        if let Some(at) = line.strip_prefix("listening on ") {
            return Ok((child, at.to_owned()));
        }
    }
    let mut told = String::new();
    if let Some(err) = err {
        let _ = err.take(TOLD_MAX as u64).read_to_string(&mut told);
    }
    let _ = child.wait();
    Err(format!("the proxy did not start: {}", told.trim()))
}
