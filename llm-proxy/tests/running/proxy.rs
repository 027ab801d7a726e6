//! The proxy as a process: started with a configuration, watched, killed.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use llm_sim::{Options, Simulator};

/// How long a start may take, recovery and all, on a machine that compiles beside it.
const READY_MAX: Duration = Duration::from_secs(30);

pub(crate) const ADMIN: &str = "sk-admin-kill-0123456789abcdef0123456789";
/// A key of the configuration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) key: &'static str,
    pub(crate) limit: &'static str,
}

/// Where a proxy lives, over all of its lives.
pub(crate) struct Place {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) store: String,
    pub(crate) upstream: String,
    pub(crate) keys: Vec<Key>,
    /// Where it listens, and further lines of the configuration's `[server]`.
    pub(crate) server: String,
    /// Further lines of the configuration's `[store]`, and tables behind it.
    pub(crate) redis: Option<String>,
    pub(crate) more: &'static str,
}

impl Place {
    pub(crate) fn new(folder: tempfile::TempDir, store: String, upstream: String) -> Self {
        let server = "listen = \"127.0.0.1:0\"".to_owned();
        Self { folder, store, upstream, keys: Vec::new(), server, redis: None, more: "" }
    }

    pub(crate) fn config(&self) -> PathBuf {
        let mut text = String::new();
        let data = self.folder.path().join("data");
        write!(
            text,
            "[server]\n{}\nadmin_key = \"env:KILL_ADMIN\"\n\
             [store]\nurl = \"{}\"\ndata = \"{}\"\n{}\
             [providers.openai]\nkind = \"openai\"\nbase_url = \"{}\"\nkeys = [\"env:KILL_OPENAI\"]\n\
             retries = 0\n\
             [models.plain]\ntiers = [[\"openai/gpt-4o-mini\"]]\n\
             [models.kept]\ntiers = [[\"openai/gpt-4o-mini\"]]\ncache = {{ ttl = \"30m\", scope = \"key\" }}\n",
            self.server,
            self.store,
            data.display(),
            self.redis.as_ref().map(|url| format!("redis = \"{url}\"\nreplicas = 2\n")).unwrap_or_default(),
            self.upstream,
        )
        .unwrap();
        for Key { name, limit, .. } in &self.keys {
            let variable = name.to_uppercase();
            // Nothing is without limit unless it is said.
            let limit = match *limit {
                "" => "unlimited = true".to_owned(),
                limit => format!("limits = [\"{limit}\"]"),
            };
            write!(text, "[[keys]]\nname = \"{name}\"\nkey = \"env:KILL_{variable}\"\n{limit}\n",)
                .unwrap();
        }
        text.push_str(self.more);
        let path = self.folder.path().join("proxy.toml");
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The program with this configuration, and nothing to do yet.
    pub(crate) fn command(&self) -> Command {
        // Long runs take a copy, so that it can be built anew beside them.
        let program = std::env::var_os("LLM_TESTS_PROXY");
        let program = program.unwrap_or_else(|| env!("CARGO_BIN_EXE_llm-proxy").into());
        let mut command = Command::new(program);
        command.arg("--config").arg(self.config());
        command.env("KILL_ADMIN", ADMIN).env("KILL_OPENAI", "sk-0123456789abcdef");
        for Key { name, key, .. } in &self.keys {
            command.env(format!("KILL_{}", name.to_uppercase()), key);
        }
        command
    }
}

/// One life of it.
pub(crate) struct Proxy {
    child: Child,
    pub(crate) address: SocketAddr,
    /// From the start of the process until it answered.
    pub(crate) ready_after: Duration,
    log: Arc<Mutex<String>>,
}

impl Proxy {
    /// Starts it, to end by itself at a named point if one is given.
    pub(crate) fn start(place: &Place, crash_at: Option<&str>) -> Result<Self, String> {
        let mut command = place.command();
        if let Some(point) = crash_at {
            command.env("LLM_CRASH_AT", point);
        }
        Self::started(command)
    }

    /// Starts it with other surroundings; the file of its configuration is written already.
    pub(crate) fn start_with(place: &Place, change: impl FnOnce(&mut Command, &Path)) -> Self {
        let mut command = place.command();
        change(&mut command, &place.folder.path().join("proxy.toml"));
        Self::started(command).unwrap()
    }

    #[expect(clippy::disallowed_methods, reason = "it measures the real time that passes")]
    fn started(mut command: Command) -> Result<Self, String> {
        let started = Instant::now();
        command.arg("serve");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let stderr = child.stderr.take().unwrap();
        let said = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let mut said = said.lock().unwrap();
                said.push_str(&line);
                said.push('\n');
            }
        });
        let mut address = None;
        // The pipe is read to its end: a process that cannot write would stop.
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        for line in lines.by_ref().map_while(Result::ok) {
            if let Some(rest) = line.strip_prefix("listening on http://") {
                address = rest.trim().parse().ok();
                break;
            }
        }
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        let Some(address) = address else {
            let _ = child.wait();
            return Err(log.lock().unwrap().clone());
        };
        let ready_after = started.elapsed();
        assert!(ready_after < READY_MAX, "ready only after {ready_after:?}");
        Ok(Self { child, address, ready_after, log })
    }

    /// `kill -9`, as for each that is dropped.
    pub(crate) fn kill(self) {
        drop(self);
    }

    /// The process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Bytes of memory that it has.
    pub(crate) fn memory(&self) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = text.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
    }

    /// How long its threads have worked, whatever else the machine does: in hundredths of a second.
    pub(crate) fn worked(&self) -> Duration {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap();
        let fields: Vec<&str> = text.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks = |at: usize| fields[at].parse::<u64>().unwrap();
        Duration::from_millis(10 * (ticks(11) + ticks(12)))
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// Asks it to end, and waits.
    pub(crate) fn stop(mut self) {
        self.signal("-TERM");
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}: {}", self.log.lock().unwrap());
    }

    /// Asks it to end, and returns all that it has logged.
    pub(crate) fn stop_and_say(mut self) -> String {
        self.signal("-TERM");
        let status = self.child.wait().unwrap();
        // The last lines are on their way through the pipe.
        std::thread::sleep(Duration::from_millis(200));
        let log = self.said();
        assert!(status.success(), "{status}: {log}");
        log
    }

    pub(crate) fn said(&self) -> String {
        self.log.lock().unwrap().clone()
    }
}

/// Upstreams in this process, on ports of their own.
pub(crate) async fn simulator() -> Simulator {
    Simulator::start(Options { port_base: 0, ..Options::default() }).await.unwrap()
}

/// A test that fails leaves none behind.
impl Drop for Proxy {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn sqlite(folder: &Path) -> String {
    format!("sqlite:{}", folder.join("ledger.db").display())
}
