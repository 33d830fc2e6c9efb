//! What is wanted: a key, where it comes from, and what must hold before it is kept.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use http::header::EXPIRES;
use http::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::egress::Reach;
use super::first_seen::Chronicle;
use super::verify::Proof;
use crate::base::digest::{Digest, hex};
use crate::base::secret::Secret;

/// One thing of one upstream, named by the dialect that understands it.
pub struct Resource {
    /// Names the entry; two different resources never share one. Starts with the mount's name.
    pub key: String,
    pub mount: Arc<str>,
    /// What it belongs to, for purging: a package's name.
    pub package: String,
    pub kind: Kind,
    pub upstream: Arc<Upstream>,
    pub url: Url,
    /// The `Accept` header sent, where the upstream negotiates.
    pub accept: Option<&'static str>,
    /// What else is sent: of a file's request the headers that may select one of several representations, of a document
    /// what must not be left to us.
    pub headers: HeaderMap,
    /// Of a document or an artifact: headers of its answer that are kept beside it, by their names in lower case.
    pub keeps: &'static [&'static str],
    /// What an `Expires` that is no date means.
    pub expires: Expires,
    /// Whether a redirect is followed, or is the answer.
    pub redirects: Redirects,
    /// The entity tag it is served under, where the dialect knows a better one than upstream.
    pub etag: Option<HeaderValue>,
    /// Whether its name is nobody's business but its members': what goes wrong with it is logged and not listed.
    pub is_private: bool,
    /// All of them hold before anything is kept.
    pub proofs: Vec<Proof>,
    /// Of an artifact: the release whose first digest is held to for ever.
    pub release: Option<Release>,
    /// Of a document: what it says of releases that were proved before.
    pub chronicle: Option<Arc<dyn Chronicle>>,
    pub rules: Arc<Rules>,
    /// A body longer than this is refused, in bytes.
    pub max_bytes: u64,
}

/// A release, and who says what its bytes are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Release {
    /// Its name beyond mounts and upstreams: `npm/left-pad@1.0.0`.
    pub name: String,
    /// What vouches for its bytes, in its dialect's own words. Without it, no later document is held to them.
    pub testimony: Option<String>,
    /// The key and the digest of the document that says so; another one under that key may say otherwise.
    pub document: Option<(Arc<str>, Digest)>,
    /// Its bytes may still be replaced by rights: what was first seen is held to, but this is not remembered as that.
    pub is_provisional: bool,
}

/// Whether the bytes under a name may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Changes: has a freshness, is asked for compressed, is answered only after its proofs.
    Document,
    /// Never changes: fresh for ever once proved, streamed to clients while it is being proved.
    Artifact,
    /// Anything that a server has under a URL, whatever the status: changes like a document, streams like an artifact,
    /// and is kept and reused by the letter of RFC 9111, with all its headers.
    File,
}

/// What is made of an `Expires` that is no date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expires {
    /// What it stands for is stale already. Source: RFC 9111 §5.3.
    Strict,
    /// Nothing: its registry puts a number there.
    OnlyDates,
}

/// What is done with a redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redirects {
    Follow,
    /// It is followed as long as it stays at the upstream's own scheme, host and port.
    FollowAtHome,
    /// It is an answer like any other.
    Pass,
}

/// A server that a mount follows.
#[derive(Debug)]
pub struct Upstream {
    /// Where it starts, with a trailing slash.
    pub url: Url,
    /// Its place in keys ([`Upstream::id_of`]): what one upstream gave is not another's.
    pub id: String,
    /// Sent to its own scheme, host and port only.
    pub authorization: Option<Secret>,
    /// Its names may resolve to loopback, link-local and private addresses.
    pub allow_private: bool,
    /// Hosts, besides its own, that artifacts may be fetched from.
    pub artifact_hosts: Vec<String>,
}

/// How long a mount trusts what it keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Fresh for at least this long, whatever upstream says.
    pub min_ttl: Duration,
    /// Fresh for at most this long; also for what upstream says nothing about.
    pub max_ttl: Duration,
    /// How long a 404 or 410 is remembered.
    pub negative_ttl: Duration,
    /// After its freshness, served for this long while a fill is under way. Source: RFC 5861 §3.
    pub stale_while_revalidate: Duration,
    /// After its freshness, served for this long while upstream cannot be asked. Source: RFC 5861 §4.
    pub stale_if_error: Duration,
}

