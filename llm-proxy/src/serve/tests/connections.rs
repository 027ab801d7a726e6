//! Clients that are slow, silent or many.

use std::time::{Duration, Instant, SystemTime};

use llm_core::seam::{BoxFuture, Clock};
use llm_providers::seam::SystemClock;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use super::browsers::config_of;
use super::*;

/// A clock that goes twenty times as fast: everybody waits for a twentieth.
#[derive(Debug)]
struct Hasty(Instant);

const FASTER: u32 = 20;

impl Hasty {
    fn new() -> Arc<Self> {
        Arc::new(Self(SystemClock.now()))
    }
}

impl Clock for Hasty {
    fn now(&self) -> Instant {
        self.0 + SystemClock.now().saturating_duration_since(self.0) * FASTER
    }

    fn wall(&self) -> SystemTime {
        SystemClock.wall()
    }

    fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()> {
        SystemClock.sleep(wait / FASTER)
    }
}

const ONE: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: proxy\r\n\r\n";
/// More than anything here takes, and less than a minute.
const SOON: Duration = Duration::from_secs(5);

/// Whether the other end has closed, and what came before.
async fn closed(stream: &mut TcpStream, within: Duration) -> (bool, Vec<u8>) {
    let mut came = Vec::new();
    let end = tokio::time::timeout(within, stream.read_to_end(&mut came)).await;
    (end.is_ok(), came)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_finish_a_first_head_is_not_waited_for() {
    let data = tempfile::tempdir().unwrap();
    let proxy = Running::start_by(config_of(data.path(), "", ""), Hasty::new()).await;
    for begun in [&b""[..], b"P", b"PRI * HTTP/2", b"GET / HTTP/1.1\r\nhost: pr"] {
        let mut stream = TcpStream::connect(proxy.address).await.unwrap();
        stream.write_all(begun).await.unwrap();
        assert!(closed(&mut stream, SOON).await.0, "{begun:?}");
    }
    // Byte by byte, for ever.
    let stream = TcpStream::connect(proxy.address).await.unwrap();
    let (mut read, mut write) = stream.into_split();
    let drip = tokio::spawn(async move {
        let _ = write.write_all(b"GET / HTTP/1.1\r\n").await;
        while write.write_all(b"x-drip: 1\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let mut came = Vec::new();
    let end = tokio::time::timeout(SOON, read.read_to_end(&mut came)).await;
    assert!(end.is_ok(), "it was cut off");
    drip.await.unwrap();
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_later_head_that_never_ends_is_cut_off_as_well() {
    let data = tempfile::tempdir().unwrap();
    let server = "idle = \"40s\"";
    let proxy = Running::start_by(config_of(data.path(), server, ""), Hasty::new()).await;
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    stream.write_all(ONE).await.unwrap();
    let mut answer = [0; 1_024];
    let n = stream.read(&mut answer).await.unwrap();
    assert!(answer[..n].starts_with(b"HTTP/1.1 200"));
    let (mut read, mut write) = stream.into_split();
    let drip = tokio::spawn(async move {
        let _ = write.write_all(b"GET / HTTP/1.1\r\n").await;
        while write.write_all(b"x-drip: 1\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let mut came = Vec::new();
    let end = tokio::time::timeout(SOON, read.read_to_end(&mut came)).await;
    assert!(end.is_ok(), "it was cut off");
    drip.await.unwrap();
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_connection_is_kept_for_a_while_and_then_closed() {
    let data = tempfile::tempdir().unwrap();
    let server = "idle = \"40s\"";
    let proxy = Running::start_by(config_of(data.path(), server, ""), Hasty::new()).await;
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    for pause in [0, 300, 900] {
        tokio::time::sleep(Duration::from_millis(pause)).await;
        stream.write_all(ONE).await.unwrap();
        let mut answer = [0; 1_024];
        let n = stream.read(&mut answer).await.unwrap();
        assert!(answer[..n].starts_with(b"HTTP/1.1 200"), "after {pause} ms");
    }
    assert!(closed(&mut stream, SOON).await.0);
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_read_is_cut_off_and_who_reads_slowly_is_not() {
    let data = tempfile::tempdir().unwrap();
    let server = "write_timeout = \"10s\"";
    let proxy = Running::start_by(config_of(data.path(), server, ""), Hasty::new()).await;
    // More answers than all buffers between the two take.
    let times = 40_000;
    let connect = async || {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4_096).unwrap();
        socket.connect(proxy.address).await.unwrap()
    };
    let (mut read, mut write) = connect().await.into_split();
    let asking = tokio::spawn(async move {
        let many = ONE.repeat(100);
        for _ in 0..times / 100 {
            if write.write_all(&many).await.is_err() {
                return;
            }
        }
    });
    let asked = tokio::time::timeout(SOON * 12, asking).await;
    assert!(asked.is_ok(), "nobody is left to write to");
    let mut came = Vec::new();
    let _ = read.read_to_end(&mut came).await;
    let answers = came.windows(12).filter(|w| w == b"HTTP/1.1 200").count();
    assert!(answers < times, "{answers} of {times}");

    let (mut read, mut write) = connect().await.into_split();
    // Kept open: a client that says it is done is not waited for.
    let asking = tokio::spawn(async move {
        write.write_all(&ONE.repeat(2_000)).await.unwrap();
        write
    });
    let mut came = Vec::new();
    let mut piece = vec![0; 20_000];
    while came.windows(12).filter(|w| w == b"HTTP/1.1 200").count() < 2_000 {
        tokio::time::sleep(Duration::from_millis(30)).await;
        let n = read.read(&mut piece).await.unwrap();
        assert!(n > 0, "it was cut off");
        came.extend_from_slice(&piece[..n]);
    }
    drop((read, asking.await.unwrap()));
    proxy.stop().await;
}

#[tokio::test]
async fn an_address_has_so_many_connections_and_no_more() {
    let data = tempfile::tempdir().unwrap();
    let proxy = Running::start(config_of(data.path(), "connections_per_address = 2", "")).await;
    let answered = async |stream: &mut TcpStream| {
        if stream.write_all(ONE).await.is_err() {
            return false;
        }
        let mut head = [0; 12];
        stream.read_exact(&mut head).await.is_ok()
    };
    let mut first = TcpStream::connect(proxy.address).await.unwrap();
    let mut second = TcpStream::connect(proxy.address).await.unwrap();
    assert!(answered(&mut first).await && answered(&mut second).await);
    let mut third = TcpStream::connect(proxy.address).await.unwrap();
    assert!(!answered(&mut third).await);
    drop(first);
    let again = async {
        loop {
            let mut stream = TcpStream::connect(proxy.address).await.unwrap();
            if answered(&mut stream).await {
                return;
            }
        }
    };
    assert!(tokio::time::timeout(SOON, again).await.is_ok());
    drop(second);
    proxy.stop().await;
}

#[tokio::test]
async fn who_asks_while_the_process_ends_is_answered_for_the_last_time() {
    let data = tempfile::tempdir().unwrap();
    let proxy = Running::start(config_of(data.path(), "", "")).await;
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    stream.write_all(ONE).await.unwrap();
    let mut kept = [0; 1_024];
    let n = stream.read(&mut kept).await.unwrap();
    assert!(!String::from_utf8_lossy(&kept[..n]).contains("connection: close"));
    proxy.stop.send(()).unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    stream.write_all(b"GET /health/readiness HTTP/1.1\r\nhost: proxy\r\n\r\n").await.unwrap();
    let (closed, last) = closed(&mut stream, SOON).await;
    let last = String::from_utf8_lossy(&last).into_owned();
    assert!(closed && last.starts_with("HTTP/1.1 503"), "{last}");
    assert!(last.contains("connection: close") && last.contains("draining"), "{last}");
    assert!(TcpStream::connect(proxy.address).await.is_err(), "nobody listens any more");
    assert!(proxy.served.await.unwrap());
    proxy.house.close().await.unwrap();
}

/// Waits for an answer have no timers of their own where their connection has one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_says_nothing_is_left_in_time_and_the_connection_goes_on() {
    let mute = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let more = format!(
        "[providers.mute]\nkind = \"openai-compatible\"\nbase_url = \"http://{}/v1\"\n\
         keys = [\"env:KEY\"]\nretries = 0\n\
         [providers.mute.timeout]\ntotal = \"1s\"\n\
         [models.mute]\ntiers = [[\"mute/any\"]]\n\
         [prices.\"mute/any\"]\ninput = \"1\"\noutput = \"1\"\n",
        mute.local_addr().unwrap()
    );
    let data = tempfile::tempdir().unwrap();
    // It is looked at after less than a second, and then not for several.
    let server = "idle = \"10m\"";
    let proxy = Running::start_by(config_of(data.path(), server, &more), Hasty::new()).await;
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    stream.write_all(ONE).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let body = r#"{"model":"mute","messages":[{"role":"user","content":"hi"}]}"#;
    let asked = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: proxy\r\nauthorization: Bearer {KEY}\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut came = [0; 4_096];
    assert!(stream.read(&mut came).await.unwrap() > 0);
    for _ in 0..2 {
        let began = SystemClock.now();
        stream.write_all(asked.as_bytes()).await.unwrap();
        let n = tokio::time::timeout(SOON, stream.read(&mut came)).await.unwrap().unwrap();
        let told = String::from_utf8_lossy(&came[..n]).into_owned();
        assert!(told.starts_with("HTTP/1.1 504"), "{told}");
        let took = SystemClock.now() - began;
        assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(2), "{took:?}");
    }
    proxy.stop().await;
}
