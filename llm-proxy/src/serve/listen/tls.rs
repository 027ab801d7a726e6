//! The certificate that is shown, and the next one: files that somebody else writes.
//!
//! They are looked at every few seconds. A pair that does not fit changes nothing, and is said.

use std::fmt;
use std::fs;
use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use llm_core::seam::Clock;
use parking_lot::Mutex;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, ServerConfig};

use crate::config::edge::TlsFiles;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// In the order in which we would like to speak.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Why a pair is not shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotShown {
    /// A file was not read.
    #[error("{0}")]
    Read(#[from] io::Error),
    /// It is no PEM, or has nothing of the kind in it.
    #[error("{0}")]
    Pem(#[from] pem::Error),
    /// The two do not belong together, or nobody could use them.
    #[error("{0}")]
    Pair(#[from] rustls::Error),
}

/// The certificate that is shown.
struct Shown {
    files: TlsFiles,
    provider: Arc<CryptoProvider>,
    current: ArcSwap<CertifiedKey>,
    /// What was in the files when they were looked at last, whatever came of it.
    seen: Mutex<blake3::Hash>,
}

/// Who encrypts, with the pair as it is now. It is looked after for as long as it is there.
pub(crate) fn open(files: &TlsFiles, clock: Arc<dyn Clock>) -> Result<TlsAcceptor, NotShown> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let (hash, pair) = read(files)?;
    let current = ArcSwap::from_pointee(certified(&pair, &provider)?);
    let (files, seen) = (files.clone(), Mutex::new(hash));
    let shown = Arc::new(Shown { files, provider: Arc::clone(&provider), current, seen });
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::clone(&shown) as Arc<dyn ResolvesServerCert>);
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    tokio::spawn(watch(Arc::downgrade(&shown), clock));
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn watch(shown: Weak<Shown>, clock: Arc<dyn Clock>) {
    loop {
        clock.sleep(LOOK_EVERY).await;
        let Some(shown) = shown.upgrade() else { return };
        // Files may be on a disk that does not answer.
        let looked = tokio::task::spawn_blocking(move || shown.look()).await;
        if looked.is_err() {
            return;
        }
    }
}

impl Shown {
    fn look(&self) {
        let (hash, pair) = match read(&self.files) {
            Ok(read) => read,
            // Whoever replaces a file may have removed it first.
            Err(_) => return,
        };
        if std::mem::replace(&mut *self.seen.lock(), hash) == hash {
            return;
        }
        match certified(&pair, &self.provider) {
            Ok(next) => {
                self.current.store(Arc::new(next));
                tracing::info!(cert = %self.files.cert.display(), "there is a new certificate");
            }
            Err(error) => {
                let cert = self.files.cert.display();
                tracing::warn!(%cert, %error, "the new certificate is no good: the old one stays");
            }
        }
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shown").field("files", &self.files).finish_non_exhaustive()
    }
}

struct Pair {
    cert: Vec<u8>,
    key: Vec<u8>,
}

fn read(files: &TlsFiles) -> Result<(blake3::Hash, Pair), NotShown> {
    let pair = Pair { cert: fs::read(&files.cert)?, key: fs::read(&files.key)? };
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(pair.cert.len() as u64).to_le_bytes()).update(&pair.cert).update(&pair.key);
    Ok((hasher.finalize(), pair))
}

fn certified(pair: &Pair, provider: &CryptoProvider) -> Result<CertifiedKey, NotShown> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pair.cert).collect();
    let chain = chain?;
    if chain.is_empty() {
        return Err(pem::Error::NoItemsFound.into());
    }
    Ok(CertifiedKey::from_der(chain, PrivateKeyDer::from_pem_slice(&pair.key)?, provider)?)
}
