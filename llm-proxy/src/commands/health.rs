//! `llm-proxy health`: whether a proxy is well, for whoever restarts containers and has no client of
//! HTTP.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use super::asking::Asking;
use super::{Done, EXIT_BAD, say, stored};
use crate::cli::Health;
use crate::config::resolve::Asked;

const READY: &str = "/health/readiness";
const ALIVE: &str = "/health/liveness";

/// Asks the one that this configuration starts, or the one at an address: 0 when it is well, 1 when
/// it is not, or does not answer.
pub(crate) async fn health(asked: Asked, wanted: Health) -> Done {
    let place = if wanted.live { ALIVE } else { READY };
    let base = match wanted.url {
        Some(url) => url,
        None => own(&asked)?,
    };
    let asking = Asking::new(&base, None)?;
    match asking.get(place).await {
        Ok((status, text)) => {
            say(text.trim_end())?;
            Ok(if status == 200 { ExitCode::SUCCESS } else { ExitCode::from(EXIT_BAD) })
        }
        Err(why) => {
            eprintln!("llm-proxy: {why}");
            Ok(ExitCode::from(EXIT_BAD))
        }
    }
}

/// Where the proxy of this configuration listens, from this machine.
fn own(asked: &Asked) -> Result<String, String> {
    let config = stored(asked)?;
    let address = config.server.listen;
    let ip = match address.ip() {
        ip if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        ip => ip,
    };
    if config.server.edge.tls.is_some() {
        let text = "this proxy shows a certificate, which names no address: say --url https://NAME";
        return Err(text.to_owned());
    }
    Ok(format!("http://{}", SocketAddr::new(ip, address.port())))
}
