//! Tarballs: what the package's document promises of one is known before a byte is asked of upstream, and no byte is
//! handed out before all of them are proved, since no client could take a bad one back. Source: contract hex §2.4, §6.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::Repository;
use super::error::{Error, of_mirror};
use super::name::{PackageName, Version};
use super::proofs::{Checksums, Trusted};
use super::replies::{self, OCTETS, WEEK};
use super::sources::Promised;
use super::wire::{self, Package, Release};
use crate::base::digest::Digest;
use crate::base::http::{Body, CacheState, Reply, Request};
use crate::mirror::fresh::Demand;
use crate::mirror::verify::FIRST_SEEN;
use crate::mirror::{self, Found, Resource};
use crate::registries::bodies;

/// For how long the bytes of a release may be replaced, and those of a new package. Source: contract hex §3.5.
const FIRST_HOUR: Duration = Duration::from_secs(3_600);
const FIRST_DAY: Duration = Duration::from_secs(86_400);

/// A package as its proved document has it.
pub(super) struct Described {
    pub(super) package: Arc<Package>,
    /// The key and the digest that the document is kept under.
    place: (Arc<str>, Digest),
    cache: CacheState,
    /// When upstream last vouched for the document.
    vouched_at: SystemTime,
}

impl Repository {
    /// `GET tarballs/NAME-VERSION.tar`. A version that no document has is never asked for.
    pub(super) async fn tarball(
        &self,
        request: &Request<'_>,
        name: &PackageName,
        version: &Version,
    ) -> Result<Reply, Error> {
        let demand = Demand::of(request.headers);
        let promised = self.promised(name, version, &demand).await?;
        let told = |error| of_mirror(error, &format!("{name} {version}"));
        let kept = self.mirror.find_artifact(&self.sources.tarball_key(name, version, &promised.checksums)).await;
        let found = match kept.map_err(told)? {
            Some(found) => found,
            None => self.fetch_promised(name, version, promised, &demand).await?,
        };
        Ok(replies::reply(found, OCTETS, WEEK))
    }

    /// Fetches a tarball that a document promises, or another one that a newer document does: upstream may have given the
    /// two from different moments. One that is not what was first seen is refused by whichever document.
    async fn fetch_promised(
        &self,
        name: &PackageName,
        version: &Version,
        promised: Promised,
        demand: &Demand,
    ) -> Result<Found, Error> {
        let told = |error| of_mirror(error, &format!("{name} {version}"));
        let wanted = |promised| self.sources.tarball(name, version, promised);
        let error = match self.fetch_tarball(&wanted(&promised)?, demand).await {
            Err(mirror::Error::Unproven(broken)) if broken.kind != FIRST_SEEN => mirror::Error::Unproven(broken),
            fetched => return fetched.map_err(told),
        };
        let newer = self.described(name, &demand.newest()).await?.promised(version);
        match newer.filter(|newer| newer.checksums != promised.checksums) {
            Some(newer) => self.fetch_tarball(&wanted(&newer)?, demand).await.map_err(told),
            None => Err(told(error)),
        }
    }

    /// Returns what the document says of a tarball. One that lacks the version may be too old to have it.
    async fn promised(&self, name: &PackageName, version: &Version, demand: &Demand) -> Result<Promised, Error> {
        let document = self.described(name, demand).await?;
        if let Some(promised) = document.promised(version) {
            return Ok(promised);
        }
        let (key, what) = (document.key(), format!("{name} {version}"));
        if self.missed.is_known(&key, version.as_str()) {
            return Err(Error::missing(what, document.cache));
        }
        let newer = self.described(name, &demand.newest()).await?;
        newer.promised(version).ok_or_else(|| {
            if newer.cache != CacheState::Stale {
                self.missed.note(&key, version.as_str());
            }
            Error::missing(what, newer.cache)
        })
    }

