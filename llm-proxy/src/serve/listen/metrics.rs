//! The listener of metrics: for whoever counts, where no caller comes.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::super::body::Body;
use super::super::door::empty;
use super::super::house::House;
use super::super::{health, scrape};
use super::ACCEPT_PAUSE;

/// Scrapers of one proxy.
const CONNECTIONS_MAX: usize = 64;
/// One that says nothing for so long is gone.
const SILENT_MAX: Duration = Duration::from_mins(2);

/// Serves until it is dropped.
pub(crate) async fn serve(listener: TcpListener, house: Arc<House>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(SILENT_MAX);
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "no connection was accepted where metrics are read");
                house.clock.sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let house = Arc::clone(&house);
        let service = service_fn(move |request: Request<Incoming>| {
            let response = answer(&house, &request);
            async move { Ok::<_, Infallible>(response) }
        });
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        tokio::spawn(async move {
            let _ = connection.await;
            drop(place);
        });
    }
}

fn answer(house: &House, request: &Request<Incoming>) -> Response<Body> {
    match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/metrics") => scrape::scrape(house),
        (&Method::GET | &Method::HEAD, "/healthz") => health::liveness(),
        (_, "/metrics" | "/healthz") => empty(StatusCode::METHOD_NOT_ALLOWED),
        _ => empty(StatusCode::NOT_FOUND),
    }
}
