//! Whom we believe when we ask others: the root certificates of the system, and those that the operator adds. One set,
//! whatever library does the asking.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};

/// Characters of a line of PEM. Source: RFC 7468 §2.
const LINE: usize = 64;

/// Root certificates, each of them usable. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Roots(Arc<[CertificateDer<'static>]>);

/// Why the operator's roots cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("certificate {number} is not PEM")]
    Pem { number: usize, source: pem::Error },
    #[error("certificate {number} cannot be a root")]
    Unusable { number: usize, source: rustls::Error },
}

// === impl Roots ===

impl Roots {
    /// Loads the system's roots, and adds those of a PEM text.
    ///
    /// Roots of the system that cannot be read are left out and warned of: with the others, most is well.
    ///
    /// # Errors
    /// [`Error`]: one that was added cannot be used.
    pub fn load(added: &[u8]) -> Result<Self, Error> {
        let mut roots = of_system();
        for (index, root) in CertificateDer::pem_slice_iter(added).enumerate() {
            let number = index + 1;
            let root = root.map_err(|source| Error::Pem { number, source })?;
            judge(&root).map_err(|source| Error::Unusable { number, source })?;
            roots.push(root);
        }
        if roots.is_empty() {
            tracing::warn!("there is no root certificate: no upstream can be asked over https");
        }
        Ok(Self(roots.into()))
    }

    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.0
    }

    /// Prints them as PEM.
    pub fn print(&self) -> String {
        let mut text = String::new();
        for root in self.certificates() {
            text.push_str("-----BEGIN CERTIFICATE-----\n");
            for line in STANDARD.encode(root).as_bytes().chunks(LINE) {
                text.extend(line.iter().copied().map(char::from));
                text.push('\n');
            }
            text.push_str("-----END CERTIFICATE-----\n");
        }
        text
    }
}

/// Returns the roots that the system trusts, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR` where these are set.
fn of_system() -> Vec<CertificateDer<'static>> {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "root certificates of the system cannot be read");
    }
    let usable = |root: &CertificateDer<'_>| {
        judge(root).inspect_err(|error| tracing::warn!(%error, "root certificate of the system left out")).is_ok()
    };
    found.certs.into_iter().filter(usable).collect()
}

fn judge(root: &CertificateDer<'_>) -> Result<(), rustls::Error> {
    RootCertStore::empty().add(root.clone().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes a self-signed certificate, as PEM.
    fn root() -> String {
        rcgen::generate_simple_self_signed(["registry.example".to_owned()]).unwrap().cert.pem()
    }

    #[test]
    fn what_was_added_is_printed_as_it_was_read() {
        let pem = root();
        let added = Roots::load(pem.as_bytes()).unwrap();
        assert!(added.print().ends_with(&pem));
        let again = Roots::load(added.print().as_bytes()).unwrap();
        assert!(again.certificates().ends_with(added.certificates()));
    }

    #[test]
    fn a_root_that_cannot_be_used_is_named_by_its_number() {
        let nonsense = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
        let error = Roots::load(format!("{}{nonsense}", root()).as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), "certificate 2 cannot be a root");
        let broken = nonsense.replace("AA==", "AA=A");
        assert_eq!(Roots::load(broken.as_bytes()).unwrap_err().to_string(), "certificate 1 is not PEM");
    }
}
