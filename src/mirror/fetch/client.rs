//! How upstreams are connected to: which roots are believed, which addresses are reached; and what it means when that
//! fails.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::base::roots::Roots;
use crate::config;
use crate::mirror::egress::{self, Kept, Reach};
use crate::mirror::error::Error;

/// Builds a client whose connections reach so far.
pub fn build(settings: &config::Fetch, roots: &Roots, reach: Reach) -> Result<reqwest::Client, reqwest::Error> {
    let certificates = roots.certificates().iter().map(|root| reqwest::Certificate::from_der(root));
    let mut builder = reqwest::Client::builder()
        .tls_certs_only(certificates.collect::<Result<Vec<_>, _>>()?)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .dns_resolver(Arc::new(Resolver(reach)))
        .connect_timeout(settings.connect_timeout)
        .pool_max_idle_per_host(settings.connections_per_host)
        .tcp_nodelay(true);
    if let Some(proxy) = &settings.proxy {
        builder = builder.proxy(reqwest::Proxy::all(proxy.as_url().as_str())?);
    }
    builder.build()
}

/// Lets an HTTP client resolve names by the egress rules only.
struct Resolver(Reach);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.0;
        Box::pin(async move {
            let addresses = egress::resolve(name.as_str(), 0, reach).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// Sorts a failure to get an answer: ours to refuse, too slow, or not there.
pub fn unreachable(host: &str, error: reqwest::Error) -> Error {
    if let Some(Kept(reason)) = kept(&error) {
        return Error::Forbidden { host: host.to_owned(), reason };
    }
    if error.is_timeout() {
        return Error::TimedOut { host: host.to_owned() };
    }
    Error::Unreachable { host: host.to_owned(), retry_after: None, cause: Some(Arc::new(error.without_url())) }
}

/// Finds the egress rules' refusal among the causes of an error.
pub fn kept(error: &(dyn StdError + 'static)) -> Option<Kept> {
    let mut next = Some(error);
    while let Some(error) = next {
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(kept) = inner.and_then(|inner| inner.downcast_ref::<Kept>()) {
            return Some(*kept);
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_of_the_egress_rules_is_found_among_the_causes() {
        let refusal = io::Error::new(io::ErrorKind::PermissionDenied, Kept("it is a loopback address"));
        assert_eq!(kept(&refusal), Some(Kept("it is a loopback address")));
        assert_eq!(kept(&io::Error::other("something else")), None);
    }
}
