//! Documents in both forms: what is rewritten, what is derived, and that all forms are of one generation.

use std::io::Read;

use serde_json::{Value, json};

use super::{JUST_NOW, World, assert_refused};
use crate::support::fault::Fault;
use crate::support::packages::{Package, Release};
use crate::support::registry::{ABBREVIATED, ABBREVIATED_ACCEPT, Switches};
use crate::support::resource::Resource;

/// Members of a version's abbreviated form. Source: contract npm §4.1.
const SHORT_MEMBERS: [&str; 27] = [
    "name",
    "version",
    "deprecated",
    "dependencies",
    "acceptDependencies",
    "optionalDependencies",
    "devDependencies",
    "bundleDependencies",
    "bundledDependencies",
    "peerDependencies",
    "peerDependenciesMeta",
    "bin",
    "directories",
    "dist",
    "engines",
    "cpu",
    "os",
    "libc",
    "workspaces",
    "funding",
    "_hasShrinkwrap",
    "hasInstallScript",
    "publish_time",
    "_source_registry_name",
    "_npmUser",
    "time",
    "modified",
];

fn rich(name: &str) -> Package {
    let attested = Release { attested: true, ..Release::new("1.0.0").needs("left", "^1.0.0") };
    let deprecated = Release { deprecated: Some("too \"old\"".into()), ..Release::new("1.1.0-beta.1") };
    let more = r#","scripts":{"postinstall":"true"},"bin":{"x":"x.js"},"x\u002dy":[1.0,-0,1E+30,{"a":null}]"#;
    let odd = Release { more: more.to_owned(), ..Release::new("1.1.0") };
    Package::new(name).with(attested).with(deprecated).with(odd).tag("beta", "1.1.0-beta.1").tag("nul", "1.0.0")
}

fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(bytes).read_to_end(&mut plain).expect("a gzip body");
    plain
}

#[tokio::test]
async fn in_the_full_form_links_are_rewritten_and_every_other_byte_stays() {
    let world = World::shared().await;
    for name in ["rewritten", "@rewritten/scoped"] {
        let package = rich(name);
        world.registry.publish(&package);
        let answer = world.get(&format!("/npm/{name}")).await;
        assert_eq!(answer.text(), world.full(&package));
        assert_eq!(answer.json()["homepage"], format!("{}/{name}", world.registry.url()), "only links are rewritten");
    }
}

#[tokio::test]
async fn the_abbreviated_form_has_its_members_and_no_others() {
    let world = World::shared().await;
    let package = rich("abbreviated");
    world.registry.publish(&package);
    let short = world.abbreviated("/npm/abbreviated").await.json();
    let full: Value = serde_json::from_str(&world.full(&package)).expect("our own document");
    let members: Vec<&String> = short.as_object().expect("an object").keys().filter(|key| *key != "time").collect();
    assert_eq!(members, ["dist-tags", "modified", "name", "versions"]);
    assert_eq!(short["modified"], full["time"]["modified"]);
    assert_eq!(short["dist-tags"], full["dist-tags"]);
    for (version, manifest) in full["versions"].as_object().expect("an object") {
        let ours = &short["versions"][version];
        for (member, value) in ours.as_object().expect("an object") {
            assert!(SHORT_MEMBERS.contains(&member.as_str()), "{member} of {version}");
            assert!(member == "hasInstallScript" || value == &manifest[member], "{member} of {version}");
        }
        for member in ["name", "version", "dist", "engines", "dependencies", "deprecated", "bin"] {
            assert_eq!(ours[member], manifest[member], "{member} of {version}");
        }
    }
    assert_eq!(short["versions"]["1.1.0"]["hasInstallScript"], true);
    assert_eq!(short["versions"]["1.0.0"].get("hasInstallScript"), None);
}

