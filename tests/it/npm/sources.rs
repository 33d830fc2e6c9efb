//! Where packages come from and under which URL they are served: scopes, public URLs, host names.

use super::World;
use crate::support::heliostat::Heliostat;
use crate::support::http::Ask;
use crate::support::registry::{FakeRegistry, Switches};

fn tarball_of(document: &serde_json::Value) -> &str {
    document["versions"]["1.0.0"]["dist"]["tarball"].as_str().expect("a tarball URL")
}

#[tokio::test]
async fn scopes_go_to_their_own_upstream_with_its_own_token() {
    let (public, acme) = (FakeRegistry::start(), FakeRegistry::start());
    let mount = format!(
        "dialect = \"npm\"\nname = \"npm\"\npath = \"/npm\"\n\
         [[mount.upstream]]\nurl = \"{}\"\nallow_private = true\ntoken = \"public-token\"\n\
         [[mount.upstream]]\nurl = \"{}\"\nallow_private = true\nscopes = [\"@acme\"]\ntoken = \"acme-token\"\n",
        public.url(),
        acme.url(),
    );
    let heliostat = Heliostat::builder().mount(&mount).start().await;
    for registry in [&public, &acme] {
        registry.publish_plain("left");
        registry.publish_plain("@other/left");
        registry.publish_plain("@acme/left");
    }
    for name in ["left", "@other/left", "@acme/left"] {
        let tarball = format!("/npm/{name}/-/left-1.0.0.tgz");
        assert_eq!(heliostat.get(&format!("/npm/{name}")).await.status, 200, "{name}");
        assert_eq!(heliostat.get(&tarball).await.status, 200, "{name}");
    }
    for (registry, token, other) in
        [(&public, "public-token", "/@acme/"), (&acme, "acme-token", "left/-/left-1.0.0.tgz")]
    {
        let seen = registry.upstream.all_seen();
        let bearer = format!("Bearer {token}");
        assert!(!seen.is_empty() && seen.iter().all(|seen| seen.headers.get("authorization") == Some(&bearer)));
        let strayed = |path: &str| path.contains(other) && !(token == "acme-token" && path.starts_with("/@acme/"));
        assert!(!seen.iter().any(|seen| strayed(&seen.path)), "{token} was asked for another's package");
    }
}

#[tokio::test]
async fn the_keys_of_every_upstream_are_served() {
    let (public, acme) = (FakeRegistry::start(), FakeRegistry::start());
    let mount = format!(
        "dialect = \"npm\"\nname = \"npm\"\npath = \"/npm\"\n\
         [[mount.upstream]]\nurl = \"{}\"\nallow_private = true\n\
         [[mount.upstream]]\nurl = \"{}\"\nallow_private = true\nscopes = [\"@acme\"]\n",
        public.url(),
        acme.url(),
    );
    let mount = mount.replacen("path", "sign = false\npath", 1);
    let heliostat = Heliostat::builder().mount(&mount).start().await;
    let answer = heliostat.get("/npm/-/npm/v1/keys").await;
    assert!(answer.headers.get("cache-status").is_some_and(|status| status.contains("fwd=uri-miss")));
    let document = answer.json();
    let served = document["keys"].as_array().expect("a key set").iter().map(|key| key["keyid"].as_str());
    let mut served: Vec<_> = served.flatten().map(str::to_owned).collect();
    let mut expected = vec![public.key().keyid.clone(), acme.key().keyid.clone()];
    served.sort();
    expected.sort();
    expected.dedup();
    assert_eq!(served, expected);
    for registry in [&public, &acme] {
        assert_eq!(registry.upstream.count("/-/npm/v1/keys"), 1);
    }
}

#[tokio::test]
async fn links_lead_to_where_the_client_came_from() {
    let world = World::shared().await;
    world.registry.publish_plain("linked");
    for host in ["mirror.example", "mirror.example:8080", "localhost:4870"] {
        let document = world.get_with("/npm/linked", &[("host", host)]).await.json();
        assert_eq!(tarball_of(&document), format!("http://{host}/npm/linked/-/linked-1.0.0.tgz"));
    }
    assert_eq!(world.registry.upstream.count("/linked"), 1);
}

#[tokio::test]
async fn links_lead_to_the_public_url_where_one_is_configured() {
    let world = World::start(Switches::default(), "public_url = \"https://npm.example/registry\"").await;
    world.registry.publish_plain("public");
    let document = world.get_with("/npm/public", &[("host", "elsewhere.example")]).await.json();
    assert_eq!(tarball_of(&document), "https://npm.example/registry/public/-/public-1.0.0.tgz");
}

#[tokio::test]
async fn a_mount_answers_at_the_root_of_its_own_host() {
    let world = World::start(Switches::default(), "host = \"npm.example\"").await;
    let package = world.registry.publish_plain("rooted");
    let document = world.get_with("/rooted", &[("host", "npm.example")]).await.json();
    assert_eq!(tarball_of(&document), "http://npm.example/rooted/-/rooted-1.0.0.tgz");
    let ask = Ask::get("/rooted/-/rooted-1.0.0.tgz").header("host", "npm.example");
    assert!(world.heliostat.ask(&ask).await.is(&package.releases[0].tarball));
    assert_eq!(world.get("/rooted").await.status, 404);
}
