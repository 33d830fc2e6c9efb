//! What hooks are told: an event of the feed in npm's words, with the whole document, printed as it is served but
//! for signatures of ours. Source: contract npm §15.

use std::io;

use serde_json::{Value, json};

use crate::base::clock::millis;
use crate::overlay::Overlay;
use crate::overlay::hooks::Hook;
use crate::overlay::packages::{Event, EventKind, Package};
use crate::registries::blocks::Barred;
use crate::registries::bodies;
use crate::registries::npm::error::Error;
use crate::registries::npm::name::PackageName;
use crate::registries::npm::own::{beside_latest, is_there, print as print_document};
use crate::registries::npm::wire::{self, Sinks};

/// The form of what is told. Source: contract npm §15.
const SCHEMA: &str = "1.0.0";

/// What everybody reads of a package.
struct Public<'a> {
    package: &'a Package,
    /// What is kept beside the version that shows it.
    shown: Option<&'a [u8]>,
    /// Where clients reach the mount.
    base: &'a str,
    barred: &'a Barred,
}

/// Prints what a hook is told of an event, with links below `base`; `None` when its user may know nothing of that, or nobody
/// since it is blocked: no more than that it is so.
///
/// # Errors
/// The overlay's, or a manifest of ours that cannot be read.
pub async fn print(overlay: &Overlay, hook: &Hook, event: &Event, base: &str) -> Result<Option<Vec<u8>>, Error> {
    let Some(package) = overlay.package(&event.mount, &event.package).await? else { return Ok(None) };
    let user = overlay.user_by_id(hook.user).await?.filter(|user| user.locked_at.is_none());
    let Some(user) = user.filter(|user| may_know(user.id, &package)) else { return Ok(None) };
    let barred = Barred::of(overlay, &event.mount, &event.package).await?;
    let is_of_block = matches!(event.kind, EventKind::Blocked | EventKind::Unblocked);
    let is_barred = |version: &str| barred.find(version).is_some();
    if !is_of_block && (barred.hides_all() || event.version.as_deref().is_some_and(is_barred)) {
        return Ok(None);
    }
    let about = match event.kind.user() {
        Some(user) => overlay.user_by_id(user).await?.map(|user| user.name.to_string()),
        None => None,
    };
    let (name, change) = tell(event, about.as_deref());
    let head = json!({
        "event": format!("package:{name}"),
        "name": event.package,
        "type": "package",
        "version": SCHEMA,
        "hookOwner": { "username": user.name.as_str() },
        "change": change,
        "time": millis(event.at),
    });
    let (base, shown) = (base.to_owned(), beside_latest(overlay, &package).await?);
    bodies::apart(move || {
        let public = Public { package: &package, shown: shown.as_deref(), base: &base, barred: &barred };
        let printed = print_with(&head, &public)?;
        Ok(printed.or_else(|| is_of_block.then(|| print_bare(&head, &package.name))))
    })
    .await
}

/// Of a package that not everybody sees, its owners hear.
fn may_know(user: u64, package: &Package) -> bool {
    let is_closed = package.is_restricted || !package.bindings.is_empty();
    !is_closed || package.owners.iter().any(|owner| owner.user == user)
}

/// Prints the document as everybody reads it, below the head; `None` when nothing is left of it.
fn print_with(head: &Value, public: &Public<'_>) -> Result<Option<Vec<u8>>, Error> {
    let Public { package, shown, base, barred } = *public;
    let name = PackageName::parse(&package.name).map_err(|_| Error::internal("a package of ours without a name"))?;
    let mut document = print_document(package, shown, None)?.to_vec();
    if !barred.is_empty() {
        document = wire::screen(&document, |version| barred.find(version).map(|block| block.reason.as_str()))?;
    }
    let head = head.to_string();
    let mut body = format!("{},\"payload\":", head.strip_suffix('}').unwrap_or_default()).into_bytes();
    let sinks = Sinks { full: &mut body, abbreviated: &mut io::sink(), index: &mut io::sink() };
    let summary = wire::prepare(&document, &name, base, sinks)?;
    body.push(b'}');
    let is_hidden = summary.versions == 0 && package.releases.iter().any(is_there);
    Ok((!is_hidden).then_some(body))
}

/// Prints that something has happened to a package of which nothing is shown.
fn print_bare(head: &Value, name: &str) -> Vec<u8> {
    let mut body = head.clone();
    body["payload"] = json!({ "_id": name, "name": name });
    body.to_string().into_bytes()
}

