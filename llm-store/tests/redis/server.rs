//! A server of our own. It dies with its value, also when a test panics.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use redis::Client;

/// What a server may take to start, in steps of ten milliseconds.
const START_STEPS: u32 = 500;
/// Ports that somebody else was faster to take.
const PORTS_MAX: u32 = 5;
static NUMBER: AtomicU32 = AtomicU32::new(0);

#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    folder: PathBuf,
    port: u16,
    more: Vec<String>,
}

impl Server {
    /// `None` when this machine has none, and may have none.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with(&[])
    }

    pub(crate) fn start_with(more: &[String]) -> Option<Self> {
        if Command::new("redis-server").arg("--version").stdout(Stdio::null()).status().is_err() {
            let strict = std::env::var("LLM_TESTS_STRICT").is_ok_and(|value| value == "1");
            assert!(!strict, "no redis-server");
            println!("skipped: no redis-server");
            return None;
        }
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("llm-store-redis-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        for _ in 0..PORTS_MAX {
            let port = free_port();
            let child = spawn(&folder, port, more);
            let mut server = Self { child, folder: folder.clone(), port, more: more.to_vec() };
            if server.answers() {
                return Some(server);
            }
            server.kill();
        }
        panic!("redis-server does not start in {}", folder.display());
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// A connection beside those under test, that knows no deadline.
    pub(crate) fn ask<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        let mut connection = Client::open(self.url()).unwrap().get_connection().unwrap();
        redis::cmd(words[0]).arg(&words[1..]).query(&mut connection).unwrap()
    }

    /// Every key there is, and that each goes away by itself.
    pub(crate) fn keys(&self) -> Vec<String> {
        let keys: Vec<String> = self.ask(&["KEYS", "*"]);
        for key in &keys {
            assert!(self.ask::<i64>(&["PTTL", key]) != -1, "{key} stays for ever");
        }
        keys
    }

    pub(crate) fn stop(&self) {
        self.signal("STOP");
    }

    pub(crate) fn go_on(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let line = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").arg("-c").arg(line).status().unwrap().success());
    }

    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The same place again, with nothing in it.
    pub(crate) fn restart(&mut self) {
        self.child = spawn(&self.folder, self.port, &self.more);
        assert!(self.answers());
    }

    fn answers(&mut self) -> bool {
        for _ in 0..START_STEPS {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            let there = Client::open(self.url()).unwrap().get_connection().is_ok_and(|mut to| {
                // Somebody else's server would answer as well.
                let info: Result<String, _> = redis::cmd("INFO").arg("server").query(&mut to);
                info.is_ok_and(|info| info.contains(&format!("process_id:{}\r", self.child.id())))
            });
            if there {
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn spawn(folder: &Path, port: u16, more: &[String]) -> Child {
    Command::new("redis-server")
        .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", ""])
        .args(["--appendonly", "no", "--daemonize", "no"])
        .args(more)
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}
