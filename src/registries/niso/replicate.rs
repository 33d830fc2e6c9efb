//! Brings a package up to what its registry has now: every version for every architecture, and its tags. Changes are told
//! by the list of packages, of which each upstream has its own.
//!
//! Source: contract niso §3 (the list, versions, tags), §8 (sync).

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::Niso;
use super::error::Error;
use super::name::{PackageName, Version};
use super::sources::Sources;
use super::wire;
use crate::base::digest::Digest;
use crate::mirror::Resource;
use crate::mirror::fresh::Demand;
use crate::registries::replica::{Failure, Names, Order, Poll, Position, Replica, Report, Run};
use crate::registries::replies::Document;
use crate::registries::roll::{Roll, Said};
use crate::registries::round::{Goods, Round, Shop, Stock};
use crate::registries::{bodies, listed};

/// The feed of what no scope claims; those of scopes are called like them.
const DEFAULT: &str = "packages";

/// The archives of each version, for every architecture.
type Archives = BTreeMap<String, Vec<Arc<Resource>>>;

/// Gets what a version has: its archives.
struct Shelves {
    name: PackageName,
    archives: Archives,
}

/// The packages of one list, each with its latest version and what else is said of it.
struct Listing {
    digest: Digest,
    packages: BTreeMap<String, (Option<Version>, String)>,
}

#[async_trait]
impl Replica for Niso {
    async fn sync(&self, order: &Order, run: &Run<'_>) -> Result<Report, Failure> {
        let name = PackageName::parse(&order.package).map_err(|error| Failure::Refused(error.to_string()))?;
        let (mirror, blocks, upstream) = (&self.mirror, &self.blocks, self.sources.name_upstream(&name));
        let round = Round { mirror, blocks, package: name.as_str(), upstream, order, run };
        round.admit().await?;
        let (stock, archives) = match self.stock(&name).await {
            Ok((stock, archives)) => (Ok(stock), archives),
            Err(error) => (Err(error), Archives::new()),
        };
        round.follow(stock, &Shelves { name: name.clone(), archives }).await
    }

    fn spell(&self, text: &str) -> Result<String, Error> {
        Ok(PackageName::parse(text)?.to_string())
    }

    async fn feeds(&self) -> Result<Vec<String>, Failure> {
        Ok([DEFAULT].into_iter().chain(self.sources.scopes()).map(str::to_owned).collect())
    }

    async fn poll(&self, feed: &str, position: Option<&Position>) -> Result<Poll, Failure> {
        let listing = self.listing(feed, &Demand::NONE.strict()).await.map_err(|error| Failure::from(&error))?;
        changes(&listing, position).map_err(|error| Failure::from(&Error::from(error)))
    }

    async fn names(&self, after: Option<&str>) -> Result<Names, Failure> {
        // One state of the lists, from the first page to the last.
        let demand = if after.is_some() { Demand::NONE } else { Demand::NONE.strict() };
        let mut names = BTreeSet::new();
        for feed in self.feeds().await? {
            let listing = self.listing(&feed, &demand).await.map_err(|error| Failure::from(&error))?;
            names.extend(listing.packages.into_keys());
        }
        Ok(listed::page(names.iter().map(String::as_str), after))
    }
}

impl Niso {
    /// Asks upstream what it has of a package.
    async fn stock(&self, name: &PackageName) -> Result<(Stock, Archives), Error> {
        let demand = Demand::NONE.strict();
        let (versions, tags) = (self.versions_of(name, &demand).await?, self.tags_of(name, &demand).await?);
        let mut documents = vec![self.sources.versions(name)?.key.clone()];
        if tags.is_some() {
            documents.push(self.sources.tags(name)?.key.clone());
        }
        let (sources, name) = (Arc::clone(&self.sources), name.clone());
        bodies::apart(move || {
            let (stock, archives) = take_stock(&sources, &name, &versions, tags.map(|tags| tags.body))?;
            Ok::<_, Error>((Stock { documents, ..stock }, archives))
        })
        .await
    }

    async fn listing(&self, feed: &str, demand: &Demand) -> Result<Listing, Error> {
        let scope = (feed != DEFAULT).then_some(feed);
        let want = self.sources.list_of(self.sources.upstream_of(scope))?;
        let document = self.document(&want, demand, "the list of packages").await?;
        let sources = Arc::clone(&self.sources);
        let (scope, digest) = (scope.map(str::to_owned), document.mark("list"));
        let is_here = move |name: &PackageName| sources.scope_of(name) == scope.as_deref();
        bodies::apart(move || Ok::<_, Error>(Listing { digest, packages: read_list(&document.body, is_here)? })).await
    }
}

