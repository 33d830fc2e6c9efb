//! Where the upstreams of a mount tell of what has changed: each feed has the name of its registry.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::{Registry, done};
use crate::base::http::Reply;
use crate::base::secret::{SafeUrl, Secret};
use crate::config::{self, ChangesType, Mode};
use crate::mirror::Upstream;
use crate::overlay::upstreams::Routes;
use crate::registries::gate::Visitor;
use crate::registries::npm::Npm;
use crate::registries::npm::accounts::read;
use crate::registries::npm::error::Error;
use crate::registries::npm::routed::id_of;

/// The longest word that a feed counts by, in bytes.
const MAX_CURSOR: usize = 1_024;

/// What an admin says of a feed that is to be read.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Follow {
    since: Option<Value>,
}

/// A feed.
pub struct Feed {
    pub kind: ChangesType,
    /// Whose packages it tells of.
    pub id_of_upstream: String,
    /// Who is asked for it: it may be another server than the packages'.
    pub upstream: Arc<Upstream>,
    pub url: Url,
    /// What says where it stands, of those that count by numbers.
    pub root: Url,
}

/// What the configuration says of feeds, by the ids of upstreams.
#[derive(Clone, Debug, Default)]
pub struct Told(HashMap<String, (ChangesType, Option<SafeUrl>)>);

/// Where a feed is said to be.
struct Place<'a> {
    kind: ChangesType,
    /// `None`: at the upstream itself.
    url: Option<Url>,
    /// What its server is shown, if it is not the upstream's own.
    authorization: Option<Secret>,
    home: &'a Upstream,
}

impl Npm {
    /// Names the feeds of this mount.
    pub(in crate::registries::npm) async fn feed_names(&self) -> Result<Vec<String>, Error> {
        let routes = self.gate.overlay().routes().await?;
        let feeds = self.registries(&routes).into_iter().filter(|registry| self.feed_of(registry).is_some());
        Ok(feeds.map(|registry| registry.id()).collect())
    }

