//! A Postgres of our own. It dies with the last that uses it, also when a test panics.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// What a server may take to start, in steps of fifty milliseconds.
const START_STEPS: u32 = 400;
/// Somebody who is not root, as whom the server runs: it refuses to run as root.
const NOBODY: &str = "65534";
static NUMBER: AtomicU32 = AtomicU32::new(0);
static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());

#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) folder: PathBuf,
    pub(crate) port: u16,
}

impl Server {
    /// The one that tests share, each with a database of its own. `None` when this machine has
    /// none, and may have none.
    pub(crate) fn shared() -> Option<Arc<Self>> {
        let mut shared = SHARED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(server) = shared.upgrade() {
            return Some(server);
        }
        let server = Arc::new(Self::start()?);
        *shared = Arc::downgrade(&server);
        Some(server)
    }

    /// One that a test may stop.
    pub(crate) fn start() -> Option<Self> {
        if Command::new("postgres").arg("--version").stdout(Stdio::null()).status().is_err() {
            let strict = std::env::var("LLM_TESTS_STRICT").is_ok_and(|value| value == "1");
            assert!(!strict, "no postgres");
            println!("skipped: no postgres");
            return None;
        }
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("llm-store-postgres-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        if is_root() {
            let owner = format!("{NOBODY}:{NOBODY}");
            assert!(Command::new("chown").arg(owner).arg(&folder).status().unwrap().success());
        }
        let data = folder.join("data");
        let made = unprivileged("initdb", &folder)
            .args(["--no-sync", "--auth=trust", "--username=llm", "--encoding=UTF8", "-D"])
            .arg(&data)
            .status();
        assert!(made.unwrap().success(), "initdb in {}", folder.display());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = spawn(&folder, port);
        let server = Self { child, folder, port };
        server.wait();
        Some(server)
    }

    fn wait(&self) {
        for _ in 0..START_STEPS {
            let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            if log.contains("ready to accept connections") {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("postgres does not start in {}", self.folder.display());
    }

    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://llm@127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }

    /// A new database.
    pub(crate) async fn database(&self) -> String {
        let name = format!("ledger_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let mut connection = self.connect("postgres").await;
        let text = AssertSqlSafe(format!("CREATE DATABASE {name}"));
        sqlx::raw_sql(text).execute(&mut connection).await.unwrap();
        self.url(&name)
    }

    pub(crate) async fn connect(&self, database: &str) -> PgConnection {
        PgConnection::connect(&self.url(database)).await.unwrap()
    }

    /// Every process of it: the ones that serve connections are children of the one we started.
    pub(crate) fn signal(&self, signal: &str) {
        let main = self.child.id().to_string();
        let children = Command::new("ps").args(["-o", "pid=", "--ppid", &main]).output().unwrap();
        let children = String::from_utf8(children.stdout).unwrap();
        let all = std::iter::once(main.as_str()).chain(children.split_whitespace());
        for process in all {
            // One may have ended in between.
            let mut kill = Command::new("kill");
            let _ = kill.arg(format!("-{signal}")).arg(process).stderr(Stdio::null()).status();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.signal("CONT");
        // Immediately, its children too.
        let process = self.child.id().to_string();
        let _ = Command::new("kill").args(["-QUIT", &process]).status();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Serves what is in a folder.
pub(crate) fn spawn(folder: &Path, port: u16) -> Child {
    unprivileged("postgres", folder)
        .args(["-c", "fsync=off", "-c", "max_connections=200", "-h", "127.0.0.1", "-p"])
        .arg(port.to_string())
        .arg("-k")
        .arg(folder)
        .arg("-D")
        .arg(folder.join("data"))
        .spawn()
        .unwrap()
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout.trim_ascii() == b"0"
}

fn unprivileged(program: &str, folder: &Path) -> Command {
    let mut command = if is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", program]);
        command
    } else {
        Command::new(program)
    };
    let log = std::fs::File::options().create(true).append(true).open(folder.join("log")).unwrap();
    command.current_dir(folder).env("HOME", folder).stdin(Stdio::null());
    command.stdout(log.try_clone().unwrap()).stderr(log);
    command
}
