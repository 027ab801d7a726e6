//! What strangers get: little, and not as often as they have addresses.
//!
//! Nobody who is not known can be told from others for sure, so two weak marks count together: the
//! part of the address that a subscriber cannot change at will, and a hash that the application
//! makes of the device. Counting them is a store's work, deciding is done here.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::fmt;

use jiff::Timestamp;

use super::{Grant, Source};
use crate::Str;
use crate::money::{Credits, Unit};
use crate::quota::Window;

/// What a guest gets, and how many of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestPolicy<U: Unit = Credits> {
    /// How much a guest is granted.
    pub grant: U,
    /// How many grants an address prefix may have in the window; 0 is no guests at all.
    pub per_prefix: u32,
    /// How many grants a device may have in the window.
    pub per_device: u32,
    /// The time in which they are counted.
    pub window: Window,
}

/// How many grants there were in the window that has this instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// To addresses of the same prefix.
    pub prefix: u32,
    /// To the same device.
    pub device: u32,
}

/// Why a guest gets nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoGuest {
    /// Guests get nothing here.
    #[error("guests are granted nothing")]
    Off,
    /// The device has had its share.
    #[error("this device was granted {0} already")]
    Device(u32),
    /// The addresses around have had theirs.
    #[error("this network was granted {0} already")]
    Prefix(u32),
}

impl<U: Unit> GuestPolicy<U> {
    /// What a guest is granted, into the wallet of the device. Two replicas that have counted the
    /// same make the same event, so that it is granted once.
    pub fn decide(&self, seen: Seen, now: Timestamp) -> Result<Grant<U>, NoGuest> {
        if self.grant <= U::ZERO || self.per_prefix == 0 || self.per_device == 0 {
            return Err(NoGuest::Off);
        }
        // The device first: it is the narrower word, and says nothing about neighbours.
        if seen.device >= self.per_device {
            return Err(NoGuest::Device(seen.device));
        }
        if seen.prefix >= self.per_prefix {
            return Err(NoGuest::Prefix(seen.prefix));
        }
        let slice = self.window.slice_at(now);
        let event = Str::from(format!("guest/{}/{}", slice.start, seen.device));
        Ok(Grant { event, amount: self.grant, source: Source::Granted, expires_at: None })
    }

    /// From when grants must have been counted for a decision at an instant.
    pub fn counted_from(&self, now: Timestamp) -> Timestamp {
        self.window.window_at(now).start
    }
}

/// The part of an address that one subscriber has: /24 of IPv4, /56 of IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Prefix {
    /// The first 24 bits.
    V4([u8; 3]),
    /// The first 56 bits.
    V6([u8; 7]),
}

impl From<IpAddr> for Prefix {
    fn from(address: IpAddr) -> Self {
        // An IPv4 address within IPv6 is the IPv4 address: all of them would share one /56.
        match address.to_canonical() {
            IpAddr::V4(v4) => {
                let [a, b, c, _] = v4.octets();
                Self::V4([a, b, c])
            }
            IpAddr::V6(v6) => {
                let [a, b, c, d, e, f, g, ..] = v6.octets();
                Self::V6([a, b, c, d, e, f, g])
            }
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4([a, b, c]) => write!(f, "{}/24", Ipv4Addr::new(*a, *b, *c, 0)),
            Self::V6(first) => {
                let mut octets = [0; 16];
                octets[..first.len()].copy_from_slice(first);
                write!(f, "{}/56", Ipv6Addr::from(octets))
            }
        }
    }
}

#[cfg(test)]
mod tests;