/// Says what has happened. `about`: the user that it is about.
fn tell(event: &Event, about: Option<&str>) -> (&'static str, Value) {
    let Event { version, tag, reason, .. } = event;
    match event.kind {
        EventKind::VersionAdded => ("publish", json!({ "version": version })),
        EventKind::VersionRemoved => ("unpublish", json!({ "version": version })),
        EventKind::Unpublished => ("unpublish", json!({})),
        EventKind::TagAdded | EventKind::TagChanged => ("dist-tag", json!({ "dist-tag": tag, "version": version })),
        EventKind::TagRemoved => ("dist-tag-rm", json!({ "dist-tag": tag })),
        EventKind::VersionDeprecated => ("deprecated", json!({ "deprecated": version })),
        EventKind::VersionUndeprecated => ("undeprecated", json!({ "deprecated": version })),
        EventKind::OwnerAdded { .. } => ("owner", json!({ "maintainer": about })),
        EventKind::OwnerRemoved { .. } => ("owner-rm", json!({ "maintainer": about })),
        EventKind::Starred { .. } => ("star", json!({ "user": about })),
        EventKind::Unstarred { .. } => ("unstar", json!({ "user": about })),
        EventKind::VersionChanged => ("change", json!({ "version": version })),
        EventKind::PackageChanged => ("change", json!({})),
        EventKind::Blocked => ("change", json!({ "blocked": version, "reason": reason })),
        EventKind::Unblocked => ("change", json!({ "unblocked": version })),
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::overlay::packages::samples;

    fn package() -> Package {
        let attested = r#"{"name":"x","version":"1.0.0","dist":{"tarball":"/x/-/x-1.0.0.tgz",
            "attestations":{"url":"/-/npm/v1/attestations/x@1.0.0"}}}"#;
        let old = r#"{"name":"x","version":"2.0.0","dist":{"tarball":"/x/-/x-2.0.0.tgz"},"deprecated":"old"}"#;
        samples::package(&[("1.0.0", attested), ("2.0.0", old)], &[("latest", "2.0.0")])
    }

    fn told(kind: EventKind, version: &str) -> String {
        let (version, tag) = (Some(version.to_owned()), Some("beta".to_owned()));
        let (mount, package_name, at) = ("npm".to_owned(), "x".to_owned(), SystemTime::UNIX_EPOCH);
        let reason = Some("why not".to_owned());
        let event = Event { number: 1, at, mount, package: package_name, kind, version, tag, reason };
        let (name, change) = tell(&event, Some("joe"));
        format!("{name} {change}")
    }

    #[test]
    fn every_event_has_its_name() {
        for (kind, version, expected) in [
            (EventKind::VersionAdded, "1.0.0", r#"publish {"version":"1.0.0"}"#),
            (EventKind::VersionRemoved, "1.0.0", r#"unpublish {"version":"1.0.0"}"#),
            (EventKind::Unpublished, "", "unpublish {}"),
            (EventKind::TagAdded, "1.0.0", r#"dist-tag {"dist-tag":"beta","version":"1.0.0"}"#),
            (EventKind::TagRemoved, "", r#"dist-tag-rm {"dist-tag":"beta"}"#),
            (EventKind::VersionChanged, "1.0.0", r#"change {"version":"1.0.0"}"#),
            (EventKind::VersionDeprecated, "1.0.0", r#"deprecated {"deprecated":"1.0.0"}"#),
            (EventKind::VersionUndeprecated, "2.0.0", r#"undeprecated {"deprecated":"2.0.0"}"#),
            (EventKind::OwnerAdded { user: 1 }, "", r#"owner {"maintainer":"joe"}"#),
            (EventKind::OwnerRemoved { user: 1 }, "", r#"owner-rm {"maintainer":"joe"}"#),
            (EventKind::Starred { user: 1 }, "", r#"star {"user":"joe"}"#),
            (EventKind::Unstarred { user: 1 }, "", r#"unstar {"user":"joe"}"#),
            (EventKind::PackageChanged, "", "change {}"),
            (EventKind::Blocked, "<2", r#"change {"blocked":"<2","reason":"why not"}"#),
            (EventKind::Unblocked, "<2", r#"change {"unblocked":"<2"}"#),
        ] {
            assert_eq!(told(kind, version), expected);
        }
    }

    fn printed(barred: &Barred) -> Option<Value> {
        let public = Public { package: &package(), shown: None, base: "http://host.example/npm", barred };
        let body = print_with(&json!({ "event": "x" }), &public).unwrap();
        body.map(|body| serde_json::from_slice(&body).unwrap())
    }

    #[test]
    fn the_document_is_told_as_it_is_served() {
        let body = printed(&Barred::default()).unwrap();
        let dist = &body["payload"]["versions"]["1.0.0"]["dist"];
        assert_eq!(dist["tarball"], "http://host.example/npm/x/-/x-1.0.0.tgz");
        assert_eq!(dist["attestations"]["url"], "http://host.example/npm/-/npm/v1/attestations/x@1.0.0");
        assert_eq!((&body["event"], &body["payload"]["name"]), (&json!("x"), &json!("x")));
        assert_eq!(body["payload"]["dist-tags"], json!({ "latest": "2.0.0" }));
    }

    #[test]
    fn what_is_blocked_is_not_told() {
        let body = printed(&Barred::by(&["2.0.0"])).unwrap();
        assert_eq!(body["payload"]["dist-tags"], json!({ "latest": "1.0.0" }));
        assert!(body["payload"]["versions"].get("2.0.0").is_none() && body["payload"]["time"].get("2.0.0").is_none());
        assert_eq!(printed(&Barred::by(&["1.x", "2.x"])), None);
    }
}
