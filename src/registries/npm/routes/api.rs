//! What lies under `/-/`, never a package (§1.2): each subject looks for its own.

use super::Target;
use super::action::{Action, Audit};
use super::discover::{self, Discover};
use super::write::find_tags;
use super::{account, block, hook, orgs, proxy_cache, registries, sharing, stars, sync};
use crate::registries::npm::error::Error;
use crate::registries::npm::name::PackageName;
use crate::registries::paths::no_route;

/// Finds what lies under `/-/`.
pub fn find(segments: &[&str], query: &str) -> Result<Target, Error> {
    if let Some(target) = account::find(segments, query)? {
        return Ok(target);
    }
    if let Some(target) = stars::find(segments)? {
        return Ok(target);
    }
    if let Some(target) = orgs::find(segments) {
        return Ok(target);
    }
    if let Some(target) = hook::find(segments, query)? {
        return Ok(target);
    }
    if let Some(target) = registries::find(segments, query)? {
        return Ok(target);
    }
    if let Some(target) = proxy_cache::find(segments, query)? {
        return Ok(target);
    }
    if let Some(target) = discover::find(segments, query)? {
        return Ok(target);
    }
    Ok(match segments {
        ["ping"] => Target::read(Action::Ping),
        ["npm", "v1", "keys"] => Target::read(Action::Keys),
        ["npm", "v1", "security", "advisories", "bulk"] => Target::post(Action::Audit(Audit::Bulk)),
        ["npm", "v1", "security", "audits", "quick"] => Target::post(Action::Audit(Audit::Quick)),
        ["npm", "v1", "security", "audits"] => Target::post(Action::Audit(Audit::Full)),
        ["package", scope, name, rest @ ..] if scope.starts_with('@') => find_of(&format!("{scope}/{name}"), rest)?,
        ["package", name, rest @ ..] => find_of(name, rest)?,
        _ => return Err(no_route()),
    })
}

/// Finds what lies under `/-/package/{name}/`.
fn find_of(name: &str, segments: &[&str]) -> Result<Target, Error> {
    match segments {
        ["blocks", rest @ ..] => block::find(PackageName::parse(name)?, rest),
        ["dist-tags", rest @ ..] => find_tags(PackageName::parse(name)?, rest),
        ["syncs", rest @ ..] => sync::find(PackageName::parse(name)?, rest),
        ["dependents"] => Ok(Target::read(Discover::Dependents { name: PackageName::parse(name)? })),
        _ => sharing::find(PackageName::parse(name)?, segments).ok_or_else(no_route),
    }
}