    pub(super) async fn described(&self, name: &PackageName, demand: &Demand) -> Result<Described, Error> {
        let trusted = self.trusted().await?;
        let action = self.sources.package(name);
        let found = self.signed_document(&trusted, &action, demand).await?;
        let entry = found.entry.as_ref().ok_or_else(|| Error::internal("a document that is not kept"))?;
        let (cache, vouched_at) = (found.cache, entry.validated_at);
        let digest = entry.digest.ok_or_else(|| Error::internal("a document without its digest"))?;
        let place = (Arc::clone(&entry.key), digest);
        let package = match self.packages.find(&digest) {
            Some(package) => package,
            None => self.read_package(found.body, digest, &trusted, name).await?,
        };
        Ok(Described { package, place, cache, vouched_at })
    }

    /// Reads the document of a package, as the one who is trusted has signed it.
    async fn read_package(
        &self,
        body: Body,
        digest: Digest,
        trusted: &Arc<Trusted>,
        name: &PackageName,
    ) -> Result<Arc<Package>, Error> {
        let (trusted, name) = (Arc::clone(trusted), name.clone());
        let read = move || Ok::<_, Error>(trusted.package(&bodies::read_all(body)?, &name)?);
        let package = bodies::apart(read).await?;
        let weight = wire::length_of(&package);
        Ok(self.packages.keep(digest, Arc::new(package), weight))
    }

    /// Fetches a tarball, or finds it, and waits until all of it is proved.
    async fn fetch_tarball(&self, want: &Arc<Resource>, demand: &Demand) -> Result<Found, mirror::Error> {
        let mut found = self.mirror.artifact(want, demand).await?;
        found.body = bodies::settle(found.body).await?;
        Ok(found)
    }
}

// === impl Described ===

impl Described {
    /// Returns the key that the document is kept under.
    fn key(&self) -> Arc<str> {
        Arc::clone(&self.place.0)
    }

    pub(super) fn digest(&self) -> Digest {
        self.place.1
    }

    pub(super) fn promised(&self, version: &Version) -> Option<Promised> {
        let checksums = Checksums::find(&self.package, version)?;
        let may_change = may_change(&self.package, version, self.vouched_at);
        Some(Promised { checksums, may_change, document: Some(self.place.clone()) })
    }
}

/// Tells whether the bytes of a release may still be replaced by rights: in its first hour, and on its package's first
/// day. A release of which nobody says when it was published is older than the field. Source: contract hex §3.5.
fn may_change(package: &Package, version: &Version, now: SystemTime) -> bool {
    let is_younger = |published: SystemTime, age| now.duration_since(published).unwrap_or_default() < age;
    let release = package.releases.iter().find(|release| release.version == version.as_str());
    let first = package.releases.iter().map(published_at).collect::<Option<Vec<_>>>();
    let first = first.and_then(|times| times.into_iter().min());
    release.and_then(published_at).is_some_and(|published| is_younger(published, FIRST_HOUR))
        || first.is_some_and(|first| is_younger(first, FIRST_DAY))
}

fn published_at(release: &Release) -> Option<SystemTime> {
    let seconds = release.published_at?.seconds.try_into().ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::super::wire::messages::Timestamp;
    use super::*;

    const NOW: u64 = 1_800_000_000;

    /// Makes a package of releases `1.0.0`, `2.0.0`, … that were published so many seconds ago.
    fn package(ages: &[Option<i64>]) -> Package {
        let releases = ages.iter().enumerate().map(|(index, age)| Release {
            version: format!("{}.0.0", index + 1),
            published_at: age.map(|age| Timestamp { seconds: NOW as i64 - age, nanos: 0 }),
            ..Release::default()
        });
        Package { releases: releases.collect(), ..Package::default() }
    }

    #[test]
    fn a_release_may_be_replaced_in_its_first_hour_and_on_its_packages_first_day() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(NOW);
        let version = Version::parse("2.0.0").unwrap();
        for (ages, expected) in [
            ([Some(100_000), Some(3_599)], true),
            ([Some(100_000), Some(3_600)], false),
            ([Some(86_399), Some(3_600)], true),
            ([Some(86_400), Some(3_600)], false),
            ([Some(100_000), Some(-60)], true),
            ([None, Some(3_599)], true),
            ([None, Some(3_600)], false),
            ([None, None], false),
            ([Some(100), None], false),
        ] {
            assert_eq!(may_change(&package(&ages), &version, now), expected, "{ages:?}");
        }
    }
}
