//! Questions of the command line to a proxy that runs.

use std::time::Duration;

use http::Request;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use llm_core::dialect::Chunks;
use llm_core::seam::{Clock as _, Transport as _, WireBody};
use llm_providers::seam::SystemClock;
use llm_providers::transport::{Connections, DirectTransport};
use smallvec::smallvec;

/// Nobody at a terminal waits for longer.
const WITHIN: Duration = Duration::from_secs(10);
/// What is read of an answer: a page of metrics with all its series.
const BYTES_MAX: usize = 16 << 20;

/// Who asks, and with which key.
#[derive(Clone, Debug)]
pub(super) struct Asking {
    way: DirectTransport,
    base: String,
    key: Option<String>,
}

impl Asking {
    pub(super) fn new(base: &str, key: Option<String>) -> Result<Self, String> {
        let way = DirectTransport::new(&Connections::default()).map_err(|e| e.to_string())?;
        let base = base.trim_end_matches('/');
        // An address as people type it.
        let base = if base.contains("://") { base.to_owned() } else { format!("http://{base}") };
        Ok(Self { way, base, key })
    }

    /// Where.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// What stands at a path: the status, and the text.
    pub(super) async fn get(&self, path: &str) -> Result<(u16, String), String> {
        let asked = async {
            let (status, body) = self.send(Request::get(self.at(path)), Chunks::new()).await?;
            let text = String::from_utf8_lossy(&read(body).await?).into_owned();
            Ok((status, text))
        };
        self.within(asked).await
    }

    /// The answer to a body of JSON, as it comes.
    pub(super) async fn post(&self, path: &str, body: Vec<u8>) -> Result<(u16, WireBody), String> {
        let request = Request::post(self.at(path)).header(CONTENT_TYPE, "application/json");
        self.send(request, smallvec![body.into()]).await
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    async fn send(
        &self,
        mut request: http::request::Builder,
        body: Chunks,
    ) -> Result<(u16, WireBody), String> {
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, format!("Bearer {key}"));
        }
        let base = &self.base;
        let request = request.body(body);
        let request =
            request.map_err(|_| format!("{base:?} is no address: write http://host:4000"))?;
        let answer = self.way.send(request).await.map_err(|error| {
            format!("nobody answers at {base} ({error}): is the proxy running there? see --url")
        })?;
        Ok((answer.status().as_u16(), answer.into_body()))
    }

    async fn within<T>(&self, asked: impl Future<Output = Result<T, String>>) -> Result<T, String> {
        tokio::select! {
            answered = asked => answered,
            () = SystemClock.sleep(WITHIN) => {
                Err(format!("{} does not answer within {} s", self.base, WITHIN.as_secs()))
            }
        }
    }
}

/// All of an answer.
pub(super) async fn read(mut body: WireBody) -> Result<Vec<u8>, String> {
    let mut whole = Vec::new();
    while let Some(piece) = std::future::poll_fn(|cx| body.as_mut().poll_next(cx)).await {
        whole.extend_from_slice(&piece.map_err(|error| format!("the answer broke off: {error}"))?);
        if whole.len() > BYTES_MAX {
            return Err("the answer is longer than any of a proxy's".to_owned());
        }
    }
    Ok(whole)
}
