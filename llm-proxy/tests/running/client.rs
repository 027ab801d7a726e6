//! What a test asks a proxy.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::proxy::ADMIN;

pub(crate) type Client = hyper_util::client::legacy::Client<HttpConnector, Full<Bytes>>;

pub(crate) fn client() -> Client {
    hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build_http()
}

/// A question of an operator.
pub(crate) async fn admin(proxy: SocketAddr, path: &str) -> Value {
    get(proxy, path, ADMIN).await
}

pub(crate) async fn get(proxy: SocketAddr, path: &str, key: &str) -> Value {
    let request = Request::get(format!("http://{proxy}{path}"))
        .header("authorization", format!("Bearer {key}"))
        .body(Full::new(Bytes::new()))
        .unwrap();
    let body = client().request(request).await.unwrap().into_body().collect().await.unwrap();
    serde_json::from_slice(&body.to_bytes()).unwrap()
}

/// A change that an operator makes.
pub(crate) async fn post(proxy: SocketAddr, path: &str, body: &'static str) -> Value {
    let request = Request::post(format!("http://{proxy}{path}"))
        .header("authorization", format!("Bearer {ADMIN}"))
        .body(Full::new(Bytes::from_static(body.as_bytes())))
        .unwrap();
    let body = client().request(request).await.unwrap().into_body().collect().await.unwrap();
    serde_json::from_slice(&body.to_bytes()).unwrap()
}

/// An operator's call, its status and its answer.
pub(crate) async fn operate(
    proxy: SocketAddr,
    method: http::Method,
    path: &str,
    body: &str,
) -> (u16, Value) {
    let request = Request::builder()
        .method(method)
        .uri(format!("http://{proxy}{path}"))
        .header("authorization", format!("Bearer {ADMIN}"))
        .body(Full::new(Bytes::from(body.to_owned())))
        .unwrap();
    let (head, body) = client().request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (head.status.as_u16(), serde_json::from_slice(&body).unwrap_or_default())
}

/// A question to a model, and the whole of what came.
pub(crate) async fn ask(
    client: &Client,
    proxy: SocketAddr,
    key: &str,
    body: String,
) -> Result<Response<Bytes>, String> {
    let request = Request::post(format!("http://{proxy}/v1/chat/completions"))
        .header("authorization", format!("Bearer {key}"))
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body)))
        .unwrap();
    let response = client.request(request).await.map_err(|e| e.to_string())?;
    let (head, body) = response.into_parts();
    let body = body.collect().await.map_err(|e| e.to_string())?;
    Ok(Response::from_parts(head, body.to_bytes()))
}

/// Where metrics are.
pub(crate) const ADMIN_PAGE: &str = "/metrics";

/// What stands at a path of operators, as it is.
pub(crate) async fn text(proxy: SocketAddr, path: &str) -> String {
    let request = Request::get(format!("http://{proxy}{path}"))
        .header("authorization", format!("Bearer {ADMIN}"))
        .body(Full::new(Bytes::new()))
        .unwrap();
    let body = client().request(request).await.unwrap().into_body().collect().await.unwrap();
    String::from_utf8(body.to_bytes().to_vec()).unwrap()
}
