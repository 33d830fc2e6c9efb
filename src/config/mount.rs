//! Mounts: which registry is mirrored where, and by what rules.

use std::net::SocketAddr;
use std::time::Duration;

use url::{Host, Url};

use super::dialect::Dialect;
use super::listen::{Listen, leads_to};
use super::print::Printer;
use super::section::Section;
use super::sync::{InStep, Mode};
use super::tree::Node;
use super::upstream::Upstream;
use super::values::{Setting, Size, print_list, quote, read_base_url, read_optional, text_of};
use crate::base::secret::SafeUrl;

/// `[[mount]]`: one registry, mirrored below one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    pub dialect: Dialect,
    /// Names the mount in logs, metrics and the store: lower-case letters, digits, `-` and `_`.
    pub name: String,
    /// Starts with `/`, does not end with one.
    pub path: String,
    /// A host name, in lower case, at whose root it answers too.
    pub host: Option<String>,
    /// Addresses of its own, at whose root it answers; their ports are nobody else's.
    pub listen: Vec<SocketAddr>,
    /// Where clients reach this very mount, ending in `/`; over the global one.
    pub public_url: Option<SafeUrl>,
    /// Whether search, audit and the like may pass through to the upstream.
    pub passthrough: bool,
    /// Floor and ceiling of how long a document is fresh.
    pub min_ttl: Duration,
    pub max_ttl: Duration,
    /// How long an upstream's "there is none" is remembered.
    pub negative_ttl: Duration,
    pub stale_while_revalidate: Duration,
    pub stale_if_error: Duration,
    pub max_document_bytes: u64,
    pub max_artifact_bytes: u64,
    /// What of it follows its upstreams without being asked for, and who may ask.
    pub in_step: InStep,
    /// Hosts, beyond the upstreams' own, that artifact URLs may name; in lower case.
    pub artifact_hosts: Vec<String>,
    /// Without one that has no scopes, the default upstream is discovered.
    pub upstreams: Vec<Upstream>,
}

/// Paths that the server answers itself.
const OWN_PATHS: [&str; 4] = ["/-", "/metrics", "/healthz", "/readyz"];

const LONGEST_NAME: usize = 64;

// === impl Mount ===

impl Default for Mount {
    fn default() -> Self {
        Self::of(Dialect::default())
    }
}

impl Mount {
    /// Returns a dialect's mount as it is when nothing is configured.
    pub fn of(dialect: Dialect) -> Self {
        let name = dialect.as_str();
        Self {
            name: name.to_owned(),
            path: dialect.path(name),
            host: None,
            listen: Vec::new(),
            public_url: None,
            passthrough: true,
            min_ttl: Duration::ZERO,
            max_ttl: dialect.max_ttl(),
            dialect,
            negative_ttl: Duration::from_secs(60),
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::from_secs(30 * 86_400),
            max_document_bytes: 128 << 20,
            max_artifact_bytes: 4 << 30,
            in_step: InStep::default(),
            artifact_hosts: Vec::new(),
            upstreams: Vec::new(),
        }
    }

    /// Returns the mounts of a server that is told of none: one of each dialect that finds its upstream by itself.
    pub(super) fn defaults() -> Vec<Self> {
        Dialect::all().filter(|dialect| !dialect.needs_upstream()).map(Self::of).collect()
    }

    /// Reads all mounts; none given are the default ones.
    pub(super) fn read_all(root: &mut Section<'_>, listen: &Listen) -> Vec<Self> {
        let mut mounts: Vec<Self> = Vec::new();
        root.sections("mount", |section| {
            let mount = Self::read(section);
            mount.check_against(&mounts, section);
            mount.check_listen(&mounts, listen, section);
            mount.check_upstreams(listen, section);
            mount.check_sync(section);
            mounts.push(mount);
        });
        if mounts.is_empty() { Self::defaults() } else { mounts }
    }