#[async_trait]
impl Shop for Shelves {
    async fn goods(&self, version: &str) -> Result<Goods, Error> {
        let archives = self.archives.get(version).filter(|archives| !archives.is_empty());
        let what = || format!("{} {version}", self.name);
        // What has no checksum can neither be proved nor served.
        let artifacts = archives.cloned().ok_or_else(|| Error::Unproven { what: what(), cause: None })?;
        Ok(Goods { artifacts, documents: Vec::new() })
    }
}

/// Reads what an upstream has of a package, and names the archives of each version.
fn take_stock(
    sources: &Sources,
    name: &PackageName,
    document: &Document,
    tags: Option<Bytes>,
) -> Result<(Stock, Archives), Error> {
    let (mut stock, mut archives, mut said) = (Stock::default(), Archives::new(), BTreeMap::new());
    stock.digest = document.place.as_ref().map(|(_, digest)| *digest);
    for row in &wire::parse_versions(&document.body, name)?.rows {
        let version = row.version.to_string();
        let (bytes, rest): &mut (String, String) = said.entry(version.clone()).or_default();
        bytes.push_str(&format!("{} {:?}\n", row.arch, row.checksum));
        rest.push_str(&format!("{:?} {:?}\n", row.size, row.uploaded_at));
        let found = archives.entry(version.clone()).or_default();
        if found.is_empty() && !stock.versions.contains(&version) {
            stock.versions.push(version);
        }
        if row.checksum.is_some() {
            found.push(sources.archive(name, row, document.place.clone())?);
        }
    }
    for (version, (bytes, rest)) in said {
        stock.roll.note(version, Said::of(bytes.as_bytes(), None, rest.as_bytes()));
    }
    if let Some(tags) = tags {
        stock.roll.note("", Said::of(b"", None, &tags));
    }
    Ok((stock, archives))
}

/// Reads a list, as far as it is believed of these packages.
fn read_list(
    document: &[u8],
    is_here: impl Fn(&PackageName) -> bool,
) -> Result<BTreeMap<String, (Option<Version>, String)>, Error> {
    let packages = wire::parse_list(document)?.into_iter().filter(|package| is_here(&package.name));
    Ok(packages
        .map(|package| {
            let said = format!("{:?} {:?} {}", package.latest_version, package.updated_at, package.description);
            (package.name.to_string(), (package.latest_version, said))
        })
        .collect())
}

/// Tells what has changed in a list. How often something was downloaded is no change.
fn changes(listing: &Listing, position: Option<&Position>) -> io::Result<Poll> {
    let mut roll = Roll::default();
    for (name, (_, said)) in &listing.packages {
        roll.note(name.clone(), Said::of(b"", None, said.as_bytes()));
    }
    let latest = |name: &str| listing.packages.get(name)?.0.as_ref().map(Version::to_string);
    listed::poll(listing.digest, &roll, position, |name| latest(name).into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(text: &str) -> Listing {
        let is_here = |name: &PackageName| name.namespace().is_none();
        Listing { digest: Digest::of(text.as_bytes()), packages: read_list(text.as_bytes(), is_here).unwrap() }
    }

    #[test]
    fn downloads_are_no_change_and_other_scopes_are_another_lists() {
        let before = listing(
            r#"[{"name":"app","latest_version":"1.0.0","download_count":1},{"name":"old","latest_version":null},
                {"name":"@acme/app","latest_version":"1.0.0"}]"#,
        );
        let start = changes(&before, None).unwrap();
        assert!(start.changes.is_empty());
        let downloaded = listing(
            r#"[{"name":"app","latest_version":"1.0.0","download_count":2},{"name":"old","latest_version":null},
                {"name":"@acme/app","latest_version":"2.0.0"}]"#,
        );
        assert!(changes(&downloaded, Some(&start.position)).unwrap().changes.is_empty());
        let now =
            listing(r#"[{"name":"app","latest_version":"1.0.1"},{"name":"new","updated_at":"2024-01-01T00:00:00Z"}]"#);
        let poll = changes(&now, Some(&start.position)).unwrap();
        let told: Vec<_> = poll
            .changes
            .iter()
            .map(|change| (change.package.as_str(), change.expects.iter().next().map(String::as_str)))
            .collect();
        assert_eq!(told, [("app", Some("1.0.1")), ("new", None), ("old", None)]);
    }
}
