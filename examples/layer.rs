//! A layer of one's own on top: the gateway is a tower service, so that anything that wraps a
//! service wraps the whole pipeline. Here: nobody asks at night.

use std::error::Error;
use std::sync::Arc;
use std::task::{Context, Poll};

use llm_core::call::Call;
use llm_core::error::{Error as CallError, Kind};
use llm_core::prompt::Request;
use llm_core::seam::BoxFuture;
use llm_providers::Gateway;
use llm_providers::provider::ProviderSettings;
use llm_providers::reply::Reply;
use llm_sim::{Options, SimTransport};
use tower::{Layer, Service, ServiceExt};

/// Wraps a service in opening hours.
struct Hours {
    open: bool,
}

impl<S> Layer<S> for Hours {
    type Service = Shop<S>;

    fn layer(&self, inner: S) -> Shop<S> {
        Shop { open: self.open, inner }
    }
}

#[derive(Clone)]
struct Shop<S> {
    open: bool,
    inner: S,
}

impl<S> Service<Call> for Shop<S>
where
    S: Service<Call, Response = Reply, Error = CallError>,
    S::Future: Send + 'static,
{
    type Response = Reply;
    type Error = CallError;
    type Future = BoxFuture<'static, Result<Reply, CallError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call) -> Self::Future {
        if self.open {
            return Box::pin(self.inner.call(call));
        }
        Box::pin(async { Err(CallError::new(Kind::Forbidden, "we are closed until morning")) })
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let simulated = Arc::new(SimTransport::new(&Options::default()));
    let openai = ProviderSettings::new("openai", "openai").key("sk-simulated-0123456789");
    let gateway = Gateway::builder()
        .vendor(openai.build_over(simulated)?)
        .model("smart", [["openai/gpt-4o-mini"]])
        .build()?;

    for open in [true, false] {
        let mut shop = Hours { open }.layer(gateway.clone());
        let call = gateway.asking().call(Request::new("smart").user("Are you there?").into());
        match shop.ready().await?.call(call).await {
            Ok(reply) => println!("answered by {}", reply.head.target),
            Err(error) => println!("refused: {error}"),
        }
    }
    Ok(())
}