    fn read(section: &mut Section<'_>) -> Self {
        let mut default = Self::of(Dialect::read(section));
        default.name = section.value_with("name", default.name, read_name);
        default.path = default.dialect.path(&default.name);
        let read = Self {
            dialect: default.dialect.read_keys(section),
            name: default.name,
            path: section.value_with("path", default.path, read_path),
            host: section.value_with("host", default.host, read_optional(read_host)),
            listen: section.list("listen", default.listen, SocketAddr::read),
            public_url: section.value_with("public_url", default.public_url, read_optional(read_base_url)),
            passthrough: section.value("passthrough", default.passthrough),
            min_ttl: section.value("min_ttl", default.min_ttl),
            max_ttl: section.value("max_ttl", default.max_ttl),
            negative_ttl: section.value("negative_ttl", default.negative_ttl),
            stale_while_revalidate: section.value("stale_while_revalidate", default.stale_while_revalidate),
            stale_if_error: section.value("stale_if_error", default.stale_if_error),
            max_document_bytes: section.positive("max_document_bytes", Size(default.max_document_bytes)).0,
            max_artifact_bytes: section.positive("max_artifact_bytes", Size(default.max_artifact_bytes)).0,
            in_step: InStep::read(section),
            artifact_hosts: section.list("artifact_hosts", default.artifact_hosts, read_host),
            upstreams: Upstream::read_all(section),
        };
        section.check_order(("min_ttl", read.min_ttl), ("max_ttl", read.max_ttl));
        read
    }

    /// Notes what this mount and an earlier one both claim.
    fn check_against(&self, earlier: &[Self], section: &mut Section<'_>) {
        for (index, other) in earlier.iter().enumerate() {
            if other.name == self.name && !section.is_mistaken("name") {
                section.complain("name", format!("mount[{index}] has the name {} already", quote(&self.name)));
            }
            let overlap = is_below(&self.path, &other.path) || is_below(&other.path, &self.path);
            if overlap && !section.is_mistaken("path") && !section.is_mistaken("name") {
                let (mine, theirs) = (quote(&self.path), quote(&other.path));
                section.complain("path", format!("{mine} and {theirs} of mount[{index}] overlap"));
            }
            if let Some(host) = self.host.as_ref().filter(|_| self.host == other.host) {
                section.complain("host", format!("mount[{index}] answers on {} already", quote(host)));
            }
        }
    }

    /// Notes ports of this mount that lead elsewhere too: the port of a connection tells which mount is meant.
    fn check_listen(&self, earlier: &[Self], listen: &Listen, section: &mut Section<'_>) {
        let others = earlier.iter().flat_map(|mount| &mount.listen).chain(&listen.addresses);
        let taken: Vec<u16> = others.map(SocketAddr::port).collect();
        for address in &self.listen {
            if address.port() == 0 {
                section.complain("listen", format!("{address} has no port, by which the mount is known"));
            } else if taken.contains(&address.port()) {
                section.complain("listen", format!("port {} is not this mount's alone", address.port()));
            }
        }
    }

    fn check_upstreams(&self, listen: &Listen, section: &mut Section<'_>) {
        let serves_all = self.upstreams.iter().any(|upstream| upstream.scopes.is_empty());
        if !self.dialect.has_scopes() && !section.is_mistaken("upstream") {
            let (dialect, is_given) = (self.dialect.as_str(), !self.upstreams.is_empty());
            if !serves_all && (is_given || self.dialect.needs_upstream()) {
                section.complain("upstream", format!("is missing: a mount of {dialect} says what it mirrors"));
            } else if self.upstreams.len() > 1 {
                section.complain("upstream", format!("must be one: a mount of {dialect} has no scopes"));
            }
        }
        for (index, upstream) in self.upstreams.iter().enumerate() {
            if upstream.changes.is_some() && !matches!(self.dialect, Dialect::Npm(_)) {
                section.complain("upstream", format!("upstream[{index}].changes is for mounts of npm"));
            }
            if self.leads_here(listen, upstream.url.as_url(), &|_| false) {
                section.complain("upstream", format!("upstream[{index}].url leads back to this server"));
            }
        }
    }

    fn check_sync(&self, section: &mut Section<'_>) {
        if !self.dialect.has_packages() && self.in_step.mode != Mode::Demand {
            section.complain("sync", "must be \"demand\": a tree of files has no list to follow");
        }
    }