    /// Returns a feed by its name.
    pub(in crate::registries::npm) async fn find_feed(&self, name: &str) -> Result<Option<Feed>, Error> {
        let routes: Arc<Routes> = self.gate.overlay().routes().await?;
        match self.registry(&routes, name) {
            Ok(registry) => Ok(self.feed_of(&registry)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// `POST /-/registry/{id}/sync`: its feed is read at once; with `since`, from there on.
    pub(super) async fn follow_registry(&self, visitor: &Visitor, id: &str, body: &Bytes) -> Result<Reply, Error> {
        let wish: Follow = if body.is_empty() { Follow::default() } else { read(body)? };
        let since = wish.since.as_ref().map(cursor).transpose()?;
        let routes = self.gate.overlay().routes().await?;
        let registry = self.registry(&routes, id)?;
        if matches!(registry, Registry::Own) {
            return Err(Error::bad_request("what is published here is followed nowhere"));
        }
        if !matches!(registry, Registry::Default) && self.scopes_of(&routes, &registry).is_empty() {
            return Err(Error::bad_request("this registry has no scopes, and is not the default one"));
        }
        if self.feed_of(&registry).is_none() {
            return Err(Error::bad_request("this registry does not say where it tells of its changes"));
        }
        if self.in_step.mode == Mode::Demand {
            return Err(Error::Forbidden(
                "this mount follows nobody: packages are brought up when they are asked for".into(),
            ));
        }
        let (mount, actor) = (self.gate.mount(), self.gate.actor(visitor));
        self.gate.overlay().set_feed((mount, id), since.as_deref(), &actor).await?;
        Ok(done())
    }

    /// Returns the feed of a registry; `None`: it has none, or it is ours.
    pub(super) fn feed_of(&self, registry: &Registry<'_>) -> Option<Feed> {
        match registry {
            Registry::Own => None,
            Registry::Default => self.configured_feed(&self.configured.default),
            Registry::Configured(upstream) => self.configured_feed(upstream),
            Registry::Named(named) => {
                let kind = match named.kind.as_str() {
                    "cnpmcore" | "cnpm" => ChangesType::Cnpmcore,
                    "cnpmjsorg" => ChangesType::Cnpmjsorg,
                    _ => ChangesType::Npm,
                };
                let url = named.change_stream.as_ref().map(|url| url.parse()).transpose().ok()?;
                // npm's own registries have their feeds elsewhere.
                if kind == ChangesType::Npm && url.is_none() {
                    return None;
                }
                let home = self.sources.named_upstream(&id_of(named))?;
                Place { kind, url, authorization: None, home: &home }.feed()
            }
        }
    }

    fn configured_feed(&self, home: &Upstream) -> Option<Feed> {
        let (kind, told) = self.feeds_told.0.get(&home.id).cloned().unwrap_or((ChangesType::Npm, None));
        let authorization = told.as_ref().and_then(SafeUrl::basic);
        let url = told.map(|url| {
            let mut url = url.as_url().clone();
            // Both fail only for URLs that have no host.
            let _ = url.set_username("");
            let _ = url.set_password(None);
            url
        });
        Place { kind, url, authorization, home }.feed()
    }
}

/// Reads where a feed is to be read from, in its own words.
fn cursor(since: &Value) -> Result<String, Error> {
    let is_plain = |text: &&String| !text.is_empty() && text.len() <= MAX_CURSOR && !text.contains(char::is_control);
    match since {
        Value::Number(number) if number.is_u64() => Some(number.to_string()),
        Value::String(text) => Some(text).filter(is_plain).cloned(),
        _ => None,
    }
    .ok_or_else(|| Error::Unprocessable("since is a number, or what the feed counts by".into()))
}

// === impl Told ===

impl Told {
    pub fn of(mount: &config::Mount) -> Self {
        let told = |upstream: &config::Upstream| {
            (Upstream::id_of(upstream.url.as_url()), (upstream.changes_type, upstream.changes.clone()))
        };
        Self(mount.upstreams.iter().map(told).collect())
    }
}

// === impl Place ===

impl Place<'_> {
    /// Returns the feed that is there; `None` where that is no URL.
    fn feed(self) -> Option<Feed> {
        let Self { kind, home, .. } = self;
        let path = if kind == ChangesType::Cnpmjsorg { "-/all/changes" } else { "_changes" };
        let url = self.url.map_or_else(|| home.join(path).ok(), Some)?;
        let root = if kind == ChangesType::Npm { url.join("./").ok()? } else { home.url.clone() };
        // Credentials are for the server that they were given for.
        let at_home = home.authorization.clone().filter(|_| home.is_origin_of(&url));
        let upstream = Upstream {
            url: url.clone(),
            id: home.id.clone(),
            authorization: self.authorization.or(at_home),
            allow_private: home.allow_private,
            artifact_hosts: Vec::new(),
        };
        Some(Feed { kind, id_of_upstream: home.id.clone(), upstream: Arc::new(upstream), url, root })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn feed(kind: ChangesType, url: Option<&str>) -> Feed {
        let home = Upstream {
            url: "https://registry.example/npm/".parse().unwrap(),
            id: "home".to_owned(),
            authorization: Some(Secret::new("Bearer ours")),
            allow_private: false,
            artifact_hosts: Vec::new(),
        };
        let url = url.map(|url| url.parse().unwrap());
        Place { kind, url, authorization: None, home: &home }.feed().unwrap()
    }

    #[test]
    fn a_feed_is_at_the_upstream_unless_it_is_said_to_be_elsewhere() {
        let elsewhere = "https://replicate.example/registry/_changes";
        for (kind, url, expected, root) in [
            (ChangesType::Npm, None, "https://registry.example/npm/_changes", "https://registry.example/npm/"),
            (ChangesType::Npm, Some(elsewhere), elsewhere, "https://replicate.example/registry/"),
            (ChangesType::Cnpmcore, None, "https://registry.example/npm/_changes", "https://registry.example/npm/"),
            (
                ChangesType::Cnpmcore,
                Some("https://registry.example/npm/-/_changes"),
                "https://registry.example/npm/-/_changes",
                "https://registry.example/npm/",
            ),
            (
                ChangesType::Cnpmjsorg,
                None,
                "https://registry.example/npm/-/all/changes",
                "https://registry.example/npm/",
            ),
        ] {
            let feed = feed(kind, url);
            assert_eq!((feed.url.as_str(), feed.root.as_str()), (expected, root));
        }
    }

    #[test]
    fn a_feed_is_read_from_a_number_or_a_word_of_its_own() {
        for (since, expected) in [
            (json!(7), Some("7")),
            (json!("7-x"), Some("7-x")),
            (json!(""), None),
            (json!("a\n"), None),
            (json!(-1), None),
            (json!(1.5), None),
            (json!({}), None),
        ] {
            assert_eq!(cursor(&since).ok().as_deref(), expected, "{since}");
        }
    }

    #[test]
    fn credentials_stay_with_the_server_that_they_were_given_for() {
        let shown = |url| feed(ChangesType::Npm, url).upstream.authorization.clone();
        assert_eq!(shown(None), Some(Secret::new("Bearer ours")));
        for url in ["https://replicate.example/_changes", "http://registry.example/_changes"] {
            assert_eq!(shown(Some(url)), None, "{url}");
        }
    }
}
