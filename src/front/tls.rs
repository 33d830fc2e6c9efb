//! The certificate we show to clients. It can be renewed while the server runs.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use pingora::listeners::tls::TlsSettings;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::base::fs;

/// A certificate chain and its key, read from PEM files.
#[derive(Debug)]
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    held: ArcSwap<CertifiedKey>,
}

/// Why a certificate cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read {path}")]
    File { path: PathBuf, source: io::Error },
    #[error("{path} is not PEM of the right kind")]
    Pem { path: PathBuf, source: pem::Error },
    #[error("the key does not belong to the certificate, or is of an unknown kind")]
    Key(#[from] rustls::Error),
}

// === impl Tls ===

impl Tls {
    /// Reads a chain of certificates, our own first, and the key of the first.
    ///
    /// # Errors
    /// [`Error`]: a file cannot be read or understood, or the two do not belong together.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, Error> {
        let held = ArcSwap::from_pointee(read(certificate, key)?);
        Ok(Self { certificate: certificate.to_owned(), key: key.to_owned(), held })
    }

    /// Reads both files again. Connections from now on see what they hold.
    ///
    /// # Errors
    /// As [`Tls::load`]; then the old certificate stays.
    pub fn reload(&self) -> Result<(), Error> {
        self.held.store(Arc::new(read(&self.certificate, &self.key)?));
        Ok(())
    }

    /// Returns what pingora needs to know of it.
    pub(super) fn settings(self: &Arc<Self>) -> pingora::Result<TlsSettings> {
        let mut settings = TlsSettings::intermediate("", "")?;
        settings.set_cert_resolver(Arc::new(Shown(Arc::clone(self))));
        settings.enable_h2();
        Ok(settings)
    }
}

#[derive(Debug)]
struct Shown(Arc<Tls>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.held.load_full())
    }
}

fn read(certificate: &Path, key: &Path) -> Result<CertifiedKey, Error> {
    let file = |path: &Path| fs::read(path).map_err(|source| Error::File { path: path.to_owned(), source });
    let pem = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Pem { path, source }
    };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&file(certificate)?).collect();
    let private = PrivateKeyDer::from_pem_slice(&file(key)?).map_err(pem(key))?;
    let held = CertifiedKey::new(chain.map_err(pem(certificate))?, any_supported_type(&private)?);
    held.keys_match()?;
    Ok(held)
}
