//! Where clients reach us: addresses, TLS, the URL they see.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use url::{Host, Url};

use super::print::Printer;
use super::section::Section;
use super::values::{Setting, print_list, read_base_url, read_optional};
use crate::base::network::Network;
use crate::base::secret::SafeUrl;

/// The keys `listen`, `public_url`, `threads` and `[tls]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// The key `listen`. Never empty.
    pub addresses: Vec<SocketAddr>,
    /// Where clients reach this server, ending in `/`; `None`: as each request says.
    pub public_url: Option<SafeUrl>,
    /// Whose word is taken for where a request comes from.
    pub trusted_proxies: Vec<Network>,
    /// Worker threads; 0 is one a core.
    pub threads: usize,
    /// `None`: plain HTTP.
    pub tls: Option<Tls>,
}

/// `[tls]`: PEM files, checked to be readable when the configuration is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The certificate, followed by those that vouch for it.
    pub certificate: PathBuf,
    pub key: PathBuf,
}

// === impl Listen ===

impl Default for Listen {
    fn default() -> Self {
        let addresses = vec![([127, 0, 0, 1], 4870).into()];
        Self { addresses, public_url: None, trusted_proxies: Vec::new(), threads: 0, tls: None }
    }
}

impl Listen {
    pub(super) fn read(root: &mut Section<'_>) -> Self {
        let default = Self::default();
        let addresses = root.list("listen", default.addresses, SocketAddr::read);
        check_addresses(root, &addresses);
        Self {
            addresses,
            public_url: root.value_with("public_url", default.public_url, read_optional(read_base_url)),
            trusted_proxies: root.list("trusted_proxies", default.trusted_proxies, Network::read),
            threads: root.value("threads", default.threads),
            tls: root.optional_section("tls", Tls::read),
        }
    }

    pub(super) fn print_keys(&self, out: &mut Printer) {
        let Self { addresses, public_url, trusted_proxies, threads, tls: _ } = self;
        out.text("listen", &print_list(addresses));
        out.key("public_url", public_url);
        out.text("trusted_proxies", &print_list(trusted_proxies));
        out.key("threads", threads);
    }

    pub(super) fn print_tls(&self, out: &mut Printer) {
        if let Some(Tls { certificate, key }) = &self.tls {
            out.section("[tls]");
            out.key("certificate", certificate);
            out.key("key", key);
        }
    }
}

/// Tells whether a URL leads to one of our own addresses, whatever its path. `is_local` tells whether an address of the
/// URL's host belongs to this machine; it is asked only where we listen on every address.
pub fn leads_to(addresses: &[SocketAddr], url: &Url, is_local: &dyn Fn(&Host<&str>) -> bool) -> bool {
    let Some((host, port)) = url.host().zip(url.port_or_known_default()) else { return false };
    let mut ours = addresses.iter().filter(|address| address.port() == port);
    ours.any(|address| match address.ip() {
        ip if ip.is_unspecified() => is_loopback(&host) || is_local(&host),
        ip if ip.is_loopback() => is_loopback(&host),
        ip => address_of(&host) == Some(ip) || (address_of(&host).is_none() && is_local(&host)),
    })
}

fn check_addresses(root: &mut Section<'_>, addresses: &[SocketAddr]) {
    if addresses.is_empty() && !root.is_mistaken("listen") {
        root.complain("listen", "must name at least one address");
    }
    for (index, address) in addresses.iter().enumerate() {
        if address.port() != 0 && addresses[..index].contains(address) {
            root.complain("listen", format!("{address} is given twice"));
        }
    }
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => ip.is_loopback(),
    }
}

fn address_of(host: &Host<&str>) -> Option<IpAddr> {
    match host {
        Host::Domain(_) => None,
        Host::Ipv4(ip) => Some((*ip).into()),
        Host::Ipv6(ip) => Some((*ip).into()),
    }
}

// === impl Tls ===

impl Tls {
    fn read(section: &mut Section<'_>) -> Self {
        let certificate = Self::read_pem(section, "certificate", "CERTIFICATE");
        let key = Self::read_pem(section, "key", "PRIVATE KEY");
        Self { certificate, key }
    }

    fn read_pem(section: &mut Section<'_>, key: &'static str, label: &str) -> PathBuf {
        let Some(file) = section.required(key, PathBuf::read) else { return PathBuf::new() };
        section.load_pem(key, &file, label);
        file
    }
}
