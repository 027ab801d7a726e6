//! The gateway's application routes as a Rust program asks for them: one envelope, one stream.
//!
//! `OPENAI_BASE_URL` and `OPENAI_API_KEY` are what OpenAI's own clients read, too: one key opens both.

use std::env;
use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use reqwest::header::{ACCEPT_LANGUAGE, CONTENT_TYPE};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::Value;

/// Whatever may go wrong.
pub type Problem = Box<dyn Error + Send + Sync>;

/// What the envelope says when something is not done.
#[derive(Debug)]
pub struct Refused {
    /// Of HTTP.
    pub status: u16,
    /// For programs.
    pub code: String,
    /// For people, in their language.
    pub message: String,
    /// `reason` is for whoever writes the program.
    pub details: Value,
}

impl Refused {
    fn of(status: u16, error: &Value) -> Self {
        let (code, message) = (text(&error["code"]), text(&error["message"]));
        Self { status, code, message, details: error["details"].clone() }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)?;
        match self.details["retry_after"].as_u64() {
            Some(wait) => write!(f, " ({wait} s)"),
            None => Ok(()),
        }
    }
}

impl Error for Refused {}

/// A text of an answer; what is none is empty.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Items of an answer; what is no list has none.
pub fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The gateway.
#[derive(Debug)]
pub struct Gateway {
    root: String,
    key: String,
    language: String,
    http: reqwest::Client,
}

impl Gateway {
    /// The one that the environment names.
    pub fn from_env() -> Result<Self, Problem> {
        let usual = || "http://127.0.0.1:4000/v1".to_owned();
        let v1 = env::var("OPENAI_BASE_URL").unwrap_or_else(|_| usual());
        let key = env::var("OPENAI_API_KEY").map_err(|_| "OPENAI_API_KEY is not set")?;
        let language = env::var("GATEWAY_LANGUAGE").unwrap_or_else(|_| "ko".to_owned());
        Ok(Self { language, ..Self::new(&v1, key) })
    }

    /// The one behind an address that ends in `/v1`.
    pub fn new(v1: &str, key: String) -> Self {
        let v1 = v1.trim_end_matches('/');
        let root = v1.strip_suffix("/v1").unwrap_or(v1).to_owned();
        Self { root, key, language: "ko".to_owned(), http: reqwest::Client::new() }
    }

    /// A request of any path, with our key.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.root));
        request.bearer_auth(&self.key).header(ACCEPT_LANGUAGE, &self.language)
    }

    /// What leads there without a key.
    pub async fn download(&self, path: &str) -> Result<String, Problem> {
        let reply = self.http.get(format!("{}{path}", self.root)).send().await?;
        Ok(reply.error_for_status()?.text().await?)
    }

    /// The data of a call under `/api/v1`.
    pub async fn call(&self, method: Method, path: &str, body: Value) -> Result<Value, Problem> {
        data(self.asking(method, path, &body).send().await?).await
    }

    /// The same of a look.
    pub async fn get(&self, path: &str) -> Result<Value, Problem> {
        self.call(Method::GET, path, Value::Null).await
    }

    /// The same of a change.
    pub async fn post(&self, path: &str, body: Value) -> Result<Value, Problem> {
        self.call(Method::POST, path, body).await
    }

    /// A file as a browser sends it, to any path. Clients with forms of their own do the same.
    pub async fn upload(
        &self,
        path: &str,
        (name, bytes): (&str, &[u8]),
        fields: &[(&str, &str)],
    ) -> Result<Response, Problem> {
        const EDGE: &str = "a-line-that-no-file-has-7f3a9c";
        let mut form = Vec::new();
        for (field, value) in fields {
            let head = format!("content-disposition: form-data; name=\"{field}\"");
            form.extend(format!("--{EDGE}\r\n{head}\r\n\r\n{value}\r\n").bytes());
        }
        let head = format!("content-disposition: form-data; name=\"file\"; filename=\"{name}\"");
        form.extend(format!("--{EDGE}\r\n{head}\r\n\r\n").bytes());
        form.extend(bytes);
        form.extend(format!("\r\n--{EDGE}--\r\n").bytes());
        let media = format!("multipart/form-data; boundary={EDGE}");
        Ok(self.request(Method::POST, path).header(CONTENT_TYPE, media).body(form).send().await?)
    }

    /// Server-sent events, behind the last one that was seen. Whoever drops them hangs up.
    pub async fn events(
        &self,
        method: Method,
        path: &str,
        body: Value,
        last: Option<&str>,
    ) -> Result<Events, Problem> {
        let mut request = self.asking(method, path, &body);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let reply = request.send().await?;
        match reply.status().is_success() {
            true => Ok(Events { reply, read: Vec::new() }),
            false => Err(data(reply).await.err().unwrap_or_else(|| "no events".into())),
        }
    }

    fn asking(&self, method: Method, path: &str, body: &Value) -> RequestBuilder {
        let request = self.request(method, &format!("/api/v1{path}"));
        match body {
            Value::Null => request,
            body => request.header(CONTENT_TYPE, "application/json").body(body.to_string()),
        }
    }
}

/// The data of an answer in its envelope.
pub async fn data(reply: Response) -> Result<Value, Problem> {
    let status = reply.status().as_u16();
    let mut told: Value = serde_json::from_slice(&reply.bytes().await?)?;
    match told["success"].as_bool() {
        Some(true) => Ok(told["data"].take()),
        _ => Err(Refused::of(status, &told["error"]).into()),
    }
}

/// Something that has happened.
#[derive(Debug)]
pub struct Event {
    /// By which a program that was cut off goes on behind it.
    pub id: String,
    /// What.
    pub name: String,
    /// What there is to say.
    pub data: Value,
}

/// Events as they come.
#[derive(Debug)]
pub struct Events {
    reply: Response,
    read: Vec<u8>,
}

impl Events {
    /// The next one.
    pub async fn next(&mut self) -> Result<Option<Event>, Problem> {
        loop {
            while let Some(end) = self.read.windows(2).position(|two| two == b"\n\n") {
                let event = String::from_utf8(self.read.drain(..end + 2).collect())?;
                let field = |name: &str| {
                    event.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
                };
                // One without data is a comment: nothing has happened for a while.
                if let Some(data) = field("data") {
                    let [id, name] = ["id", "event"].map(|f| field(f).unwrap_or("").to_owned());
                    return Ok(Some(Event { id, name, data: serde_json::from_str(data)? }));
                }
            }
            match self.reply.chunk().await? {
                Some(bytes) => self.read.extend(bytes),
                None => return Ok(None),
            }
        }
    }
}

/// Runs a program; what goes wrong is told in one line.
pub async fn run(main: impl AsyncFnOnce(Gateway) -> Result<(), Problem>) -> ExitCode {
    let done = match Gateway::from_env() {
        Ok(gateway) => main(gateway).await,
        Err(why) => Err(why),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