// === impl Resource ===

impl Resource {
    /// Returns what of an answer's headers speaks of freshness to those who understand them.
    pub fn understood<'a>(&self, headers: &'a HeaderMap) -> Cow<'a, HeaderMap> {
        let is_date = |value: &HeaderValue| value.to_str().is_ok_and(|text| httpdate::parse_http_date(text).is_ok());
        let is_odd = headers.get(EXPIRES).is_some_and(|value| !is_date(value));
        if self.expires == Expires::Strict || !is_odd {
            return Cow::Borrowed(headers);
        }
        let mut understood = headers.clone();
        understood.remove(EXPIRES);
        Cow::Owned(understood)
    }

    /// Refuses more than this, in bytes, or than was refused before.
    pub fn at_most(self, bytes: u64) -> Self {
        Self { max_bytes: self.max_bytes.min(bytes), ..self }
    }

    /// Returns what is kept of the headers of an answer.
    pub fn kept_of(&self, headers: &HeaderMap) -> Option<Box<HeaderMap>> {
        let kept = self.keeps.iter().filter_map(|name| {
            let value = headers.get(*name)?;
            Some((HeaderName::from_static(name), value.clone()))
        });
        let kept: HeaderMap = kept.collect();
        (!kept.is_empty()).then(|| Box::new(kept))
    }
}

// === impl Release ===

impl From<String> for Release {
    fn from(name: String) -> Self {
        Self { name, ..Self::default() }
    }
}

// === impl Upstream ===

impl Upstream {
    /// Returns the URL of a path below the upstream. `path` is percent-encoded and has no leading slash.
    ///
    /// # Errors
    /// The parser's.
    pub fn join(&self, path: &str) -> Result<Url, url::ParseError> {
        // A path such as `a:b` would be read as a scheme of its own.
        self.url.join(&format!("./{path}"))
    }

    /// Tells whether `url` has the scheme, host and port that our credentials belong to. Source: RFC 6454 §5.
    pub fn is_origin_of(&self, url: &Url) -> bool {
        self.url.origin() == url.origin()
    }

    /// Tells whether an artifact may come from `url`: this server's own origin, or a host that is allowed beside it, at
    /// its scheme's own port, and not by a weaker scheme than this server's.
    pub fn may_hold_artifact(&self, url: &Url) -> bool {
        let is_named = url.host_str().is_some_and(|host| self.artifact_hosts.iter().any(|allowed| allowed == host));
        let is_as_strong = url.scheme() == "https" || self.url.scheme() == "http";
        self.is_origin_of(url) || (is_named && is_as_strong && url.port().is_none())
    }

    /// Tells how far a request for `url` may reach: private addresses only where the operator has named the server.
    pub fn reach(&self, url: &Url) -> Reach {
        if self.allow_private && self.may_hold_artifact(url) { Reach::Private } else { Reach::Public }
    }

    /// Returns a short name that differs between upstreams.
    pub fn id_of(url: &Url) -> String {
        hex(&Digest::of(url.as_str().as_bytes()).as_bytes()[..4])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream() -> Upstream {
        Upstream {
            url: "https://registry.example/npm/".parse().unwrap(),
            id: String::new(),
            authorization: None,
            allow_private: false,
            artifact_hosts: vec!["files.example".into()],
        }
    }

    #[test]
    fn paths_stay_below_the_upstream() {
        assert_eq!(upstream().join("@s%2fn").unwrap().as_str(), "https://registry.example/npm/@s%2fn");
        assert_eq!(upstream().join("a:b").unwrap().as_str(), "https://registry.example/npm/a:b");
    }

    #[test]
    fn artifacts_come_from_hosts_of_the_mount_only() {
        for (url, allowed) in [
            ("https://registry.example/x.tgz", true),
            ("https://files.example/x.tgz", true),
            ("https://files.example:8443/x.tgz", false),
            ("http://files.example/x.tgz", false),
            ("http://registry.example/x.tgz", false),
            ("https://registry.example:8443/x.tgz", false),
            ("https://evil.example/x.tgz", false),
        ] {
            assert_eq!(upstream().may_hold_artifact(&url.parse().unwrap()), allowed, "{url}");
        }
    }
}
