//! The proxy's edge: how connections are held, who may come in from where, and whose tokens are
//! believed.
//!
//! What is off unless it is said: encryption, other origins, lists of addresses, tokens, and a limit
//! on wrong virtual keys, which are too long to be found by trying. Operators choose their admin key
//! themselves, and so wrong ones are limited unless that is said otherwise.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use llm_core::Str;
use llm_core::quota::{Limit, Quantity};

use super::reference::Hidden;

/// How the proxy meets the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Edge {
    /// The certificate that it shows; without one nothing is encrypted.
    pub(crate) tls: Option<TlsFiles>,
    /// Pages of which other origins may ask from a browser.
    pub(crate) cors: Option<Cors>,
    /// For how long a connection is kept on which nobody asks anything.
    pub(crate) idle: Duration,
    /// For how long an answer may wait for a client that does not read.
    pub(crate) write_timeout: Duration,
    /// Connections of one address at once.
    pub(crate) connections_per_address: Option<NonZeroU32>,
    /// Whether the next process may listen at the same address while this one ends.
    pub(crate) reuse_port: bool,
    /// Whole answers of so many bytes are packed when the client asks for it; 0 is never.
    pub(crate) compress_over: u64,
    /// Who is believed about whom they speak for.
    pub(crate) trusted_proxies: Vec<Net>,
    /// The header in which they say it.
    pub(crate) forwarded_by: ForwardedBy,
    /// Who may ask at all.
    pub(crate) callers: Gate,
    /// Who may ask as an operator, of those.
    pub(crate) operators: Gate,
}

impl Default for Edge {
    fn default() -> Self {
        let wrong_keys = Some(Rate { most: 20, period: Duration::from_mins(15) });
        Self {
            tls: None,
            cors: None,
            idle: Duration::from_secs(75),
            write_timeout: Duration::from_secs(60),
            connections_per_address: None,
            reuse_port: false,
            compress_over: 8 << 10,
            trusted_proxies: Vec::new(),
            forwarded_by: ForwardedBy::default(),
            callers: Gate::default(),
            operators: Gate { wrong_keys, ..Gate::default() },
        }
    }
}

/// Where a certificate and its key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    /// The chain, the proxy's own certificate first, in PEM.
    pub(crate) cert: PathBuf,
    /// Its key, in PEM.
    pub(crate) key: PathBuf,
}

/// Pages of which other origins may ask.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cors {
    /// `https://app.example`, each one whole; `*` alone is everybody.
    pub(crate) origins: Vec<Str>,
    /// Whether browsers may send cookies and certificates along.
    pub(crate) credentials: bool,
    /// For how long a browser may remember the permission.
    pub(crate) max_age: Option<Duration>,
}

/// The header in which a proxy before us says for whom it asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ForwardedBy {
    /// `X-Forwarded-For`.
    #[default]
    XForwardedFor,
    /// `Forwarded`.
    Forwarded,
}

/// Their words.
pub(crate) const FORWARDED_BY: [(&str, ForwardedBy); 2] =
    [("x-forwarded-for", ForwardedBy::XForwardedFor), ("forwarded", ForwardedBy::Forwarded)];

/// Who may come in, by address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Gate {
    /// These alone; empty is everybody.
    pub(crate) allow: Vec<Net>,
    /// These never.
    pub(crate) deny: Vec<Net>,
    /// How many wrong keys an address may show.
    pub(crate) wrong_keys: Option<Rate>,
}

/// A range of addresses, `10.0.0.0/8`, or one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Net(IpNet);

impl Net {
    /// Whether an address is in it. An IPv4 address in IPv6's clothes is the IPv4 address.
    pub(crate) fn has(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl FromStr for Net {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let one = || text.parse::<IpAddr>().map(|ip| IpNet::from(ip.to_canonical())).ok();
        let net = text.parse::<IpNet>().ok().or_else(one);
        let net = net.map(|net| Self(net.trunc()));
        net.ok_or_else(|| format!("{text:?} is no range of addresses: write 10.0.0.0/8"))
    }
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// So many in so long, `5/15minute`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    /// How many.
    pub(crate) most: u32,
    /// In how long.
    pub(crate) period: Duration,
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no such limit: write 5/15minute");
        let limit: Limit = text.parse().map_err(|_| wrong())?;
        let Quantity::Requests(most) = limit.quantity else { return Err(wrong()) };
        let most = u32::try_from(most).ok().filter(|most| *most > 0).ok_or_else(wrong)?;
        let seconds = limit.period.seconds().ok_or_else(wrong)?;
        Ok(Self { most, period: Duration::from_secs(seconds) })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}second", self.most, self.period.as_secs())
    }
}

/// Whose tokens are believed, and what they say.
#[derive(Clone, Debug)]
pub(crate) struct Jwt {
    /// Who makes them.
    pub(crate) issuer: Str,
    /// For whom: one of these must be named.
    pub(crate) audience: Vec<Str>,
    /// How they may be signed.
    pub(crate) algorithms: Vec<Algorithm>,
    /// A secret that both sides know.
    pub(crate) secret: Option<Hidden>,
    /// Public keys, in PEM.
    pub(crate) keys: Vec<Hidden>,
    /// Where the issuer publishes its keys.
    pub(crate) jwks: Option<Jwks>,
    /// How far clocks may be apart.
    pub(crate) leeway: Duration,
    /// Whether somebody who is not known yet comes into being.
    pub(crate) create_users: bool,
    /// What they are sold then, unless the token says it.
    pub(crate) plan: Option<Str>,
    /// Whether it was said that nothing limits them.
    pub(crate) unlimited: bool,
    /// The scope without which no model may be asked.
    pub(crate) scope: Option<Str>,
    /// The role that makes an operator.
    pub(crate) admin_role: Option<Str>,
    /// Which claim says what.
    pub(crate) claims: Claims,
}

/// Where an issuer publishes its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Jwks {
    /// On this machine.
    File(PathBuf),
    /// At an address.
    Url(Str),
}

/// How a token may be signed. Deliberately short: each of these is tied to one kind of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// With a secret that both sides know.
    Hs256,
    /// RSA.
    Rs256,
    /// The P-256 curve.
    Es256,
    /// Ed25519.
    EdDsa,
}

/// Their words.
pub(crate) const ALGORITHMS: [(&str, Algorithm); 4] = [
    ("HS256", Algorithm::Hs256),
    ("RS256", Algorithm::Rs256),
    ("ES256", Algorithm::Es256),
    ("EdDSA", Algorithm::EdDsa),
];

/// Which claim says what; a dot goes into an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claims {
    /// Who asks.
    pub(crate) user: Str,
    /// The team that they are of.
    pub(crate) team: Option<Str>,
    /// What they are sold.
    pub(crate) plan: Option<Str>,
    /// Which models the token is good for.
    pub(crate) models: Option<Str>,
    /// What the token may be used for.
    pub(crate) scopes: Str,
    /// What they are.
    pub(crate) roles: Str,
}

impl Default for Claims {
    fn default() -> Self {
        Self {
            user: Str::from_static("sub"),
            team: None,
            plan: None,
            models: None,
            scopes: Str::from_static("scope"),
            roles: Str::from_static("roles"),
        }
    }
}

/// The word for a value.
pub(crate) fn word<T: Copy + PartialEq>(
    words: &'static [(&'static str, T)],
    value: T,
) -> &'static str {
    words.iter().find(|(_, known)| *known == value).map_or("", |(word, _)| word)
}