#[tokio::test]
async fn the_form_follows_accept() {
    let world = World::shared().await;
    world.registry.publish_plain("negotiated");
    let vendor_less = "application/vnd.npm.install-v1+json; q=0.5, application/json";
    for (accept, media) in [
        (None, "application/json"),
        (Some("application/json"), "application/json"),
        (Some("*/*"), "application/json"),
        (Some("text/html"), "application/json"),
        (Some(vendor_less), "application/json"),
        (Some(ABBREVIATED_ACCEPT), ABBREVIATED),
        (Some(ABBREVIATED), ABBREVIATED),
        (Some("application/vnd.npm.install-v1+json,application/json"), ABBREVIATED),
    ] {
        let headers: Vec<_> = accept.iter().map(|accept| ("accept", *accept)).collect();
        let answer = world.get_with("/npm/negotiated", &headers).await;
        // pnpm compares the whole value. Source: contract npm §3.
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(media)), "{accept:?}");
        for word in ["accept", "accept-encoding"] {
            assert!(answer.headers.lists("vary", word), "{accept:?}: {:?}", answer.header("vary"));
        }
    }
}

#[tokio::test]
async fn every_spelling_of_a_name_is_one_entry() {
    let world = World::shared().await;
    let package = world.registry.publish_plain("@spelt/name");
    let expected = world.full(&package);
    for path in ["@spelt/name", "@spelt%2fname", "@spelt%2Fname", "%40spelt%2fname", "%40spelt/name", "@spelt/name/"] {
        assert_eq!(world.get(&format!("/npm/{path}")).await.text(), expected, "{path}");
    }
    let seen = world.registry.upstream.seen("/@spelt/name");
    assert_eq!(seen.len(), 1);
    // Source: contract npm §18.1.
    assert_eq!(seen[0].target, "/@spelt%2fname");
    assert_eq!(seen[0].headers.get("accept"), Some("application/json"));
    assert!(seen[0].headers.lists("accept-encoding", "gzip"));
    assert!(seen[0].headers.get("user-agent").is_some_and(|agent| agent.starts_with("heliostat")));
}

#[tokio::test]
async fn names_that_differ_in_case_are_different_packages() {
    let world = World::shared().await;
    for name in ["JSONCase", "jsoncase"] {
        let package = world.registry.publish_plain(name);
        assert_eq!(world.get(&format!("/npm/{name}")).await.text(), world.full(&package));
    }
}

#[tokio::test]
async fn gzip_and_identity_hold_the_same() {
    let world = World::shared().await;
    world.registry.publish(&rich("packed"));
    for accept in ["application/json", ABBREVIATED_ACCEPT] {
        let plain = world.get_with("/npm/packed", &[("accept", accept)]).await;
        let packed =
            world.get_with("/npm/packed", &[("accept", accept), ("accept-encoding", "gzip, deflate, br")]).await;
        assert_eq!(plain.header("content-encoding"), None);
        assert_eq!(packed.header("content-encoding"), Some("gzip"));
        assert_eq!(gunzip(&packed.body), plain.body);
        assert!(plain.headers.has("content-length") && packed.headers.has("content-length"));
        let refused = world.get_with("/npm/packed", &[("accept", accept), ("accept-encoding", "gzip;q=0")]).await;
        assert_eq!(refused.header("content-encoding"), None);
    }
}

#[tokio::test]
async fn tags_differ_by_form_and_stay_over_a_restart() {
    let mut world = World::start(Switches { max_age: 0, ..Switches::default() }, "").await;
    world.registry.publish_plain("steady");
    let full = world.get("/npm/steady").await.header("etag").expect("an entity tag").to_owned();
    let short = world.abbreviated("/npm/steady").await.header("etag").expect("an entity tag").to_owned();
    assert_ne!(full, short);
    world.heliostat.restart().await;
    assert_eq!(world.get("/npm/steady").await.header("etag"), Some(full.as_str()));
    assert_eq!(world.abbreviated("/npm/steady").await.header("etag"), Some(short.as_str()));
    assert_eq!(world.get_with("/npm/steady", &[("if-none-match", &full)]).await.status, 304);
}

#[tokio::test]
async fn a_stale_document_is_asked_for_with_its_validators() {
    let world = World::shared().await;
    let package = Package::with_versions("validated", &["1.0.0"]).cache_control("max-age=0");
    world.registry.publish(&package);
    let first = world.get("/npm/validated").await;
    let second = world.get("/npm/validated").await;
    assert_eq!(second.body, first.body);
    assert!(second.cache_says("fwd-status=304"), "{:?}", second.header("cache-status"));
    let seen = world.registry.upstream.seen("/validated");
    assert_eq!(seen.len(), 2);
    assert!(seen[1].headers.get("if-none-match").is_some_and(|tag| tag.starts_with("W/\"")));
    let changed = package.with(Release::new("1.1.0"));
    world.registry.publish(&changed);
    let third = world.get("/npm/validated").await;
    assert_eq!(third.text(), world.full(&changed));
    assert!(third.cache_says("fwd-status=200"), "{:?}", third.header("cache-status"));
    assert_ne!(third.header("etag"), first.header("etag"));
}

