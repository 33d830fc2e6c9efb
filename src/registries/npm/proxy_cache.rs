//! What is kept of upstreams' packages: shown to admins, asked for anew, forgotten. What is published here is not among it.
//! Source: contract npm §19, row 44.
//!
//! | `fileType` | what |
//! |---|---|
//! | `full_manifests.json` | a package's document, which all its forms are made of |
//! | `package.json` | what upstream says of one version alone |
//! | `tgz` | a tarball |
//! | `attestations.json` | the attestations of one version |

use http::StatusCode;
use serde_json::{Value, json};

use super::Npm;
use super::error::{Error, of_mirror};
use super::name::PackageName;
use super::replies::unkept;
use super::routes::{Page, ProxyCache};
use crate::base::http::{CacheState, Reply};
use crate::mirror::fresh::Demand;
use crate::mirror::store::{Kept, Listing};
use crate::registries::gate::Visitor;
use crate::registries::times::print_millis;

/// What a document is called.
const DOCUMENT: &str = "full_manifests.json";

impl Npm {
    pub(super) async fn answer_proxy_cache(&self, visitor: &Visitor, asked: &ProxyCache) -> Result<Reply, Error> {
        self.gate.let_rule(visitor)?;
        if let ProxyCache::Refresh { name } | ProxyCache::Purge { name } = asked
            && self.gate.is_kept_from_upstream(name.as_str()).await?
        {
            return Err(nothing_kept(name));
        }
        let answer = match asked {
            ProxyCache::List { page } => self.list_kept(None, *page).await?,
            ProxyCache::Show { name, page } => self.list_kept(Some(name), *page).await?,
            ProxyCache::Refresh { name } => self.refresh(name).await?,
            ProxyCache::Purge { name } => {
                let count = self.mirror.store().purge_package(self.gate.mount(), name.as_str()).await?;
                if count == 0 {
                    return Err(nothing_kept(name));
                }
                self.purged(visitor, name.as_str(), count)
            }
            ProxyCache::PurgeAll => {
                let count = self.mirror.store().purge_mount(self.gate.mount()).await?;
                self.purged(visitor, "*", count)
            }
        };
        Ok(unkept(StatusCode::OK, &answer))
    }

    async fn list_kept(&self, name: Option<&PackageName>, page: Page) -> Result<Value, Error> {
        let (count, kept) = self.kept(name, page).await?;
        let data: Vec<Value> = kept.iter().map(print_kept).collect();
        Ok(json!({ "count": count, "data": data }))
    }

    async fn kept(&self, name: Option<&PackageName>, page: Page) -> Result<(u64, Vec<Kept>), Error> {
        let mount = self.gate.mount().to_owned();
        let listing = Listing { package: name.map(ToString::to_string), except: format!("{mount}@/"), mount };
        Ok(self.mirror.store().list(listing, page.places()).await?)
    }

    /// Asks upstream for the document anew; tarballs never change.
    async fn refresh(&self, name: &PackageName) -> Result<Value, Error> {
        if self.kept(Some(name), Page { size: 1, index: 0 }).await?.0 == 0 {
            return Err(nothing_kept(name));
        }
        let demand = Demand::NONE.newest();
        let found = self.mirror.document(&self.sources.packument(name)?, &demand).await;
        let cache = found.map_err(|error| of_mirror(error, name.as_str()))?.cache;
        if cache == CacheState::Stale {
            return Err(Error::Unreachable { what: name.to_string(), retry_after: None, cause: None });
        }
        let done = json!({ "fullname": name.as_str(), "fileType": DOCUMENT, "state": "success" });
        Ok(json!({ "ok": true, "tasks": [done] }))
    }

    fn purged(&self, visitor: &Visitor, package: &str, count: u64) -> Value {
        let (mount, by) = (self.gate.mount(), self.gate.actor(visitor).name);
        tracing::info!(mount, package, count, by, "purged from the cache");
        json!({ "ok": true, "count": count })
    }
}

fn nothing_kept(name: &PackageName) -> Error {
    Error::not_found(format!("anything kept of {name}"))
}

fn print_kept(kept: &Kept) -> Value {
    let (kind, version) = read_key(kept);
    let mut printed = json!({
        "id": kept.id,
        "fullname": kept.package,
        "fileType": kind,
        "filePath": kept.key,
        "size": kept.size,
        "createdAt": print_millis(kept.stored_at),
        "updatedAt": print_millis(kept.validated_at),
    });
    if let Some(version) = version {
        printed["version"] = version.into();
    }
    printed
}

/// Reads what an entry is from its key, `{mount}@{upstream}/{kind}/{package}/{version}`: as [`super::sources`] writes it.
fn read_key(kept: &Kept) -> (&str, Option<&str>) {
    let mut parts = kept.key.splitn(3, '/').skip(1);
    let kind = match parts.next().unwrap_or_default() {
        "packument" => DOCUMENT,
        "manifest" => "package.json",
        "tarball" => "tgz",
        "attestations" => "attestations.json",
        other => other,
    };
    (kind, parts.next().and_then(|rest| rest.strip_prefix(kept.package.as_str())?.strip_prefix('/')))
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn a_key_says_what_is_kept_under_it() {
        for (package, key, expected) in [
            ("left-pad", "npm@1f2e/packument/left-pad", (DOCUMENT, None)),
            ("left-pad", "npm@1f2e/tarball/left-pad/1.3.0", ("tgz", Some("1.3.0"))),
            ("@acme/tool", "npm@1f2e-7/tarball/@acme/tool/1.0.0-rc.1+x", ("tgz", Some("1.0.0-rc.1+x"))),
            ("@acme/tool", "npm@1f2e/manifest/@acme/tool/1.0.0", ("package.json", Some("1.0.0"))),
            ("x", "npm@1f2e/attestations/x/1.0.0", ("attestations.json", Some("1.0.0"))),
        ] {
            let (stored_at, validated_at) = (SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH);
            let (key, package) = (key.to_owned(), package.to_owned());
            let kept = Kept { id: 1, key, package, size: 1, stored_at, validated_at };
            assert_eq!(read_key(&kept), expected, "{}", kept.key);
        }
    }
}
