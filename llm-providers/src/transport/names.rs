//! Names of hosts, looked up; where only the public Internet is to be reached, without addresses of
//! this machine and of the networks around it.
//!
//! Decided where the connection is made and on the very addresses that it is made to: who looks a
//! name up, checks it and connects by name is shown another address the second time.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::{Context, Poll};
use std::vec;

use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use llm_core::seam::BoxFuture;
use tower::Service;

/// Looks names up.
#[derive(Clone, Debug)]
pub(super) struct Names {
    system: GaiResolver,
    public_only: bool,
}

impl Names {
    pub(super) fn new(public_only: bool) -> Self {
        Self { system: GaiResolver::new(), public_only }
    }
}

impl Service<Name> for Names {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = BoxFuture<'static, Result<Self::Response, io::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.system.poll_ready(cx)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let (found, public_only) = (self.system.call(name), self.public_only);
        Box::pin(async move {
            let fits = |address: &SocketAddr| !public_only || is_public(address.ip());
            let fitting: Vec<SocketAddr> = found.await?.filter(fits).collect();
            if public_only && fitting.is_empty() {
                return Err(io::Error::other("no address of the public Internet"));
            }
            Ok(fitting.into_iter())
        })
    }
}

/// Whether an address belongs to somebody on the public Internet, by the registries of special
/// addresses.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = match (a, b, c) {
        // This network, private, loopback, multicast and what is reserved.
        (0 | 10 | 127 | 224..=255, _, _) => true,
        // Between carriers and their subscribers; link-local, where clouds tell secrets.
        (100, 64..=127, _) | (169, 254, _) => true,
        (172, 16..=31, _) | (192, 168, _) => true,
        // Protocols, documentation, relays, benchmarks.
        (192, 0, 0 | 2) | (192, 88, 99) | (198, 18 | 19, _) | (198, 51, 100) => true,
        (203, 0, 113) => true,
        _ => false,
    };
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let within = |high: u16, low: u16| {
        let ([w, x], [y, z]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(w, x, y, z))
    };
    match (a, b) {
        // IPv4 behind a translator, and in 6to4: what is inside counts.
        (0x64, 0xff9b) if [c, d, e, f] == [0; 4] => within(g, h),
        (0x2002, _) => within(b, c),
        // Teredo and other protocols; documentation.
        (0x2001, 0..=0x1ff) | (0x2001, 0xdb8) | (0x3fff, 0..=0xfff) => false,
        // All that is given out to anybody.
        (0x2000..=0x3fff, _) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_near_is_not_public() {
        for near in [
            "127.0.0.1",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "192.0.0.8",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "2002:a00:1::",
            "2001::1",
            "2001:db8::1",
            "::127.0.0.1",
            "64:ff9b:1::1",
        ] {
            assert!(!is_public(near.parse().unwrap()), "{near}");
        }
        for far in ["1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1", "64:ff9b::101:101"] {
            assert!(is_public(far.parse().unwrap()), "{far}");
        }
    }

    #[tokio::test]
    async fn a_name_of_this_machine_is_not_found() {
        let name = || "localhost".parse::<Name>().unwrap();
        assert!(Names::new(false).call(name()).await.unwrap().count() > 0);
        assert!(Names::new(true).call(name()).await.is_err());
    }
}
