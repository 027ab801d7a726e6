//! From where a request comes.
//!
//! Who has connected is known; for whom they speak is what they say. It is believed of proxies that
//! the configuration names, from the right to the left, up to the first address that is none of
//! them: everything to the left of that was written by a stranger.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::HeaderMap;
use http::header::{FORWARDED, HeaderName};

use crate::config::edge::{ForwardedBy, Net};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Proxies behind each other. A longer list was not written by them.
const HOPS_MAX: usize = 16;

/// What counts as one client: an address, or a household's range of IPv6, which anyone there can
/// draw from at will.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Origin(IpAddr);

/// The client that an address belongs to.
pub(crate) fn origin(address: IpAddr) -> Origin {
    Origin(match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
        }
    })
}

/// Who asks, as far as it can be believed.
pub(super) fn client(
    peer: IpAddr,
    headers: &HeaderMap,
    trusted: &[Net],
    by: ForwardedBy,
) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|net| net.has(address));
    let mut client = peer.to_canonical();
    if !is_trusted(client) {
        return client;
    }
    let name = match by {
        ForwardedBy::XForwardedFor => X_FORWARDED_FOR,
        ForwardedBy::Forwarded => FORWARDED,
    };
    let values = headers.get_all(name).iter().rev();
    let hops = values.flat_map(|value| value.to_str().unwrap_or_default().rsplit(','));
    for hop in hops.take(HOPS_MAX) {
        let said = match by {
            ForwardedBy::XForwardedFor => address(hop),
            ForwardedBy::Forwarded => forwarded_for(hop).and_then(address),
        };
        // What is no address hides whoever is there: the last one that is known stands for them.
        let Some(said) = said else { return client };
        client = said;
        if !is_trusted(client) {
            return client;
        }
    }
    client
}

/// Whether somebody asks for somebody else.
pub(super) fn is_forwarded(headers: &HeaderMap) -> bool {
    headers.contains_key(X_FORWARDED_FOR) || headers.contains_key(FORWARDED)
}

/// `for=` of one element of `Forwarded`.
fn forwarded_for(element: &str) -> Option<&str> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        name.eq_ignore_ascii_case("for").then_some(value.trim().trim_matches('"'))
    })
}

/// An address with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let within = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let plain = within.parse().ok();
    let address = plain.or_else(|| text.parse().map(|address: SocketAddr| address.ip()).ok())?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(peer: &str, by: ForwardedBy, lines: &[&str]) -> String {
        let trusted: Vec<Net> = ["10.0.0.0/8", "::1"].map(|net| net.parse().unwrap()).to_vec();
        let mut headers = HeaderMap::new();
        let name = match by {
            ForwardedBy::XForwardedFor => X_FORWARDED_FOR,
            ForwardedBy::Forwarded => FORWARDED,
        };
        for line in lines {
            headers.append(&name, line.parse().unwrap());
        }
        client(peer.parse().unwrap(), &headers, &trusted, by).to_string()
    }

    #[test]
    fn the_first_stranger_from_the_right_is_who_asks() {
        let of = |peer, lines: &[&str]| of(peer, ForwardedBy::XForwardedFor, lines);
        assert_eq!(of("192.0.2.1", &["1.1.1.1"]), "192.0.2.1", "a stranger is not believed");
        assert_eq!(of("10.0.0.1", &["1.1.1.1"]), "1.1.1.1");
        assert_eq!(of("::ffff:10.0.0.1", &["1.1.1.1"]), "1.1.1.1");
        assert_eq!(of("10.0.0.1", &["6.6.6.6, 1.1.1.1, 10.0.0.2"]), "1.1.1.1");
        assert_eq!(
            of("10.0.0.1", &["6.6.6.6", "1.1.1.1,10.0.0.2"]),
            "1.1.1.1",
            "lines are one list"
        );
        assert_eq!(of("::1", &["10.0.0.9,10.0.0.2"]), "10.0.0.9", "all of them are proxies");
        assert_eq!(of("10.0.0.1", &[]), "10.0.0.1");
        for odd in
            ["6.6.6.6, unknown, 10.0.0.2", "6.6.6.6,,10.0.0.2", "6.6.6.6, 010.1.1.1, 10.0.0.2"]
        {
            assert_eq!(of("10.0.0.1", &[odd]), "10.0.0.2", "{odd}");
        }
        let many = vec!["10.0.0.3"; 10_000].join(",");
        assert_eq!(of("10.0.0.1", &[&format!("6.6.6.6,{many}")]), "10.0.0.3");
    }

    #[test]
    fn both_headers_are_read_as_they_are_written() {
        let of = |lines: &[&str]| of("10.0.0.1", ForwardedBy::Forwarded, lines);
        assert_eq!(of(&["for=1.1.1.1"]), "1.1.1.1");
        assert_eq!(of(&["proto=https;For=\"[2001:db8::7]:4711\";by=10.0.0.1"]), "2001:db8::7");
        assert_eq!(of(&["for=6.6.6.6, for=1.1.1.1:80, for=10.0.0.4"]), "1.1.1.1");
        assert_eq!(of(&["for=6.6.6.6, for=_hidden, for=10.0.0.4"]), "10.0.0.4");
        assert_eq!(of(&["proto=https"]), "10.0.0.1");
    }
}
