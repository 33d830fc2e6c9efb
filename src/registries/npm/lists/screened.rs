//! What blocks leave of packages of ours in lists and searches: nothing where nothing of them may be had, and else the
//! version that the document has as its latest, without what is blocked. Source: contract npm §4.2, §13.1.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::overlay::packages::{Author, Package, Release, Summary};
use crate::registries::blocks::{Barred, Screen};
use crate::registries::gate::Gate;
use crate::registries::npm::error::Error;
use crate::registries::npm::name::LATEST;
use crate::registries::npm::own::is_there;
use crate::registries::npm::wire;

/// Returns what blocks leave of a package; `None`: it is blocked, or all that there is of it.
///
/// # Errors
/// The overlay's.
pub async fn screen_summary(gate: &Gate, screen: &Screen, summary: Summary) -> Result<Option<Summary>, Error> {
    let barred = screen.of(&summary.name);
    if barred.hides_all() {
        return Ok(None);
    }
    if summary.tags.values().chain([&summary.version]).all(|version| barred.find(version).is_none()) {
        return Ok(Some(summary));
    }
    let held = gate.package(&summary.name).await?;
    Ok(held.and_then(|held| mend(summary, &held, &barred)))
}

/// Tells whether anything of a package may be had.
///
/// # Errors
/// The overlay's.
pub async fn is_open(gate: &Gate, screen: &Screen, name: &str) -> Result<bool, Error> {
    let barred = screen.of(name);
    if barred.is_empty() || barred.hides_all() {
        return Ok(barred.is_empty());
    }
    let held = gate.package(name).await?;
    Ok(held.is_some_and(|held| open(&held, &barred).next().is_some()))
}

/// Lists what is there of a package and not blocked.
fn open<'a>(held: &'a Package, barred: &'a Barred) -> impl Iterator<Item = &'a Release> {
    held.releases.iter().filter(|release| is_there(release) && barred.find(&release.version).is_none())
}

/// Describes a package by what its tags come to where some of them point at what is blocked, as its document has them.
fn mend(summary: Summary, held: &Package, barred: &Barred) -> Option<Summary> {
    let versions: Vec<&str> = open(held, barred).map(|release| release.version.as_str()).collect();
    let tags: Vec<wire::Tag<'_>> =
        held.tags.iter().map(|(tag, version)| (Cow::from(tag), Some(Cow::from(version)))).collect();
    let tags: BTreeMap<String, String> = match wire::repair(&tags, &versions) {
        Some(repaired) => repaired.into_iter().map(|(tag, version)| (tag.into(), version.into())).collect(),
        None => held.tags.clone(),
    };
    let latest = tags.get(LATEST)?;
    let release = open(held, barred).find(|release| release.version == *latest)?;
    let publisher = held.owners.iter().find(|owner| Some(owner.user) == release.publisher);
    Some(Summary {
        version: release.version.clone(),
        manifest: release.manifest.clone(),
        published_at: release.published_at,
        publisher: publisher.map(|owner| Author { name: owner.name.clone(), email: owner.email.clone() }),
        tags,
        ..summary
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overlay::packages::samples::package;

    fn screened(held: &Package, barred: &[&str]) -> Option<Summary> {
        let summary = Summary {
            name: held.name.clone(),
            modified_at: held.modified_at,
            version: held.tags["latest"].clone(),
            manifest: Vec::new(),
            published_at: held.modified_at,
            publisher: None,
            tags: held.tags.clone(),
            owners: Vec::new(),
            is_listed: true,
            is_closed: false,
        };
        mend(summary, held, &Barred::by(barred))
    }

    #[test]
    fn the_newest_that_is_not_blocked_stands_for_its_package() {
        let held = package(
            &[("1.0.0", "1.0.0"), ("1.1.0", "1.1.0"), ("2.0.0", "2.0.0")],
            &[("latest", "2.0.0"), ("old", "1.0.0")],
        );
        for (barred, version, tags) in [
            ("2.0.0", "1.1.0", [("latest", "1.1.0"), ("old", "1.0.0")]),
            ("1.0.0", "2.0.0", [("latest", "2.0.0"), ("old", "2.0.0")]),
        ] {
            let screened = screened(&held, &[barred]).unwrap();
            assert_eq!((screened.version.as_str(), screened.manifest.as_slice()), (version, version.as_bytes()));
            assert_eq!(screened.tags, tags.map(|(tag, version)| (tag.to_owned(), version.to_owned())).into());
        }
        assert_eq!(screened(&held, &[">=0.0.0"]), None);
    }
}
