//! Private repositories: what is kept of one is given to whom the repository itself lets in, and to nobody else.

use super::{World, assert_refused};
use crate::support::fault::Fault;
use crate::support::hex::Package;
use crate::support::resource::Resource;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Somebody else's key.
const STRANGER: &str = "fedcba9876543210fedcba9876543210";

/// Starts a mirror of an organization with one package.
async fn start() -> (World, Package) {
    let world = World::start("private = true\n").await;
    let package = Package::with_versions("vault", &["0.1.0"]);
    world.fake.publish_privately("acme", SECRET, &package);
    (world, package)
}

impl World {
    async fn get_as(&self, secret: &str, path: &str) -> crate::support::http::Answer {
        self.get_with(path, &[("authorization", secret)]).await
    }
}

#[tokio::test]
async fn members_are_served_and_strangers_are_not_though_all_of_it_is_kept() {
    let (world, package) = start().await;
    let tarball = &package.release("0.1.0").tarball;
    for _ in 0..2 {
        let answer = world.get_as(SECRET, "/repos/acme/tarballs/vault-0.1.0.tar").await;
        assert!(answer.is(tarball), "{}", answer.summary());
        assert_eq!(answer.header("cache-control"), Some("private, max-age=86400"));
        assert_eq!(answer.header("vary"), Some("authorization"));
        for path in ["/repos/acme/packages/vault", "/repos/acme/names", "/repos/acme/versions"] {
            let answer = world.get_as(SECRET, path).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.summary());
            assert_eq!(answer.header("cache-control"), Some("private, max-age=3600"), "{path}");
        }
    }
    assert!(world.keeps(tarball));
    let upstream = &world.fake.upstream;
    assert_eq!(upstream.count("/repos/acme/tarballs/vault-0.1.0.tar"), 1);
    let knocks = || upstream.count("/repos/acme/names");
    let before = knocks();
    for path in ["/repos/acme/tarballs/vault-0.1.0.tar", "/repos/acme/packages/vault", "/repos/acme/names"] {
        let without = knocks();
        assert_refused(&world.get(path).await, 401);
        assert_eq!(knocks(), without, "{path}: asked without credentials");
        for _ in 0..2 {
            assert_refused(&world.get_as(STRANGER, path).await, 401);
        }
    }
    assert!((1..=2).contains(&(knocks() - before)), "a refusal is remembered for a while");
    for path in ["/packages/vault", "/tarballs/vault-0.1.0.tar", "/repos/other/packages/vault"] {
        assert_refused(&world.get_as(SECRET, path).await, 404);
    }
}

#[tokio::test]
async fn the_repository_is_asked_once_a_while_and_not_for_each_request() {
    let (world, _) = start().await;
    let at_once = (0..8).map(async |_| world.get_as(SECRET, "/repos/acme/packages/vault").await.status);
    assert_eq!(futures_util::future::join_all(at_once).await, [200; 8]);
    assert_eq!(world.get_as(SECRET, "/repos/acme/versions").await.status, 200);
    assert_eq!(world.fake.upstream.count("/repos/acme/names"), 1);
    let seen = world.fake.upstream.all_seen();
    let shown = |path: &str| seen.iter().filter(|seen| seen.path == path).all(|seen| seen.headers.has("authorization"));
    assert!(shown("/repos/acme/names") && shown("/repos/acme/packages/vault"));
    // What is of everybody is asked for without them.
    world.fake.publish_plain("open");
    assert_eq!(world.get_as(SECRET, "/packages/open").await.status, 200);
    assert!(world.fake.upstream.seen("/packages/open").iter().all(|seen| !seen.headers.has("authorization")));
}

#[tokio::test]
async fn where_the_repository_cannot_be_asked_the_door_stays_shut() {
    let (mut world, _) = start().await;
    assert_eq!(world.get_as(SECRET, "/repos/acme/packages/vault").await.status, 200);
    world.heliostat.stop();
    world.heliostat.reconfigure(|builder| builder.argument("--offline"));
    world.heliostat.start().await;
    assert_refused(&world.get_as(SECRET, "/repos/acme/packages/vault").await, 503);
}

#[tokio::test]
async fn a_private_repository_proves_itself_by_its_own_name() {
    let (world, _) = start().await;
    // The right key, and the document of another repository.
    let package = world.fake.publish_plain("open");
    let replayed = world.fake.upstream.resource("/packages/open").expect("what was published");
    world.fake.put_privately("acme", "packages/open", replayed);
    assert_refused(&world.get_as(SECRET, "/repos/acme/packages/open").await, 502);
    assert_eq!(world.get("/packages/open").await.body, world.fake.package_document(&package));
}

#[tokio::test]
async fn a_page_that_says_yes_to_everybody_opens_nothing() {
    let (world, package) = start().await;
    let path = "/repos/acme/tarballs/vault-0.1.0.tar";
    assert!(world.get_as(SECRET, path).await.is(&package.release("0.1.0").tarball));
    world.fake.upstream.fail("/repos/acme/names", Fault::Html);
    assert_refused(&world.get_as(STRANGER, path).await, 502);
}

#[tokio::test]
async fn what_is_private_is_named_in_no_list_of_incidents() {
    let (world, _) = start().await;
    assert_eq!(world.get_as(SECRET, "/repos/acme/packages/vault").await.status, 200);
    let wrong = Package::with_versions("unnamed", &["0.1.0"]);
    world.fake.put_privately(
        "acme",
        "tarballs/vault-0.1.0.tar",
        Resource::artifact(wrong.release("0.1.0").tarball.clone()),
    );
    world.fake.put_privately("acme", "packages/hidden", Resource::new("text/html", "<html>"));
    for path in ["/repos/acme/tarballs/vault-0.1.0.tar", "/repos/acme/packages/hidden"] {
        assert_refused(&world.get_as(SECRET, path).await, 502);
    }
    assert!(world.heliostat.incidents(None).await.is_empty());
    assert!(world.heliostat.metric("heliostat_proofs_failed_total", &[("kind", "signature")]).await >= 1.0);
}

#[tokio::test]
async fn who_is_no_longer_a_member_is_asked_about_again() {
    let (world, _) = start().await;
    assert_eq!(world.get_as(SECRET, "/repos/acme/packages/vault").await.status, 200);
    let refusal = Resource::new("text/plain", "not authorized").status(401);
    world.fake.put_privately("acme", "versions", refusal.clone());
    world.fake.put_privately("acme", "names", refusal);
    assert_refused(&world.get_as(SECRET, "/repos/acme/versions").await, 401);
    assert_refused(&world.get_as(SECRET, "/repos/acme/packages/vault").await, 401);
    assert_eq!(world.fake.upstream.count("/repos/acme/names"), 2);
}

#[tokio::test]
async fn a_strangers_knocks_keep_nobody_from_the_repository() {
    let (world, _) = start().await;
    world.fake.upstream.fail("/repos/acme/names", Fault::TooManyRequests { retry_after: 60 });
    for stranger in 0..12 {
        assert_refused(&world.get_as(&format!("{stranger:032}"), "/repos/acme/names").await, 503);
    }
    world.fake.publish_plain("unharmed");
    assert_eq!(world.get("/packages/unharmed").await.status, 200);
}
