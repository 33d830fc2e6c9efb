//! Where each thing comes from: the place in the tree, and the resource with its proofs.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use url::Url;

use super::error::Error;
use super::proofs::Sum;
use super::routes::Place;
use super::vouch;
use crate::config;
use crate::mirror::resource::{Redirects, Resource, Rules, Upstream};
use crate::registries::shelf::Shelf;

/// A checksum file whose server says nothing of its freshness is asked for again after this.
const SUMS_TTL: Duration = Duration::from_secs(300);

/// Names every resource of one mount.
pub struct Sources {
    pub upstream: Arc<Upstream>,
    pub shelf: Shelf,
    redirects: Redirects,
    sums_rules: Arc<Rules>,
}

impl Sources {
    pub fn new(shelf: Shelf, upstream: Arc<Upstream>, redirects: config::Redirects) -> Self {
        let redirects = match redirects {
            config::Redirects::Pass => Redirects::Pass,
            config::Redirects::Follow => Redirects::Follow,
        };
        let sums_rules = Arc::new(Rules { max_ttl: shelf.rules.max_ttl.min(SUMS_TTL), ..(*shelf.rules).clone() });
        Self { upstream, shelf, redirects, sums_rules }
    }

    /// Returns the URL of a place at the upstream.
    ///
    /// # Errors
    /// [`Error::BadRequest`]: it would lie outside the tree.
    pub fn url(&self, place: &Place) -> Result<Url, Error> {
        let url = self.upstream.join(&place.path).ok().map(|mut url| {
            url.set_query(Some(place.query.as_str()).filter(|query| !query.is_empty()));
            url
        });
        let below = |url: &Url| url.as_str().starts_with(self.upstream.url.as_str());
        url.filter(below).ok_or(Error::bad_request("the path leads out of the tree"))
    }

    /// Anything in the tree, asked for with these headers.
    ///
    /// # Errors
    /// As [`Sources::url`].
    pub fn file(&self, place: &Place, headers: HeaderMap) -> Result<Arc<Resource>, Error> {
        let target = place.target();
        let key = self.shelf.key(&self.upstream, &["/file/", &target]);
        let file = self.shelf.file(&self.upstream, key, self.url(place)?);
        Ok(Arc::new(Resource { package: target, headers, redirects: self.redirects, ..file }))
    }

    /// A file that a checksum file lists. Other bytes under another sum are another resource.
    ///
    /// # Errors
    /// As [`Sources::url`].
    pub fn proved(&self, place: &Place, sum: &Sum) -> Result<Arc<Resource>, Error> {
        let target = place.target();
        let key = self.shelf.key(&self.upstream, &["/proved/", sum.as_str(), "/", &target]);
        let artifact = self.shelf.artifact(&self.upstream, key, self.url(place)?);
        let vouched = vouch::file(sum);
        Ok(Arc::new(Resource { package: target, etag: vouched.etag, proofs: vouched.proofs, ..artifact }))
    }

    /// A checksum file.
    ///
    /// # Errors
    /// As [`Sources::url`].
    pub fn sums(&self, place: &Place) -> Result<Arc<Resource>, Error> {
        let target = place.target();
        let key = self.shelf.key(&self.upstream, &["/sums/", &target]);
        let document = self.shelf.document(&self.upstream, key, self.url(place)?);
        Ok(Arc::new(Resource {
            package: target,
            proofs: vouch::sums(),
            rules: Arc::clone(&self.sums_rules),
            ..document
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::config::{Dialect, Mount, Redirects as Choice};

    fn sources(mount: &str, upstream: &str) -> Sources {
        let config = Mount { name: mount.to_owned(), ..Mount::of(Dialect::Files(config::Files::default())) };
        let url: Url = upstream.parse().unwrap();
        let upstream = Upstream {
            id: Upstream::id_of(&url),
            url,
            authorization: None,
            allow_private: false,
            artifact_hosts: Vec::new(),
        };
        Sources::new(Shelf::new(&config), Arc::new(upstream), Choice::Pass)
    }

    /// A small generator (xorshift64), so that a failure comes again.
    struct Random(u64);

    impl Random {
        fn below(&mut self, bound: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 16) % bound
        }

        fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
            words[self.below(words.len() as u64) as usize]
        }

        /// Makes text of the signs that keys and places are put together with.
        fn text(&mut self, longest: u64) -> String {
            let signs = ["a", "b", "/", "@", "-", "_", "%23", "%40", "~", ".x", ":", "=", "file", "proved", "sums"];
            (0..=self.below(longest)).map(|_| self.pick(&signs)).collect()
        }
    }

    #[test]
    fn two_resources_never_share_a_key_nor_do_two_mounts() {
        let mut random = Random(0x2545_F491_4F6C_DD1D);
        let sum = Sum::parse(&"a".repeat(64)).unwrap();
        let mut seen: HashMap<String, (String, &str, &str, String)> = HashMap::new();
        for _ in 0..20_000 {
            let mount = random.pick(&["a", "b", "a-b", "a_b", "file", "files"]);
            let upstream = random.pick(&["https://a.example/", "https://a.example/file/", "https://b.example/"]);
            let query = if random.below(2) == 0 { String::new() } else { random.text(3) };
            let Ok(place) = Place::parse(&random.text(5), &query) else { continue };
            let sources = sources(mount, upstream);
            let (kind, resource) = match random.below(3) {
                0 => ("file", sources.file(&place, HeaderMap::new())),
                1 => ("proved", sources.proved(&place, &sum)),
                _ => ("sums", sources.sums(&place)),
            };
            let Ok(resource) = resource else { continue };
            assert!(!resource.key.contains('\n'), "a key of ours must not look like a variant's: {}", resource.key);
            let what = (mount.to_owned(), upstream, kind, place.target());
            let earlier = seen.entry(resource.key.clone()).or_insert_with(|| what.clone());
            assert_eq!(*earlier, what, "one key for two: {}", resource.key);
        }
        assert!(seen.len() > 5_000, "{}", seen.len());
    }

    #[test]
    fn a_place_is_below_its_tree() {
        let sources = sources("t", "https://files.example/dist/");
        let url = |path: &str, query: &str| sources.url(&Place::parse(path, query).unwrap()).map(String::from);
        assert_eq!(url("/", "").unwrap(), "https://files.example/dist/");
        assert_eq!(url("/a:b/c%3F", "x=y").unwrap(), "https://files.example/dist/a:b/c%3F?x=y");
        assert_eq!(url("/http:", "").unwrap(), "https://files.example/dist/http:");
    }
}
