//! Certificates made for a test: authorities, the identities they sign, and clients that believe in them.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use tempfile::TempDir;

/// An authority. What it signed lies in files as long as it lives.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: TempDir,
}

/// A certificate and its key.
pub struct Identity {
    /// PEM files.
    pub certificate: PathBuf,
    pub key: PathBuf,
    server: Arc<ServerConfig>,
}

/// What a certificate is made for.
pub struct Wish<'a> {
    /// Host names and addresses.
    pub names: &'a [&'a str],
    /// The year it ends with.
    pub until: i32,
}

// === impl Authority ===

impl Authority {
    /// Makes an authority that nobody knows yet.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new([]).expect("no name is wrong");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let issuer = CertifiedIssuer::self_signed(params, key_pair()).expect("these parameters make a certificate");
        let directory = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(directory.path().join("authority.pem"), issuer.pem()).expect("it can be written");
        Self { issuer, directory }
    }

    /// Returns the PEM file of its own certificate.
    pub fn file(&self) -> PathBuf {
        self.directory.path().join("authority.pem")
    }

    /// Makes an identity for 127.0.0.1 and localhost.
    pub fn issue(&self, file: &str) -> Identity {
        self.issue_for(file, &Wish { names: &["127.0.0.1", "localhost"], until: 2999 })
    }

    /// Makes an identity for these names.
    pub fn issue_for(&self, file: &str, wish: &Wish<'_>) -> Identity {
        let names: Vec<String> = wish.names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names of hosts");
        params.not_after = rcgen::date_time_ymd(wish.until, 12, 31);
        let key = key_pair();
        let signed = params.signed_by(&key, &self.issuer).expect("these parameters make a certificate");
        let write = |kind: &str, text: String| {
            let path = self.directory.path().join(format!("{file}-{kind}.pem"));
            std::fs::write(&path, text).expect("a temporary directory can be written");
            path
        };
        Identity {
            certificate: write("certificate", signed.pem()),
            key: write("key", key.serialize_pem()),
            server: server(signed.der().clone(), &key),
        }
    }

    /// Returns a client that believes in this authority alone and speaks these protocols, the best first.
    pub fn client(&self, protocols: &[&str]) -> Arc<ClientConfig> {
        self.client_of(rustls::ALL_VERSIONS, protocols)
    }

    /// As [`Self::client`], with the versions of TLS.
    pub fn client_of(&self, versions: &[&'static SupportedProtocolVersion], protocols: &[&str]) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).expect("our own certificate is one");
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_protocol_versions(versions).expect("ring has all versions");
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

// === impl Identity ===

impl Identity {
    /// Returns a server of HTTP/1.1 that shows it.
    pub fn server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.server)
    }
}

fn server(certificate: CertificateDer<'static>, key: &KeyPair) -> Arc<ServerConfig> {
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().expect("ring has all versions");
    let config = builder.with_no_client_auth().with_single_cert(vec![certificate], key);
    let mut config = config.expect("the key is the certificate's");
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

fn key_pair() -> KeyPair {
    KeyPair::generate().expect("the system has random numbers")
}