    /// Tells whether a URL leads to this server, by its addresses or this mount's, its host name or its public URL.
    /// `is_local` as in [`leads_to`].
    pub fn leads_here(&self, listen: &Listen, url: &Url, is_local: &dyn Fn(&Host<&str>) -> bool) -> bool {
        let is_public = self.public_base(listen).is_some_and(|base| {
            let base = base.as_url();
            base.origin() == url.origin() && is_below(url.path(), base.path().trim_end_matches('/'))
        });
        let is_here = |addresses| leads_to(addresses, url, is_local);
        is_public || url.host_str() == self.host.as_deref() || is_here(&listen.addresses) || is_here(&self.listen)
    }

    /// Returns where clients reach this mount, ending in `/`; `None` when each request tells.
    pub fn public_base(&self, listen: &Listen) -> Option<SafeUrl> {
        if let Some(url) = &self.public_url {
            return Some(url.clone());
        }
        let mut url = listen.public_url.as_ref()?.as_url().clone();
        url.set_path(&format!("{}{}/", url.path().trim_end_matches('/'), self.path));
        Some(url.into())
    }

    pub(super) fn print(&self, out: &mut Printer) {
        // Every field by name, so that a new one cannot be forgotten here.
        let Self {
            dialect,
            name,
            path,
            host,
            listen,
            public_url,
            passthrough,
            min_ttl,
            max_ttl,
            negative_ttl,
            stale_while_revalidate,
            stale_if_error,
            max_document_bytes,
            max_artifact_bytes,
            in_step,
            artifact_hosts,
            upstreams,
        } = self;
        out.section("[[mount]]");
        dialect.print(out);
        out.key("name", name);
        out.key("path", path);
        out.key("host", host);
        out.text("listen", &print_list(listen));
        out.key("public_url", public_url);
        out.key("passthrough", passthrough);
        dialect.print_keys(out);
        out.key("min_ttl", min_ttl);
        out.key("max_ttl", max_ttl);
        out.key("negative_ttl", negative_ttl);
        out.key("stale_while_revalidate", stale_while_revalidate);
        out.key("stale_if_error", stale_if_error);
        out.key("max_document_bytes", &Size(*max_document_bytes));
        out.key("max_artifact_bytes", &Size(*max_artifact_bytes));
        in_step.print(out);
        out.text("artifact_hosts", &print_list(artifact_hosts));
        upstreams.iter().for_each(|upstream| upstream.print(out));
    }
}

/// Tells whether `path` is `prefix` or lies below it, by whole segments.
fn is_below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

// === Readers ===

fn read_name(node: &Node) -> Result<String, String> {
    let text = text_of(node)?;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    if text.is_empty() || text.len() > LONGEST_NAME || !text.bytes().all(plain) {
        return Err(format!(
            "must be 1 to {LONGEST_NAME} lower-case letters, digits, \"-\" or \"_\", not {}",
            quote(text)
        ));
    }
    Ok(text.to_owned())
}

/// Reads a mount's path; one `/` at its end is taken off.
fn read_path(node: &Node) -> Result<String, String> {
    let text = text_of(node)?;
    let path = text.strip_suffix('/').unwrap_or(text);
    let Some(rest) = text.strip_prefix('/') else { return Err(format!("must start with \"/\", not {}", quote(text))) };
    if rest.is_empty() {
        return Err("must not be \"/\", where the server's own pages are".to_owned());
    }
    if OWN_PATHS.iter().any(|own| is_below(path, own)) {
        return Err(format!("must not be {}, which the server answers itself", quote(text)));
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    let good = |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(plain);
    if !path[1..].split('/').all(good) {
        return Err(format!("must be segments of letters, digits, \"-\", \".\", \"_\" or \"~\", not {}", quote(text)));
    }
    Ok(path.to_owned())
}

fn read_host(node: &Node) -> Result<String, String> {
    let text = text_of(node)?;
    let host = Host::parse(text).map_err(|_| format!("must be a host name without port, not {}", quote(text)))?;
    Ok(host.to_string())
}
