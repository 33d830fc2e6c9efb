//! Which handler answers which host and path.

use std::borrow::Cow;
use std::sync::Arc;

use super::target::{Target, host_of};
use crate::base::http::Handler;
use crate::telemetry::metrics::Tally;

/// A place where a handler answers.
pub struct Mount {
    pub name: String,
    /// The prefix of its paths, `/npm`; empty at the root. No slash at the end.
    pub path: String,
    /// A host name at whose root it answers too, in lower case and without a port.
    pub host: Option<String>,
    /// Ports of its own, at whose root it answers whatever the host.
    pub ports: Vec<u16>,
    /// The URL at which clients reach it, where that cannot be seen from their requests. No slash at the end.
    pub public_url: Option<String>,
    pub handler: Arc<dyn Handler>,
    /// Whether its requests are refused while there are too many; what tells of our health is not.
    pub limited: bool,
    /// Counts its requests.
    pub tally: Tally,
}

/// All mounts.
#[derive(Default)]
pub struct Mounts {
    mounts: Vec<Arc<Mount>>,
    /// Ports that were opened for single mounts: without their mount, nothing answers there.
    reserved: Vec<u16>,
}

/// A mount that answers a target.
pub struct Found<'mounts, 'target> {
    pub mount: &'mounts Arc<Mount>,
    /// The path below it, starting with `/`.
    pub path: &'target str,
    /// What of the request's path belongs to the mount itself.
    prefix: &'mounts str,
}

// === impl Mounts ===

impl Mounts {
    pub fn new(mounts: impl IntoIterator<Item = Mount>, reserved: Vec<u16>) -> Self {
        let mut mounts: Vec<_> = mounts.into_iter().map(Arc::new).collect();
        // The longest prefix is tried first.
        mounts.sort_by_key(|mount| std::cmp::Reverse(mount.path.len()));
        Self { mounts, reserved }
    }

    /// Finds the mount whose own port the connection came to, else the one of the target's host, else the one with the
    /// longest prefix of its path.
    pub fn find<'target>(&self, target: &Target<'target>, port: Option<u16>) -> Option<Found<'_, 'target>> {
        if let Some(mount) = port.and_then(|port| self.mounts.iter().find(|mount| mount.ports.contains(&port))) {
            return Some(Found { mount, path: target.path, prefix: "" });
        }
        if port.is_some_and(|port| self.reserved.contains(&port)) {
            return None;
        }
        let host = host_of(target.authority);
        let at_host = |mount: &&Arc<Mount>| mount.host.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(host));
        if let Some(mount) = self.mounts.iter().find(at_host) {
            return Some(Found { mount, path: target.path, prefix: "" });
        }
        self.mounts.iter().find_map(|mount| {
            let path = below(&mount.path, target.path)?;
            Some(Found { mount, path, prefix: &mount.path })
        })
    }
}

// === impl Found ===

impl Found<'_, '_> {
    /// Returns the URL of the mount as the client sees it, without a slash at the end.
    pub fn base(&self, scheme: &str, authority: &str) -> String {
        match &self.mount.public_url {
            Some(url) => url.clone(),
            None => [scheme, "://", &normal(scheme, authority), self.prefix].concat(),
        }
    }
}

/// Returns an authority in lower case and without its scheme's own port: one name, one base. Source: RFC 3986 §6.2.3.
fn normal<'a>(scheme: &str, authority: &'a str) -> Cow<'a, str> {
    let port = if scheme == "https" { ":443" } else { ":80" };
    let short = authority.strip_suffix(port).or_else(|| authority.strip_suffix(':')).unwrap_or(authority);
    if short.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(short.to_ascii_lowercase())
    } else {
        Cow::Borrowed(short)
    }
}

/// Returns the part of `path` below `prefix`: `/` for the prefix itself.
fn below<'a>(prefix: &str, path: &'a str) -> Option<&'a str> {
    match path.strip_prefix(prefix)? {
        "" => Some("/"),
        rest if rest.starts_with('/') => Some(rest),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;
    use crate::base::http::{Outcome, Refusal, Reply, Request};
    use crate::telemetry::metrics::Metrics;

    struct Silent;

    #[async_trait]
    impl Handler for Silent {
        async fn handle(&self, _: &Request<'_>) -> Outcome {
            Reply::empty(::http::StatusCode::NO_CONTENT).into()
        }

        fn refuse(&self, _: Refusal, _: &Request<'_>) -> Reply {
            Reply::empty(::http::StatusCode::NO_CONTENT)
        }
    }

    fn mount(name: &str, path: &str, host: Option<&str>, public_url: Option<&str>) -> Mount {
        let [host, public_url] = [host, public_url].map(|text| text.map(str::to_owned));
        let tally = Metrics::new().unwrap().tally(name);
        Mount {
            name: name.into(),
            path: path.into(),
            host,
            ports: Vec::new(),
            public_url,
            handler: Arc::new(Silent),
            limited: true,
            tally,
        }
    }

    fn mounts() -> Mounts {
        Mounts::new(
            [
                mount("web", "", None, None),
                mount("npm", "/npm", Some("npm.example"), None),
                mount("beta", "/npm/beta", None, Some("https://mirror.example/b")),
            ],
            Vec::new(),
        )
    }

    #[test]
    fn the_longest_prefix_answers_with_the_path_below_it() {
        let mounts = mounts();
        for (authority, path, expected) in [
            ("h", "/", ("web", "/", "http://h")),
            ("h", "/healthz", ("web", "/healthz", "http://h")),
            ("h", "/npm", ("npm", "/", "http://h/npm")),
            ("h:1", "/npm/", ("npm", "/", "http://h:1/npm")),
            ("h", "/npm//x", ("npm", "//x", "http://h/npm")),
            ("h", "/npmx", ("web", "/npmx", "http://h")),
            ("h", "/npm/beta/x", ("beta", "/x", "https://mirror.example/b")),
            ("h", "/npm/betamax", ("npm", "/betamax", "http://h/npm")),
            ("NPM.example:4870", "/npm/x", ("npm", "/npm/x", "http://npm.example:4870")),
        ] {
            let found = mounts.find(&Target { authority, path, query: "" }, Some(4870)).unwrap();
            let base = found.base("http", authority);
            assert_eq!((found.mount.name.as_str(), found.path, base.as_str()), expected, "{authority}{path}");
        }
    }

    #[test]
    fn without_a_root_mount_other_paths_have_no_answer() {
        let mounts = Mounts::new([mount("npm", "/npm", None, None)], Vec::new());
        assert!(mounts.find(&Target { authority: "h", path: "/other", query: "" }, None).is_none());
    }

    #[test]
    fn a_port_of_its_own_leads_to_a_mount_whatever_host_and_path_say() {
        let own = Mount { ports: vec![4871], ..mount("hex", "/hex", None, None) };
        let all = [mount("web", "", None, None), mount("npm", "/npm", Some("npm.example"), None), own];
        let mounts = Mounts::new(all, vec![4871, 4872]);
        let target = Target { authority: "npm.example:4871", path: "/npm/x", query: "" };
        let found = mounts.find(&target, Some(4871)).unwrap();
        let base = found.base("http", target.authority);
        assert_eq!((&*found.mount.name, found.path, &*base), ("hex", "/npm/x", "http://npm.example:4871"));
        assert_eq!(mounts.find(&target, Some(4870)).unwrap().mount.name, "npm");
        assert!(mounts.find(&target, Some(4872)).is_none(), "its mount is gone, and no other answers there");
    }
}
