//! Brings a package up to what its repository has now, and tells of changes by the list of all versions.
//!
//! The list and a package's document are written by separate jobs, seconds apart: a change carries the versions that the
//! document must have by then. Requirements of dependencies are not read: all releases of what is needed are fetched.
//!
//! Source: contract hex §2 (versions), §2.2 (their order and their jobs), §2.4.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use async_trait::async_trait;

use super::artifacts::Described;
use super::error::{Error, of_mirror};
use super::name::{PackageName, Version};
use super::proofs::Trusted;
use super::routes::{Action, Root};
use super::wire::messages::{Dependency, Package, Release, RetirementReason, VersionsPackage};
use super::{Hex, Repository};
use crate::base::digest::Digest;
use crate::mirror;
use crate::mirror::fresh::Demand;
use crate::registries::replica::{Failure, Mark, Names, Need, Order, Poll, Position, Replica, Report, Run};
use crate::registries::roll::{Roll, Said};
use crate::registries::round::{Goods, Round, Shop, Stock, held};
use crate::registries::{bodies, listed};

/// The one feed: the list of all versions.
const FEED: &str = "versions";

/// What stands for all releases of what is needed.
const ANY: &str = ">= 0.0.0";

/// Gets what a release has: its tarball.
struct Tarballs<'a> {
    repository: &'a Repository,
    name: &'a PackageName,
    described: Option<&'a Described>,
}

/// The list of all versions.
struct Listing {
    digest: Digest,
    packages: Vec<VersionsPackage>,
}

#[async_trait]
impl Replica for Hex {
    async fn sync(&self, order: &Order, run: &Run<'_>) -> Result<Report, Failure> {
        let name = PackageName::parse(&order.package).map_err(|error| Failure::Refused(error.to_string()))?;
        self.repository.sync(&name, order, run).await
    }

    fn spell(&self, text: &str) -> Result<String, Error> {
        Ok(PackageName::parse(text)?.to_string())
    }

    async fn feeds(&self) -> Result<Vec<String>, Failure> {
        Ok(vec![FEED.to_owned()])
    }

    async fn poll(&self, _feed: &str, position: Option<&Position>) -> Result<Poll, Failure> {
        let failed = |error: Error| Failure::from(&error);
        let listing = self.repository.listing(&Demand::NONE.strict()).await.map_err(failed)?;
        let position = position.cloned();
        let poll = bodies::apart(move || Ok::<_, Error>(changes(&listing, position.as_ref())?));
        poll.await.map_err(failed)
    }

    async fn names(&self, after: Option<&str>) -> Result<Names, Failure> {
        // One state of the list, from its first page to its last.
        let demand = if after.is_some() { Demand::NONE } else { Demand::NONE.strict() };
        let listing = self.repository.listing(&demand).await.map_err(|error| Failure::from(&error))?;
        let names: BTreeSet<_> = listing.packages.iter().map(|package| package.name.as_str()).collect();
        Ok(listed::page(names.into_iter(), after))
    }
}

impl Repository {
    async fn sync(&self, name: &PackageName, order: &Order, run: &Run<'_>) -> Result<Report, Failure> {
        let (mirror, blocks, upstream) = (&self.mirror, &self.blocks, self.sources.name_upstream());
        let round = Round { mirror, blocks, package: name.as_str(), upstream, order, run };
        round.admit().await?;
        let found = self.described(name, &Demand::NONE.strict()).await;
        let documents = match &found {
            Ok(_) => self.documents(name).await.map_err(|error| Failure::from(&error))?,
            Err(_) => Vec::new(),
        };
        let stock = found.as_ref().map(|described| Stock { documents, ..stock(described) }).map_err(Error::clone);
        let shop = Tarballs { repository: self, name, described: found.as_ref().ok() };
        let mut report = round.follow(stock, &shop).await?;
        if let (Ok(described), false) = (&found, order.wish.skip_dependencies) {
            report.needs = self.needs(described, &report, &round).await?;
        }
        Ok(report)
    }

