//! What mix asks for when it installs, in its order and with its headers, and what it checks of each answer.
//!
//! mix itself is not run: the distribution's Elixir comes without Hex, which only hex.pm has.
//! Source: contract hex §1.2, §1.4, §2.3, §4.1.

use futures_util::future::join_all;
use heliostat::base::digest::Digest as Sum;
use heliostat::registries::hex::keys::PublicKey;
use heliostat::registries::hex::name::{PackageName, RepositoryName};
use heliostat::registries::hex::proofs::Trusted;

use super::World;
use crate::support::hex::{Package, Release};
use crate::support::http::Answer;

const AGENT: &str = "hex_core/0.12.2 (hex/2.5.1) (elixir/1.18.0) (OTP/27) (erts/15.0)";
/// How many packages it asks for at a time.
const AT_ONCE: usize = 8;

impl World {
    /// Asks as mix does: it sends no `Accept` and no `Accept-Encoding`.
    async fn get_by_mix(&self, path: &str) -> Answer {
        self.get_with(path, &[("user-agent", AGENT)]).await
    }
}

/// Publishes an application and seven that it needs.
fn publish(world: &World) -> Vec<Package> {
    let names: Vec<String> = (1..AT_ONCE).map(|number| format!("needed_{number}")).collect();
    let needs: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "~> 1.0")).collect();
    let mut packages = vec![Package::new("needing").with(Release::depending("needing", "1.0.0", &needs))];
    packages.extend(names.iter().map(|name| Package::with_versions(name, &["1.0.0"])));
    packages.iter().for_each(|package| world.fake.publish(package));
    packages
}

#[tokio::test]
async fn a_cold_install_is_answered_as_mix_needs_it() {
    let world = World::start("").await;
    let packages = publish(&world);
    // Once a day it asks whether there is a newer Hex, and prints whatever is not a good answer.
    assert!(world.get_by_mix("/installs/hex-1.x.csv").await.is(b""));
    // `mix hex.repo add --fetch-public-key` compares this.
    let key = PublicKey::parse(&world.get_by_mix("/public_key").await.body).expect("a key");
    assert_eq!(key.fingerprint().to_string(), world.fake.key().fingerprint());
    let trusted = Trusted { repository: RepositoryName::parse("hexpm").expect("a name"), key };

    let documents = join_all(packages.iter().map(async |package| {
        let answer = world.get_by_mix(&format!("/packages/{}", package.name)).await;
        // It would unpack twice what says that it is encoded.
        assert!(answer.status == 200 && !answer.headers.has("content-encoding"), "{}", answer.summary());
        trusted.package(&answer.body, &PackageName::parse(&package.name).expect("a name")).expect("a proved document")
    }));
    for (package, document) in packages.iter().zip(documents.await) {
        let answer = world.get_by_mix(&package.tarball_path("1.0.0")).await;
        let promised = document.releases[0].checksums().expect("both checksums");
        assert_eq!(Sum::of(&answer.body), promised.outer, "{}: {}", package.name, answer.summary());
        assert!(answer.headers.has("etag"), "{}", package.name);
    }
    let upstream = &world.fake.upstream;
    for package in &packages {
        for path in [format!("/packages/{}", package.name), package.tarball_path("1.0.0")] {
            assert_eq!(upstream.count(&path), 1, "{path}");
        }
    }
    // It resolves without them.
    assert_eq!(upstream.count("/names") + upstream.count("/versions"), 0);
}

#[tokio::test]
async fn a_warm_install_asks_upstream_for_nothing_and_old_hexes_for_what_changed() {
    let world = World::start("").await;
    let packages = publish(&world);
    for round in 0..2 {
        for package in &packages {
            let path = format!("/packages/{}", package.name);
            let answer = world.get_by_mix(&path).await;
            let tag = answer.header("etag").expect("a tag").to_owned();
            // Hex up to 2.2.2 keeps the tag.
            let again = world.get_with(&path, &[("user-agent", AGENT), ("if-none-match", &tag)]).await;
            assert_eq!(again.status, 304, "{}", again.summary());
            assert_eq!(world.get_by_mix(&package.tarball_path("1.0.0")).await.status, 200);
        }
        assert_eq!(world.fake.upstream.all_seen().len(), 2 * packages.len(), "round {round}");
    }
}
