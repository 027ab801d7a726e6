//! The simulated providers without sockets: what tests in virtual time and the keyless gateway
//! send their requests to.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use llm_core::dialect::Chunks;
use llm_core::seam::{BoxFuture, Transport, TransportError, TransportPhase, WireBody};

use crate::Options;
use crate::upstream::exchange::exchange;
use crate::upstream::play::Line;
use crate::upstream::{Play, Request, Upstream, Vendor};

/// All simulated vendors, in process. The host of a request says which one is meant: any name
/// with the vendor's in it (`openai.sim`, `api.openai.com`).
#[derive(Clone, Debug)]
pub struct SimTransport {
    upstreams: BTreeMap<Vendor, Arc<Upstream>>,
}

impl SimTransport {
    /// Vendors that have seen nothing.
    pub fn new(options: &Options) -> Self {
        let one = |vendor| (vendor, Arc::new(options.upstream(vendor)));
        Self { upstreams: Vendor::ALL.into_iter().map(one).collect() }
    }

    /// The vendor's base URL: what clients append their paths to.
    pub fn base_url(vendor: Vendor) -> String {
        format!("http://{vendor}.sim{}", vendor.base_path())
    }

    /// A vendor, to script it and to read what came.
    pub fn upstream(&self, vendor: Vendor) -> Option<&Arc<Upstream>> {
        self.upstreams.get(&vendor)
    }
}

impl Transport for SimTransport {
    fn send(
        &self,
        request: http::Request<Chunks>,
    ) -> BoxFuture<'static, Result<http::Response<WireBody>, TransportError>> {
        let host = request.uri().host().unwrap_or_default();
        let upstream = Vendor::of_host(host).and_then(|v| self.upstreams.get(&v)).cloned();
        Box::pin(async move {
            let Some(upstream) = upstream else {
                let message = "no simulated provider has that name".to_owned();
                return Err(TransportError { phase: TransportPhase::Connect, message });
            };
            match exchange(&upstream, whole(request), Line::default()).await {
                Ok(response) => Ok(response.map(|play| Box::pin(Wire(play)) as WireBody)),
                Err(interrupted) => {
                    let message = interrupted.to_string();
                    Err(TransportError { phase: TransportPhase::Exchange, message })
                }
            }
        })
    }
}

fn whole(request: http::Request<Chunks>) -> Request {
    let (parts, chunks) = request.into_parts();
    let body = match <[Bytes; 1]>::try_from(chunks.to_vec()) {
        Ok([one]) => one,
        Err(many) => {
            let mut all = BytesMut::with_capacity(many.iter().map(Bytes::len).sum());
            many.iter().for_each(|chunk| all.extend_from_slice(chunk));
            all.freeze()
        }
    };
    let path = parts.uri.path_and_query().map_or("/", |p| p.as_str()).to_owned();
    Request { method: parts.method, path, headers: parts.headers, body }
}

/// A played body as the seam wants it.
struct Wire(Play);

impl Stream for Wire {
    type Item = Result<Bytes, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.0).poll_next(cx).map(|item| {
            item.map(|bytes| {
                bytes.map_err(|interrupted| TransportError {
                    phase: TransportPhase::Body,
                    message: interrupted.to_string(),
                })
            })
        })
    }
}
