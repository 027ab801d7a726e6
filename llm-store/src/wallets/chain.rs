//! The chain of a wallet's entries: each hash covers the one before it, the first one the wallet's
//! name. Whoever changes, drops or moves an entry has to change all after it, and the head.

use blake3::Hasher;

use super::line::Columns;
use super::name::WalletId;
use crate::sql::chain::text;

pub(super) fn genesis(wallet: &WalletId) -> [u8; 32] {
    let mut hasher = Hasher::new();
    for word in ["llm wallet 1", &*wallet.tenant.0, wallet.kind(), &*wallet.name()] {
        text(&mut hasher, word);
    }
    hasher.finalize().into()
}

pub(super) fn follow(before: &[u8; 32], seq: i64, columns: &Columns) -> [u8; 32] {
    let mut hasher = Hasher::new();
    hasher.update(before).update(&seq.to_le_bytes()).update(&columns.at.to_le_bytes());
    text(&mut hasher, columns.kind);
    maybe(&mut hasher, columns.bucket.map(i64::to_le_bytes).as_ref().map(|b| &b[..]));
    maybe(&mut hasher, columns.event.as_deref().map(str::as_bytes));
    maybe(&mut hasher, columns.hold.as_ref().map(|b| &b[..]));
    maybe(&mut hasher, columns.source.map(str::as_bytes));
    maybe(&mut hasher, columns.expires_at.map(i64::to_le_bytes).as_ref().map(|b| &b[..]));
    for amount in [columns.rest, columns.held, columns.spent] {
        hasher.update(&amount.to_le_bytes());
    }
    hasher.finalize().into()
}

/// With its length, and with whether it is there: two lines must not read as two others.
fn maybe(hasher: &mut Hasher, bytes: Option<&[u8]>) {
    match bytes {
        None => hasher.update(&[0]),
        Some(bytes) => {
            hasher.update(&[1]).update(&(bytes.len() as u64).to_le_bytes()).update(bytes)
        }
    };
}