#[tokio::test]
async fn all_forms_are_of_one_generation() {
    let world = World::shared().await;
    let old = Package::with_versions("generation", &["1.0.0"]);
    world.registry.publish(&old);
    assert_eq!(world.get("/npm/generation").await.text(), world.full(&old));
    world.registry.publish(&old.clone().with(Release::new("1.1.0")));
    // Fresh for minutes: whatever was not asked for yet must still be of the old generation.
    assert_eq!(world.abbreviated("/npm/generation").await.json()["dist-tags"], json!({"latest": "1.0.0"}));
    assert_eq!(world.get("/npm/generation/latest").await.json()["version"], "1.0.0");
    assert_eq!(world.get("/npm/-/package/generation/dist-tags").await.json(), json!({"latest": "1.0.0"}));
    assert_eq!(world.registry.upstream.count("/generation"), 1);
}

#[tokio::test]
async fn all_forms_switch_together() {
    let world = World::shared().await;
    let old = Package::with_versions("switching", &["1.0.0"]).cache_control("max-age=0");
    world.registry.publish(&old);
    world.get("/npm/switching").await;
    world.abbreviated("/npm/switching").await;
    world.registry.publish(&old.clone().with(Release::new("1.1.0")));
    assert_eq!(world.get("/npm/switching/latest").await.json()["version"], "1.1.0");
    assert_eq!(world.abbreviated("/npm/switching").await.json()["dist-tags"]["latest"], "1.1.0");
    assert_eq!(world.get("/npm/switching").await.json()["dist-tags"]["latest"], "1.1.0");
    assert_eq!(world.get("/npm/switching/1.1.0").await.status, 200);
}

#[tokio::test]
async fn a_document_for_an_edit_is_asked_for_anew_and_not_stored() {
    let world = World::shared().await;
    let old = Package::with_versions("edited", &["1.0.0"]);
    world.registry.publish(&old);
    world.get("/npm/edited").await;
    let new = old.with(Release::new("1.1.0"));
    world.registry.publish(&new);
    tokio::time::sleep(JUST_NOW).await;
    let answer = world.get("/npm/edited?write=true").await;
    assert_eq!((answer.text(), answer.header("cache-control")), (world.full(&new), Some("no-store")));
}

#[tokio::test]
async fn freshness_is_told_and_bounded() {
    let world = World::shared().await;
    world.registry.publish(&Package::with_versions("long-lived", &["1.0.0"]).cache_control("max-age=86400"));
    let answer = world.get("/npm/long-lived").await;
    let age = answer.header("cache-control").and_then(|value| value.strip_prefix("public, max-age="));
    let age: u32 = age.and_then(|age| age.parse().ok()).expect("a freshness");
    assert!((290..=300).contains(&age), "{age}");
    let absent = world.get("/npm/long-gone").await;
    assert_refused(&absent, 404);
    assert_eq!(
        (absent.json()["error"].as_str(), absent.header("cache-control")),
        (Some("not_found"), Some("no-cache"))
    );
}

#[tokio::test]
async fn a_registry_without_forms_and_validators_is_enough() {
    let world = World::start(Switches::reduced(), "").await;
    let package = Package::with_versions("meagre", &["1.0.0", "1.1.0"]);
    world.registry.publish(&package);
    let full = world.get("/npm/meagre").await;
    assert_eq!(full.text(), world.full(&package));
    let short = world.abbreviated("/npm/meagre").await;
    assert_eq!(short.header("content-type"), Some(ABBREVIATED));
    assert!(short.json().get("_id").is_none() && short.json()["versions"]["1.1.0"]["dist"]["tarball"].is_string());
    // Nothing said is fresh for the ceiling, five minutes. Source: contract npm §18.2.
    assert_eq!(world.registry.upstream.count("/meagre"), 1);
    let (path, tarball) = World::tarball(&package, "1.1.0");
    assert!(world.get(&path).await.is(&tarball));
}

