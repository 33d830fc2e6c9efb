//! The fake is judged by the house's own proofs, over HTTP.

use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use heliostat::base::digest::Digest as Sum;
use heliostat::registries::hex::keys::{Pin, PublicKey};
use heliostat::registries::hex::name::{PackageName, PolicyName, RepositoryName, Version};
use heliostat::registries::hex::proofs::{self, Checksums, Trusted};
use heliostat::registries::hex::wire::{self, Install};

use super::super::http::{Answer, Ask, ask};
use super::*;

fn trusted(repository: &str, key: &Key) -> Trusted {
    let key = PublicKey::parse(key.to_pem().as_bytes()).unwrap();
    Trusted { repository: RepositoryName::parse(repository).unwrap(), key }
}

fn name(text: &str) -> PackageName {
    PackageName::parse(text).unwrap()
}

async fn get(at: SocketAddr, path: &str) -> Answer {
    ask(at, &Ask::get(path)).await
}

#[tokio::test]
async fn every_document_is_proved_by_the_repositorys_key() {
    let fake = FakeHex::start();
    let release = Release::depending("plug", "1.0.0", &[("jason", "~> 1.0")]).retired(2, "hole");
    fake.publish(&Package::new("plug").with(release).with(Release::of("plug", "1.1.0-rc.1")));
    fake.publish_plain("jason");
    fake.deny("block", "jason");
    let (at, hexpm) = (fake.upstream.address(), trusted("hexpm", fake.key()));

    let plug = hexpm.package(&get(at, "/packages/plug").await.body, &name("plug")).unwrap();
    let first = &plug.releases[0];
    assert_eq!((first.version.as_str(), first.dependencies[0].requirement.as_str()), ("1.0.0", "~> 1.0"));
    assert_eq!(first.retired.as_ref().map(|retired| retired.reason), Some(2));
    assert_eq!(first.published_at.map(|time| time.seconds), Some(1_704_067_200));
    let names = hexpm.names(&get(at, "/names").await.body).unwrap();
    assert_eq!(names.packages.iter().map(|package| package.name.as_str()).collect::<Vec<_>>(), ["jason", "plug"]);
    let versions = hexpm.versions(&get(at, "/versions").await.body).unwrap();
    assert_eq!((versions.packages[1].versions.len(), versions.packages[1].retired.as_slice()), (2, &[0][..]));
    let policy = hexpm.policy(&get(at, "/policies/block").await.body, &PolicyName::parse("block").unwrap()).unwrap();
    assert_eq!(policy.repositories[0].overrides[0].r#ref.package, "jason");
    let answer = get(at, "/packages/jason").await;
    assert!(answer.header("content-encoding").is_none() && answer.header("etag").is_some());
    let pin = Pin::Fingerprint(fake.key().fingerprint().parse().unwrap());
    assert_eq!(pin.admit(&get(at, "/public_key").await.body).unwrap(), hexpm.key);
}

#[test]
fn an_application_for_rebar_3_is_a_good_tarball_too() {
    let release = Release::in_erlang("made", "1.0.0", &[("jason", "~> 1.0")]);
    proofs::tarball(&release.tarball, &Sum::from_bytes(release.inner.try_into().unwrap())).unwrap();
}

#[tokio::test]
async fn a_strangers_repository_and_sealed_lies_are_not_proved() {
    let fake = FakeHex::start_as("hexpm", Key::stranger());
    let package = fake.publish_plain("jason");
    let hexpm = trusted("hexpm", &Key::repository());
    let body = get(fake.upstream.address(), "/packages/jason").await.body;
    assert_eq!(body, fake.package_document(&package));
    assert!(matches!(hexpm.package(&body, &name("jason")), Err(proofs::Error::Signature)));
    let lie = fake.seal(&package.payload("acme"));
    assert!(matches!(
        trusted("hexpm", fake.key()).package(&lie, &name("jason")),
        Err(proofs::Error::WrongRepository { .. })
    ));
}

#[tokio::test]
async fn a_tarball_has_both_checksums_until_it_is_replaced() {
    let fake = FakeHex::start();
    let package = fake.publish_plain("jason");
    let (at, hexpm) = (fake.upstream.address(), trusted("hexpm", fake.key()));
    let promised = async || {
        let document = hexpm.package(&get(at, "/packages/jason").await.body, &name("jason")).unwrap();
        Checksums::find(&document, &Version::parse("1.0.0").unwrap()).unwrap()
    };
    let path = package.tarball_path("1.0.0");
    let (first, tarball) = (promised().await, get(at, &path).await);
    assert!(tarball.header("etag").is_some());
    assert_eq!(first.outer, Sum::of(&tarball.body));
    proofs::tarball(&tarball.body, &first.inner).unwrap();

    let other = Release::of("jason", "1.0.0").replaced_by(Release::of("jason", "2.0.0").tarball);
    fake.publish(&Package::new("jason").with(other));
    let (second, tarball) = (promised().await, get(at, &path).await);
    assert_eq!((second.outer, second.outer == first.outer), (Sum::of(&tarball.body), false));
    assert!(proofs::tarball(&tarball.body, &second.inner).is_err(), "the inner checksum is still the old one");
    assert_eq!(package.release("1.0.0").tarball, Release::of("jason", "1.0.0").tarball, "always the same bytes");
}

#[tokio::test]
async fn what_is_withdrawn_is_gone_from_everywhere() {
    let fake = FakeHex::start();
    let package = fake.publish_plain("jason");
    fake.withdraw(&package);
    let at = fake.upstream.address();
    for path in ["/packages/jason", "/tarballs/jason-1.0.0.tar"] {
        assert_eq!(get(at, path).await.status, 404, "{path}");
    }
    let listed = trusted("hexpm", fake.key()).names(&get(at, "/names").await.body).unwrap();
    assert!(listed.packages.is_empty());
}

#[tokio::test]
async fn an_organization_answers_its_members_alone() {
    let fake = FakeHex::start();
    let secret = "0123456789abcdef0123456789abcdef";
    fake.publish_privately("acme", secret, &Package::with_versions("vault", &["0.1.0"]));
    let at = fake.upstream.address();
    for path in ["packages/vault", "tarballs/vault-0.1.0.tar", "names", "versions"] {
        let path = format!("/repos/acme/{path}");
        assert_eq!(get(at, &path).await.status, 401, "{path}");
        assert_eq!(ask(at, &Ask::get(&path).header("authorization", "wrong")).await.status, 401, "{path}");
        let answer = ask(at, &Ask::get(&path).header("authorization", secret)).await;
        assert!(answer.status == 200 && answer.header("cache-control").unwrap().starts_with("private"), "{path}");
    }
    let acme = trusted("acme", fake.key());
    let answer = ask(at, &Ask::get("/repos/acme/packages/vault").header("authorization", secret)).await;
    assert_eq!(acme.package(&answer.body, &name("vault")).unwrap().releases.len(), 1);
    let answer = ask(at, &Ask::get("/repos/acme/versions").header("authorization", secret)).await;
    assert_eq!(acme.versions(&answer.body).unwrap().packages[0].name, "vault");
    for path in ["/packages/vault", "/repos/other/packages/vault", "/repos/acme/packages/jason"] {
        assert_eq!(ask(at, &Ask::get(path).header("authorization", secret)).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn documentation_the_old_registry_and_builds_hold_what_they_promise() {
    let fake = FakeHex::start();
    let docs = fake.document("jason", "1.0.0", &[("index.html", b"<html>")]);
    fake.publish_v1(b"a table");
    fake.publish_build("2.0.5", "1.14.0", b"an older archive");
    fake.publish_build("2.0.6", "1.14.0", b"an archive");
    let (at, hexpm) = (fake.upstream.address(), trusted("hexpm", fake.key()));

    assert!(get(at, "/docs/jason-1.0.0.tar.gz").await.is(&docs));
    wire::check_docs(&docs).unwrap();
    let signature = get(at, "/registry.ets.gz.signed").await.body;
    hexpm.registry_v1(&get(at, "/registry.ets.gz").await.body, &signature).unwrap();
    let list = get(at, "/installs/hex-1.x.csv").await.body;
    let signature = STANDARD.decode(get(at, "/installs/hex-1.x.csv.signed").await.body).unwrap();
    assert!(hexpm.key.verifies(&list, &signature));
    for (file, archive) in [("hex-2.0.5.ez", &b"an older archive"[..]), ("hex-2.0.6.ez", b"an archive")] {
        let Some(Install::Archive(build)) = Install::parse(&["1.14.0", file]) else { panic!("{file} is a build") };
        let sum = wire::find_sum(&list, &build).unwrap().expect("the list has it");
        let answer = get(at, &format!("/installs/1.14.0/{file}")).await;
        assert!(answer.is(archive));
        let mut hasher = heliostat::base::digest::Hasher::new(Some(&sum.into()));
        hasher.update(&answer.body);
        assert_eq!(hasher.finish().promise_holds, Some(true), "{file}");
    }
}