    /// Returns the keys of what vouches for tarballs: the package's document, and the key that it is signed by where that
    /// was fetched.
    async fn documents(&self, name: &PackageName) -> Result<Vec<String>, Error> {
        let document = self.sources.signed_key(&*self.trusted().await?, &self.sources.package(name));
        Ok([document].into_iter().chain(self.keyring.place()?).collect())
    }

    /// Finds what releases that are here need of other packages, each once.
    async fn needs(&self, described: &Described, report: &Report, round: &Round<'_>) -> Result<Vec<Need>, Failure> {
        let here: BTreeSet<_> = held(&report.versions).collect();
        let releases = described.package.releases.iter().filter(|release| here.contains(release.version.as_str()));
        let (mut needs, mut elsewhere) = (BTreeSet::new(), BTreeSet::new());
        for dependency in releases.flat_map(|release| &release.dependencies) {
            match self.is_here(dependency) {
                _ if dependency.optional == Some(true) => {}
                true => drop(needs.insert(dependency.package.clone())),
                false => drop(elsewhere.insert(dependency.package.clone())),
            }
        }
        for package in elsewhere {
            round.line(Mark::Skipped, format!("Dependency {package} is in another repository: not followed"));
        }
        let mut followed = Vec::new();
        for package in needs {
            if !self.blocks.of(&package).await.map_err(|error| Failure::from(&error))?.hides_all() {
                followed.push(Need { package, spec: ANY.to_owned() });
            }
        }
        Ok(followed)
    }

    /// Tells whether what is needed is in this repository.
    fn is_here(&self, Dependency { package, repository, .. }: &Dependency) -> bool {
        repository.as_deref().is_none_or(|repository| repository == self.name.as_str())
            && PackageName::parse(package).is_ok()
    }

    async fn listing(&self, demand: &Demand) -> Result<Listing, Error> {
        let trusted: Arc<Trusted> = self.trusted().await?;
        let found = self.signed_document(&trusted, &Action::Versions { root: Root::Main }, demand).await?;
        let digest = found.entry.as_ref().and_then(|entry| entry.digest);
        let digest = digest.ok_or_else(|| Error::internal("a document without its digest"))?;
        let body = found.body;
        let read = move || Ok::<_, Error>(trusted.versions(&bodies::read_all(body)?)?.packages);
        Ok(Listing { digest, packages: bodies::apart(read).await? })
    }
}

#[async_trait]
impl Shop for Tarballs<'_> {
    async fn goods(&self, version: &str) -> Result<Goods, Error> {
        let version = Version::parse(version)?;
        let promised = self.described.and_then(|described| described.promised(&version));
        let promised = promised.ok_or_else(|| Error::not_found(format!("{} {version}", self.name)))?;
        let artifact = self.repository.sources.tarball(self.name, &version, &promised)?;
        Ok(Goods { artifacts: vec![artifact], documents: Vec::new() })
    }

    fn told(&self, error: mirror::Error, what: &str) -> Error {
        of_mirror(error, what)
    }

    /// Requirements are Elixir's own, and not read: all releases suit.
    fn suits(&self, _spec: &str, _version: &str) -> bool {
        true
    }
}

/// Reads what a repository has of a package.
fn stock(described: &Described) -> Stock {
    let (package, mut stock) = (&described.package, Stock { digest: Some(described.digest()), ..Stock::default() });
    for release in &package.releases {
        let reason = release.retired.as_ref().map(|retired| {
            let reason = RetirementReason::try_from(retired.reason).unwrap_or(RetirementReason::Other);
            format!("{}: {}", name_reason(reason), retired.message.as_deref().unwrap_or_default())
        });
        let bytes = [release.outer_checksum.as_deref().unwrap_or_default(), &release.inner_checksum].concat();
        let said = Said::of(&bytes, reason.as_deref(), describe(package, release).as_bytes());
        stock.roll.note(release.version.clone(), said);
        stock.reasons.extend(reason.map(|reason| (release.version.clone(), reason)));
        stock.versions.push(release.version.clone());
    }
    stock
}