#[tokio::test]
async fn what_is_no_document_of_that_name_is_refused() {
    let world = World::shared().await;
    let package = world.registry.publish_plain("other-name");
    let versions = "\"versions\":{\"1.0.0\":";
    let document = world.registry.document(&package);
    for (name, text) in [
        ("another", document.clone()),
        ("no-json", "{".into()),
        ("a-list", "[]".into()),
        ("half", document.replace("other-name", "half")[..document.len() / 2].to_owned()),
        ("no-dist", document.replace("other-name", "no-dist").replace("\"dist\":", "\"tsid\":")),
        (
            "no-object",
            document.replace("other-name", "no-object").replace(versions, "\"versions\":{\"1.0.0\":1,\"x\":"),
        ),
    ] {
        let path = format!("/{name}");
        world.registry.upstream.put(&path, Resource::new("application/json", text));
        assert_refused(&world.get(&format!("/npm{path}")).await, 502);
        let package = world.registry.publish_plain(name);
        assert_eq!(world.get(&format!("/npm{path}")).await.text(), world.full(&package));
    }
}

#[tokio::test]
async fn a_package_that_upstream_withdrew_is_gone_here_too() {
    let world = World::shared().await;
    let package = Package::with_versions("withdrawn", &["1.0.0"]).cache_control("max-age=0");
    world.registry.publish(&package);
    assert_eq!(world.get("/npm/withdrawn").await.status, 200);
    world.registry.withdraw(&package);
    assert_refused(&world.get("/npm/withdrawn").await, 404);
}

#[tokio::test]
async fn what_is_gone_upstream_is_gone_here_and_what_is_withheld_is_withheld() {
    let world = World::shared().await;
    for (status, code, is_remembered) in [(410, "gone", true), (451, "blocked", false)] {
        let package = world.registry.publish_plain(&format!("status-{status}"));
        let path = format!("/{}", package.name);
        let (tarball, _) = World::tarball(&package, "1.0.0");
        let upstreams = [path.clone(), package.tarball_path(package.release("1.0.0"))];
        assert_eq!(world.get(&format!("/npm/{}/latest", package.name)).await.status, 200);
        world.registry.upstream.fail(&upstreams[1], Fault::Status(status));
        let absent = format!("absent-{status}");
        world.registry.upstream.fail(&format!("/{absent}"), Fault::Status(status));
        for (asked, upstream) in
            [(tarball.clone(), upstreams[1].clone()), (format!("/npm/{absent}"), format!("/{absent}"))]
        {
            for _ in 0..2 {
                let answer = world.get(&asked).await;
                assert_refused(&answer, status);
                assert_eq!(answer.json()["error"], code);
                let cache = if is_remembered { "no-cache" } else { "no-store" };
                assert_eq!(answer.header("cache-control"), Some(cache));
                assert_eq!(answer.headers.has("npm-notice"), !is_remembered, "npm prints this one's reason");
            }
            let count = if is_remembered { 1 } else { 2 };
            assert_eq!(world.registry.upstream.count(&upstream), count, "{status}");
        }
    }
}

#[tokio::test]
async fn big_documents_come_whole_in_every_form() {
    let world = World::start(Switches::default(), "").await;
    for (name, size, versions) in [("ten", 10_000_000, 1_000), ("twenty-seven", 27_000_000, 2_600)] {
        let package = world.registry.publish_big(name, size, versions);
        let path = format!("/npm/{name}");
        let plain = world.get(&path).await;
        assert!(plain.text() == world.full(&package), "{}", plain.summary());
        let packed = world.get_with(&path, &[("accept-encoding", "gzip")]).await;
        assert!(gunzip(&packed.body) == plain.body, "{}", packed.summary());
        let tag = plain.header("etag").expect("an entity tag");
        assert_eq!(world.get_with(&path, &[("if-none-match", tag)]).await.status, 304);
        let short = world.abbreviated(&path).await.json();
        assert_eq!(short["versions"].as_object().map(serde_json::Map::len), Some(versions));
        assert_eq!(world.get(&format!("{path}/latest")).await.json()["version"], package.latest());
    }
}
