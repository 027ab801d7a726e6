//! A first start without any file: an Ollama on this machine, or none, or one that takes its time.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use llm_sim::upstream::Vendor;
use serde_json::Value;

use crate::client::{ask, client, get};
use crate::proxy::simulator;

/// Where no Ollama is.
const NOBODY: &str = "127.0.0.1:1";

/// A first start, and what it said before it served.
struct First {
    child: Child,
    address: SocketAddr,
    said: String,
    took: Duration,
    _data: tempfile::TempDir,
}

impl First {
    fn start(ollama: &str) -> Self {
        Self::started(Command::new(env!("CARGO_BIN_EXE_llm-proxy")), ollama)
    }

    /// By a shell that may have so many files open, and could have more.
    fn start_with_files(files: u32) -> Self {
        let mut shell = Command::new("/bin/sh");
        shell.arg("-c").arg(format!("ulimit -Sn {files}; exec \"$0\" \"$@\""));
        shell.arg(env!("CARGO_BIN_EXE_llm-proxy"));
        Self::started(shell, NOBODY)
    }

    #[expect(clippy::disallowed_methods, reason = "it measures the real time that passes")]
    fn started(mut command: Command, ollama: &str) -> Self {
        let data = tempfile::tempdir().unwrap();
        // Nothing of whoever runs the tests: a key in the environment is a provider.
        command.env_clear().env("OLLAMA_HOST", ollama);
        command.args(["--host", "127.0.0.1", "--port", "0", "--data"]).arg(data.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let began = Instant::now();
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (mut said, mut address, mut took) = (String::new(), None, Duration::ZERO);
        for line in lines.by_ref().map_while(Result::ok) {
            if let Some(rest) = line.strip_prefix("listening on http://") {
                (address, took) = (rest.trim().parse().ok(), began.elapsed());
            }
            let last = line.starts_with("try: curl");
            said.push_str(&line);
            said.push('\n');
            if last {
                break;
            }
        }
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        let address = address.unwrap_or_else(|| panic!("it did not start: {said}"));
        Self { child, address, said, took, _data: data }
    }

    fn key(&self) -> &str {
        let line = self.said.lines().find(|line| line.starts_with("virtual key")).unwrap();
        line.rsplit(": ").next().unwrap()
    }

    async fn models(&self) -> Vec<String> {
        let list = get(self.address, "/v1/models", self.key()).await;
        let name = |model: &Value| model["id"].as_str().unwrap().to_owned();
        list["data"].as_array().unwrap().iter().map(name).collect()
    }

    async fn call(&self, model: &str) -> u16 {
        let message = r#"[{"role":"user","content":"hi"}]"#;
        let body = format!(r#"{{"model":"{model}","messages":{message}}}"#);
        ask(&client(), self.address, self.key(), body).await.unwrap().status().as_u16()
    }
}

impl Drop for First {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Connections are accepted, and answered only after a while.
async fn slow(after: Duration) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
                let mut bytes = [0; 1024];
                let _ = stream.read(&mut bytes).await;
                tokio::time::sleep(after).await;
                let body = r#"{"models":[{"name":"llama3.2:latest"}]}"#;
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
                let text = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                let _ = stream.write_all(text.as_bytes()).await;
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ollama_that_answers_is_used_and_its_models_are_listed() {
    let simulator = simulator().await;
    let address = simulator.address(Vendor::Ollama).unwrap();
    let first = First::start(&address.to_string());
    // On a busy machine it may come after the start, and then it comes all the same.
    for _ in 0..100 {
        if first.models().await.iter().any(|name| name == "ollama/llama3.2:latest") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(first.models().await.contains(&"ollama/qwen3:latest".to_owned()));
    assert_eq!(first.call("ollama/llama3.2:latest").await, 200);
    assert_eq!(first.call("ollama/llama3.2").await, 200, "also without what Ollama adds");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_one_answers_are_simulated_and_a_silent_one_delays_nothing() {
    // The first start of all reads the program from the disk.
    drop(First::start(NOBODY));
    let none = First::start(NOBODY);
    assert!(none.said.contains("answers are simulated"), "{}", none.said);
    assert_eq!(none.call("gpt-4o-mini").await, 200);
    let silent = First::start(&slow(Duration::from_secs(60)).await.to_string());
    assert_eq!(silent.call("gpt-4o-mini").await, 200);
    println!("nobody there: {:?}, a silent one: {:?}", none.took, silent.took);
    // What is promised is 50 ms; the rest is what starts differ by beside other tests.
    assert!(silent.took < none.took + Duration::from_millis(550), "it waited for a silent one");
    let late = First::start(&slow(Duration::from_millis(120)).await.to_string());
    let mut models = Vec::new();
    for _ in 0..100 {
        models = late.models().await;
        if models == ["ollama/llama3.2:latest"] {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("who answers after the start is taken up: {models:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_are_not_counted_against_the_files_that_a_shell_begins_with() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    const FILES: u32 = 64;
    let first = First::start_with_files(FILES);
    let mut all = Vec::new();
    for _ in 0..4 * FILES {
        let mut stream = tokio::net::TcpStream::connect(first.address).await.unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut head = [0; 12];
        let read = tokio::time::timeout(Duration::from_secs(10), stream.read_exact(&mut head));
        read.await.expect("no place for it").unwrap();
        assert_eq!(&head, b"HTTP/1.1 200");
        all.push(stream);
    }
}