/// Names a reason as clients do.
fn name_reason(reason: RetirementReason) -> &'static str {
    match reason {
        RetirementReason::Other => "other",
        RetirementReason::Invalid => "invalid",
        RetirementReason::Security => "security",
        RetirementReason::Deprecated => "deprecated",
        RetirementReason::Renamed => "renamed",
    }
}

/// Writes down what else is said of a release: what it needs, and what is known against it.
fn describe(package: &Package, release: &Release) -> String {
    let needs = release.dependencies.iter().map(|dependency| {
        let Dependency { package, requirement, optional, app, repository } = dependency;
        format!("{package}\t{requirement}\t{optional:?}\t{app:?}\t{repository:?}\n")
    });
    let advisories = release.advisory_indexes.iter().filter_map(|index| package.advisories.get(*index as usize));
    needs.chain(advisories.map(|advisory| format!("{}\n", advisory.id))).collect()
}

/// Tells what has changed in the list of all versions.
fn changes(listing: &Listing, position: Option<&Position>) -> io::Result<Poll> {
    let (mut roll, mut versions) = (Roll::default(), BTreeMap::new());
    for package in &listing.packages {
        let VersionsPackage { name, versions: all, retired, with_advisories } = package;
        let said = format!("{}\n{retired:?}\n{with_advisories:?}", all.join("\t"));
        roll.note(name.clone(), Said::of(b"", None, said.as_bytes()));
        versions.insert(name.as_str(), all);
    }
    let expects = |name: &str| versions.get(name).map_or_else(BTreeSet::new, |all| all.iter().cloned().collect());
    listed::poll(listing.digest, &roll, position, expects)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(packages: &[(&str, &[&str], &[i32])]) -> Listing {
        let package = |(name, versions, retired): &(&str, &[&str], &[i32])| VersionsPackage {
            name: (*name).to_owned(),
            versions: versions.iter().map(|version| (*version).to_owned()).collect(),
            retired: retired.to_vec(),
            with_advisories: Vec::new(),
        };
        let digest = Digest::of(format!("{packages:?}").as_bytes());
        Listing { digest, packages: packages.iter().map(package).collect() }
    }

    #[test]
    fn a_change_in_the_list_names_the_versions_that_must_be_there() {
        let before = listing(&[("gone", &["1.0.0"], &[]), ("jason", &["1.0.0"], &[]), ("plug", &["1.0.0"], &[])]);
        let start = changes(&before, None).unwrap();
        assert!(start.changes.is_empty());
        let now = listing(&[("jason", &["1.0.0", "1.0.1"], &[]), ("new", &["0.1.0"], &[]), ("plug", &["1.0.0"], &[0])]);
        let poll = changes(&now, Some(&start.position)).unwrap();
        let told = poll.changes.iter().map(|change| {
            let expects: Vec<_> = change.expects.iter().map(String::as_str).collect();
            format!("{} {}", change.package, expects.join(" "))
        });
        assert_eq!(told.collect::<Vec<_>>(), ["gone ", "jason 1.0.0 1.0.1", "new 0.1.0", "plug 1.0.0"]);
    }

    #[test]
    fn what_is_said_of_a_release_is_compared() {
        let need = |requirement: &str| Dependency {
            package: "jason".to_owned(),
            requirement: requirement.to_owned(),
            ..Dependency::default()
        };
        let with = |dependencies| Release { version: "1.0.0".to_owned(), dependencies, ..Release::default() };
        let describe = |dependencies| describe(&Package::default(), &with(dependencies));
        assert_eq!(describe(vec![]), "");
        assert_ne!(describe(vec![need("~> 1.0")]), describe(vec![need("~> 1.1")]));
    }
}
