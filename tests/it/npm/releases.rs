//! Which of upstream's documents vouches for a tarball. Source: contract npm §5.2, §6.

use super::{World, assert_refused, assert_unproven};
use crate::support::fault::Fault;
use crate::support::packages::{Package, Release, Signing};
use crate::support::registry::Switches;
use crate::support::resource::Resource;

/// How often upstream was asked for the document of a package, and for one version alone.
fn asked(world: &World, name: &str) -> [usize; 2] {
    [format!("/{name}"), format!("/{name}/1.0.0")].map(|path| world.registry.upstream.count(&path))
}

async fn comes_right(world: &World, package: &Package) {
    let (path, tarball) = World::tarball(package, "1.0.0");
    let answer = world.get(&path).await;
    assert!(answer.is(&tarball), "{path}: {}", answer.summary());
}

#[tokio::test]
async fn a_tarball_of_a_lockfile_needs_one_version_and_no_whole_document() {
    for mode in ["verify", "require", "off"] {
        let world = World::start(Switches::default(), &format!("signatures = \"{mode}\"")).await;
        for name in ["alone", "@scope/alone"] {
            let package = world.registry.publish_plain(name);
            comes_right(&world, &package).await;
            comes_right(&world, &package).await;
            assert_eq!(asked(&world, name), [0, 1], "{mode}");
        }
    }
}

#[tokio::test]
async fn a_document_that_is_held_is_asked_rather_than_upstream() {
    let world = World::shared().await;
    let package = world.registry.publish_plain("held-document");
    assert_eq!(world.get("/npm/held-document").await.status, 200);
    comes_right(&world, &package).await;
    assert_eq!(asked(&world, "held-document"), [1, 0]);
}

#[tokio::test]
async fn what_does_not_describe_the_version_leaves_it_to_the_document() {
    let world = World::shared().await;
    for (name, right, wrong) in [
        ("other-name", "\"name\":\"other-name\"", "\"name\":\"another\""),
        ("other-version", "\"version\":\"1.0.0\"", "\"version\":\"1.0.1\""),
        ("no-json", "{", "<!doctype html>"),
    ] {
        let package = world.registry.publish_plain(name);
        let manifest = world.registry.manifest(&package, "1.0.0");
        assert!(manifest.contains(right), "{manifest}");
        let changed = Resource::new("application/json", manifest.replacen(right, wrong, 1));
        world.registry.upstream.put(&format!("/{name}/1.0.0"), changed);
        comes_right(&world, &package).await;
        assert_eq!(asked(&world, name), [1, 1], "{name}");
    }
    for status in [404, 405, 403] {
        let package = world.registry.publish_plain(&format!("status-{status}"));
        world.registry.upstream.fail(&format!("/{}/1.0.0", package.name), Fault::Status(status));
        comes_right(&world, &package).await;
        assert_eq!(asked(&world, &package.name), [1, 1], "{status}");
    }
}

#[tokio::test]
async fn a_signature_that_is_not_there_or_cannot_be_judged_is_looked_for_in_the_document() {
    let world = World::shared().await;
    for (name, signing) in [("unsigned", Signing::Missing), ("unknown", Signing::UnknownKey)] {
        let package = Package::new(name).with(Release::new("1.0.0").signature(signing));
        world.registry.publish(&package);
        comes_right(&world, &package).await;
        assert_eq!(asked(&world, name), [1, 1], "{name}");
    }
}

#[tokio::test]
async fn a_version_that_is_described_wrongly_is_refused_and_not_kept() {
    let world = World::shared().await;
    let wrong = Package::new("badly-signed").with(Release::new("1.0.0").signature(Signing::Wrong));
    world.registry.publish(&wrong);
    let (path, _) = World::tarball(&wrong, "1.0.0");
    assert_unproven(&world.get(&path).await);
    let [first, second] = ["1", "2"].map(|seed| world.registry.publish_plain(&format!("exchanged-{seed}")));
    let lying = world.registry.manifest(&second, "1.0.0").replace("exchanged-2", "exchanged-1");
    world.registry.upstream.put("/exchanged-1/1.0.0", Resource::new("application/json", lying));
    let (path, _) = World::tarball(&first, "1.0.0");
    assert_unproven(&world.get(&path).await);
    assert_refused(&world.get("/npm/exchanged-1/-/exchanged-1-2.0.0.tgz").await, 404);
}
