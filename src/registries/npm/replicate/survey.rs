//! What upstream's document says, as far as it is compared and chosen from.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::registries::npm::wire::{self, Fingerprint};

/// The longest name of a maintainer, in bytes.
const MAX_NAME: usize = 214;

/// A package, as upstream has it now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// In the document's order.
    pub releases: Vec<Seen>,
    /// Each with its version, sorted.
    pub tags: Vec<(String, String)>,
    pub maintainers: BTreeSet<String>,
}

/// A version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub version: String,
    pub print: Fingerprint,
    /// Where its manifest lies in the document, in bytes.
    pub place: Range<u64>,
    /// In milliseconds since 1970, if the document says so.
    pub published: Option<u64>,
}

// === impl Survey ===

impl Survey {
    /// Reads a document by its index.
    ///
    /// # Errors
    /// What the wire refuses: both were made of a document that was proved.
    pub fn of(document: &[u8], index: &[u8]) -> Result<Self, wire::Error> {
        let mut releases = Vec::new();
        for line in wire::versions(index) {
            let place = line.original;
            let manifest = document.get(place.start as usize..place.end as usize);
            let print = wire::fingerprint(manifest.ok_or(wire::Error::Missing("manifest"))?)?;
            releases.push(Seen { version: line.version.to_owned(), print, place, published: line.published });
        }
        releases.sort_unstable_by_key(|seen| seen.place.start);
        let tags = wire::tags(index).map(|(tag, version)| (tag.to_owned(), version.to_owned()));
        let is_name = |name: &String| !name.is_empty() && name.len() <= MAX_NAME && !name.contains(char::is_control);
        let maintainers = wire::maintainers(document)?.into_iter().filter(is_name);
        Ok(Self { releases, tags: tags.collect(), maintainers: maintainers.collect() })
    }

    /// Returns the version that a tag names.
    pub fn tagged(&self, tag: &str) -> Option<&str> {
        self.tags.iter().find(|(name, _)| name == tag).map(|(_, version)| version.as_str())
    }
}

#[cfg(test)]
pub mod samples {
    use std::io;

    use serde_json::{Value, json};

    use super::*;
    use crate::registries::npm::name::PackageName;
    use crate::registries::npm::wire::Sinks;

    /// Surveys a document of the package `a`, whose versions have these further members.
    pub fn survey(versions: &[(&str, Value)], tags: &Value) -> Survey {
        // By hand, since the order of versions counts.
        let manifests = versions.iter().map(|(version, more)| {
            let mut manifest = json!({ "version": version, "dist": { "shasum": version } });
            let more = more.as_object().cloned().unwrap_or_default();
            manifest.as_object_mut().unwrap().extend(more);
            format!("{}: {manifest}", json!(version))
        });
        let manifests = manifests.collect::<Vec<_>>().join(", ");
        let document = format!(
            r#"{{"name": "a", "dist-tags": {tags}, "versions": {{{manifests}}}, "maintainers": [{{"name": "jane"}}]}}"#
        );
        let (mut index, name) = (Vec::new(), PackageName::parse("a").unwrap());
        let sinks = Sinks { full: &mut io::sink(), abbreviated: &mut io::sink(), index: &mut index };
        wire::prepare(document.as_bytes(), &name, "", sinks).unwrap();
        Survey::of(document.as_bytes(), &index).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn versions_stand_in_the_documents_order() {
        let found = samples::survey(
            &[("10.0.0", json!({})), ("2.0.0", json!({ "deprecated": "old" }))],
            &json!({ "latest": "10.0.0" }),
        );
        let versions: Vec<_> = found.releases.iter().map(|seen| seen.version.as_str()).collect();
        assert_eq!(versions, ["10.0.0", "2.0.0"]);
        assert_eq!(found.releases[1].print.deprecated.as_deref(), Some("old"));
        assert_eq!((found.tagged("latest"), found.tagged("next")), (Some("10.0.0"), None));
        assert_eq!(found.maintainers, BTreeSet::from(["jane".to_owned()]));
    }

    #[test]
    fn an_index_of_another_document_is_refused() {
        let index = b"v\t1.0.0\t10\t90\t0\t0\t0\t0\t\n";
        assert!(matches!(Survey::of(b"{}", index), Err(wire::Error::Missing(_))));
    }
}
