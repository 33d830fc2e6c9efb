//! What a niso mount does besides what all registries do: `latest`, tags, manifests and chunks, both generations.

use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::beside::block;
use crate::support::fault::Fault;
use crate::support::heliostat::Heliostat;
use crate::support::http::Ask;
use crate::support::niso::{App, Build, FakeNiso, Generation};
use crate::support::random::hex;
use crate::support::resource::Resource;

/// Starts a registry of one generation that has `@acme/app`, and a mirror of it.
async fn start(generation: Generation) -> (FakeNiso, App, Heliostat) {
    let registry = FakeNiso::start(generation);
    let app = App::new("@acme/app")
        .with("1.0.0", "x86_64", 3_000)
        .with("1.0.0", "arm64", 4_000)
        .with("1.1.0", "x86_64", 400_000)
        .with("2.0.0-rc.1", "x86_64", 5_000)
        .tag("old", "1.0.0");
    registry.publish(&app);
    registry.publish(&App::new("other").with("0.1.0", "x86_64", 2_000));
    let heliostat = Heliostat::builder().dialect("niso", &registry.upstream.url(), "", "").start().await;
    (registry, app, heliostat)
}

fn sum(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

#[tokio::test]
async fn latest_and_tags_are_decided_here_and_say_their_version() {
    for generation in [Generation::Present, Generation::Former] {
        let (registry, app, heliostat) = start(generation).await;
        for (path, index) in
            [("latest/x86_64", 2), ("latest/arm64", 1), ("old/x86_64", 0), ("old/arm64", 1), ("2.0.0-rc.1/x86_64", 3)]
        {
            let build = &app.builds[index];
            for name in ["@acme/app", "@acme%2Fapp", "%40acme%2fapp", "%40Acme/App"] {
                let answer = heliostat.get(&format!("/niso/v1/packages/{name}/{path}")).await;
                assert!(answer.is(&build.archive), "{generation:?} {name} {path}: {}", answer.summary());
                assert_eq!(answer.header("x-package-version"), Some(build.version.as_str()));
                let file = format!("attachment; filename=\"app-{}-{}.niso\"", build.version, build.arch);
                assert_eq!(answer.header("content-disposition"), Some(file.as_str()));
                assert_eq!(answer.header("etag"), Some(format!("\"sha256-{}\"", sum(&build.archive)).as_str()));
            }
            assert_eq!(registry.upstream.count(&app.path(build)), 1);
        }
        for arch in ["x86_64", "arm64"] {
            assert_eq!(registry.upstream.count(&format!("/v1/packages/@acme/app/latest/{arch}")), 0, "never asked");
        }
        for missing in ["3.0.0/x86_64", "latest/riscv", "none/x86_64", "1.1.0/arm64"] {
            let answer = heliostat.get(&format!("/niso/v1/packages/@acme/app/{missing}")).await;
            assert_eq!(answer.status, 404, "{missing}: {}", answer.summary());
        }
        let tags = heliostat.get("/niso/v1/packages/@acme/app/tags").await.json();
        assert_eq!(tags, json!([{"tag": "latest", "version": "1.1.0"}, {"tag": "old", "version": "1.0.0"}]));
    }
}

#[tokio::test]
async fn what_is_not_there_is_asked_for_once_a_while() {
    let registry = FakeNiso::start(Generation::Present);
    registry.publish(&App::new("@acme/app").with("1.0.0", "x86_64", 3_000));
    let (url, lines) = (registry.upstream.url(), "min_ttl = \"60s\"\n");
    let heliostat = Heliostat::builder().dialect("niso", &url, lines, "").start().await;
    let asked = || registry.upstream.all_seen().iter().filter(|seen| seen.path.ends_with("/versions")).count();
    assert_eq!(heliostat.get("/niso/v1/packages/@acme/app/latest/x86_64").await.status, 200);
    let before = asked();
    for version in ["7.0.0", "7.0.0", "8.0.0", "7.0.0", "7.0.0"] {
        let answer = heliostat.get(&format!("/niso/v1/packages/@acme/app/{version}/x86_64")).await;
        assert_eq!(answer.status, 404, "{}", answer.summary());
    }
    // The other version is asked for by itself where this takes more than a second.
    assert!((1..=2).contains(&(asked() - before)), "{} requests", asked() - before);
}

#[tokio::test]
async fn latest_is_decided_by_the_versions_where_the_tags_cannot_be_had() {
    for fault in [Fault::Status(405), Fault::Status(501), Fault::Status(503)] {
        let (registry, app, heliostat) = start(Generation::Present).await;
        let tags = "/v1/packages/@acme/app/tags";
        registry.upstream.fail(tags, fault.clone());
        for _ in 0..3 {
            let answer = heliostat.get("/niso/v1/packages/@acme/app/latest/x86_64").await;
            assert!(answer.is(&app.builds[2].archive), "{fault:?}: {}", answer.summary());
            assert_eq!(answer.header("x-package-version"), Some("1.1.0"));
        }
        // What else they say is not known, or there is nothing else to say.
        let [tagged, listed] = ["old/x86_64", "tags"].map(|path| format!("/niso/v1/packages/@acme/app/{path}"));
        let statuses = (heliostat.get(&tagged).await.status, heliostat.get(&listed).await.status);
        let is_known = matches!(fault, Fault::Status(405));
        assert_eq!(statuses, if is_known { (404, 200) } else { (503, 503) }, "{fault:?}");
        if is_known {
            assert_eq!(registry.upstream.count(tags), 1, "who has none is asked once a while");
        }
    }
}

#[tokio::test]
async fn what_a_stale_list_lacks_is_no_absence() {
    let registry = FakeNiso::start(Generation::Present);
    let app = App::new("@acme/app").with("1.0.0", "x86_64", 3_000).tag("old", "1.0.0").cache_control("max-age=0");
    registry.publish(&app);
    let (url, path) = (registry.upstream.url(), |what: &str| format!("/niso/v1/packages/@acme/app/{what}/x86_64"));
    let heliostat = Heliostat::builder().dialect("niso", &url, "", "").start().await;
    for version in ["2.0.0", "none"] {
        assert_eq!(heliostat.get(&path(version)).await.status, 404, "{version}");
    }
    registry.upstream.vanish().await;
    // Both were missing while upstream could be asked: now nobody knows.
    for version in ["2.0.0", "none", "2.0.0", "3.0.0"] {
        let answer = heliostat.get(&path(version)).await;
        assert_eq!(answer.status, 503, "{version}: {}", answer.summary());
    }
}

#[tokio::test]
async fn the_list_is_filtered_here() {
    let (registry, _, heliostat) = start(Generation::Former).await;
    for (query, names) in [
        ("", vec!["@acme/app", "other"]),
        ("?q=", vec!["@acme/app", "other"]),
        ("?q=ACME", vec!["@acme/app"]),
        ("?q=nothing", vec![]),
        ("?limit=1", vec!["@acme/app"]),
        ("?limit=1&offset=1", vec!["other"]),
    ] {
        let list = heliostat.get(&format!("/niso/v1/packages{query}")).await.json();
        let found: Vec<_> = list.as_array().expect("an array").iter().map(|row| row["name"].clone()).collect();
        assert_eq!(found, names, "{query}");
    }
    assert_eq!(registry.upstream.count("/v1/packages"), 1);
    assert_eq!(heliostat.get("/niso/health").await.json(), json!({"status": "ok"}));
    let write = heliostat.ask(&Ask::new("POST", "/niso/v1/packages/app/1.0.0/x86_64")).await;
    assert!(write.status == 405 && write.header("allow") == Some("GET, HEAD"), "{}", write.summary());
}

#[tokio::test]
async fn a_manifest_is_cut_from_the_proved_archive() {
    let (registry, app, heliostat) = start(Generation::Present).await;
    for path in ["1.1.0/manifest", "latest/manifest", "latest/manifest?arch=x86_64"] {
        let manifest = heliostat.get(&format!("/niso/v1/packages/@acme/app/{path}")).await;
        assert!(manifest.text().starts_with("[package]\nname = \"@acme/app\"\nversion = \"1.1.0\"\n"), "{path}");
        assert_eq!(manifest.header("content-type"), Some("text/plain; charset=utf-8"));
    }
    assert_eq!(registry.upstream.count("/v1/packages/@acme/app/1.1.0/manifest"), 0);
    assert_eq!(registry.upstream.count(&app.path(&app.builds[2])), 1);
    // Of several, the first by name, or the one that is asked for.
    for (query, arch) in [("", "arm64"), ("?arch=x86_64", "x86_64"), ("?arch=arm64", "arm64")] {
        let manifest = heliostat.get(&format!("/niso/v1/packages/@acme/app/1.0.0/manifest{query}")).await;
        assert!(manifest.text().ends_with(&format!("arch = \"{arch}\"\n")), "{query}: {}", manifest.text());
    }
    assert_eq!(heliostat.get("/niso/v1/packages/@acme/app/1.1.0/manifest?arch=arm64").await.status, 404);
    // One whose bytes are another's has none.
    let wrong = Build { archive: app.builds[0].archive.clone(), ..app.builds[2].clone() };
    registry.publish(&App::new("@acme/wrong").with_build(wrong));
    let refused = heliostat.get("/niso/v1/packages/@acme/wrong/1.1.0/manifest").await;
    assert_eq!(refused.status, 502, "{}", refused.summary());
}

#[tokio::test]
async fn chunks_in_their_order_are_the_archive() {
    let (registry, app, mut heliostat) = start(Generation::Present).await;
    let build = &app.builds[2];
    let path = "/niso/v1/packages/@acme/app/1.1.0/x86_64/chunks";
    let manifest = heliostat.get(path).await.json();
    let whole = (&manifest["name"], &manifest["version"], &manifest["arch"], &manifest["size"], &manifest["checksum"]);
    let sum = json!(sum(&build.archive));
    assert_eq!(whole, (&json!("@acme/app"), &json!("1.1.0"), &json!("x86_64"), &json!(400_000), &sum));
    let chunks = manifest["chunks"].as_array().expect("chunks");
    assert!(chunks.len() > 1);
    let mut bytes = Vec::new();
    for chunk in chunks {
        assert_eq!(chunk["offset"], json!(bytes.len()));
        let hash = chunk["hash"].as_str().expect("a hash");
        let answer = heliostat.get(&format!("/niso/v1/chunks/{hash}")).await;
        assert_eq!(
            (answer.status, json!(answer.body.len()), self::sum(&answer.body)),
            (200, chunk["size"].clone(), hash.to_owned())
        );
        bytes.extend(&answer.body);
        assert_eq!(registry.upstream.count(&format!("/v1/chunks/{hash}")), 0);
    }
    assert!(bytes == build.archive);
    // A chunk that no archive here has is upstream's, under its own name or not at all.
    let foreign = Bytes::from_static(b"a chunk of something else");
    let [right, wrong] = [self::sum(&foreign), self::sum(b"another")];
    for hash in [&right, &wrong] {
        let chunk = Resource::artifact(foreign.clone());
        registry.upstream.put(&format!("/v1/chunks/{hash}"), chunk);
    }
    assert!(heliostat.get(&format!("/niso/v1/chunks/{right}")).await.is(&foreign));
    assert_eq!(heliostat.get(&format!("/niso/v1/chunks/{wrong}")).await.status, 502);
    // Who has the manifest from before a restart asks for chunks only.
    heliostat.restart().await;
    for chunk in chunks {
        let hash = chunk["hash"].as_str().expect("a hash");
        assert_eq!(self::sum(&heliostat.get(&format!("/niso/v1/chunks/{hash}")).await.body), hash);
        assert_eq!(registry.upstream.count(&format!("/v1/chunks/{hash}")), 0);
    }
    assert_eq!(heliostat.get(path).await.json(), manifest, "cut the same each time");
}

#[tokio::test]
async fn the_signature_of_an_archive_is_passed_on_with_it() {
    let (registry, app, mut heliostat) = start(Generation::Present).await;
    let signature = "c2lnbmVkIGJ5IHRoZSBvbmUgd2hvIHB1Ymxpc2hlZCBpdA==";
    let signed = Resource::artifact(app.builds[2].archive.clone()).header("X-Niso-Signature", signature);
    registry.upstream.put(&app.path(&app.builds[2]), signed);
    for path in ["1.1.0/x86_64", "1.1.0/x86_64", "latest/x86_64"] {
        let answer = heliostat.get(&format!("/niso/v1/packages/@acme/app/{path}")).await;
        assert!(answer.is(&app.builds[2].archive), "{}", answer.summary());
        assert_eq!(answer.header("x-niso-signature"), Some(signature), "{path}");
    }
    heliostat.restart().await;
    let path = "/niso/v1/packages/@acme/app/1.1.0/x86_64";
    assert_eq!(heliostat.ask(&Ask::head(path)).await.header("x-niso-signature"), Some(signature));
    assert_eq!(registry.upstream.count(&app.path(&app.builds[2])), 1);
    let unsigned = heliostat.get("/niso/v1/packages/@acme/app/1.0.0/x86_64").await;
    assert_eq!((unsigned.status, unsigned.header("x-niso-signature")), (200, None));
}

#[tokio::test]
async fn an_archive_longer_than_64_mib_is_proved_and_served() {
    let (registry, _, heliostat) = start(Generation::Present).await;
    let large = App::new("large").with_padding("1.0.0", "x86_64", 66 << 20);
    registry.publish(&large);
    let archive = &large.builds[0].archive;
    for _ in 0..2 {
        let answer = heliostat.get(&format!("/niso{}", large.path(&large.builds[0]))).await;
        assert!(answer.is(archive), "{}", answer.summary());
    }
    assert_eq!(registry.upstream.count(&large.path(&large.builds[0])), 1);
    // Its content is looked at, however long it is.
    let wrong = App::new("wrong").with_build(large.builds[0].clone());
    registry.publish(&wrong);
    let refused = heliostat.get(&format!("/niso{}", wrong.path(&wrong.builds[0]))).await;
    assert_eq!(refused.status, 502, "{}", refused.summary());
    assert_eq!(heliostat.incidents(Some("wrong")).await.first().expect("an incident")["kind"], "archive");
}

#[tokio::test]
async fn an_archive_newer_than_the_list_that_is_held_is_served_after_one_refresh() {
    let (registry, _, heliostat) = start(Generation::Present).await;
    let versions = "/v1/packages/changing/versions";
    let [old, new] = [100_000, 101_000].map(|size| App::new("changing").with("1.0.0", "x86_64", size));
    let path = format!("/niso{}", old.path(&old.builds[0]));
    registry.publish(&old);
    assert_eq!(heliostat.get(&format!("/niso{versions}")).await.status, 200);
    registry.publish(&new);
    let answer = heliostat.get(&path).await;
    assert!(answer.is(&new.builds[0].archive), "{}", answer.summary());
    assert_eq!(registry.upstream.count(versions), 2);
}

#[tokio::test]
async fn an_archive_that_never_agrees_with_its_list_is_refused_before_a_byte_goes_out() {
    let (registry, app, heliostat) = start(Generation::Present).await;
    let versions = "/v1/packages/wrong/versions";
    let wrong = Build {
        archive: App::new("wrong").with("1.0.0", "x86_64", 100_000).builds[0].archive.clone(),
        ..app.builds[0].clone()
    };
    let wrong = App::new("wrong").with_build(wrong);
    registry.publish(&wrong);
    assert_eq!(heliostat.get(&format!("/niso{versions}")).await.status, 200);
    for round in 2..=3 {
        let answer = heliostat.get(&format!("/niso{}", wrong.path(&wrong.builds[0]))).await;
        assert!(answer.status == 502 && answer.completed(), "{}", answer.summary());
        assert!(
            answer.json()["error"].as_str().is_some_and(|text| text.contains("does not prove")),
            "{}",
            answer.text()
        );
        assert_eq!(registry.upstream.count(versions), round, "the list is asked for again, once");
    }
}

#[tokio::test]
async fn what_nobody_vouches_for_is_neither_listed_nor_served() {
    let (registry, app, heliostat) = start(Generation::Present).await;
    let without = Build { checksum: None, ..app.builds[0].clone() };
    registry.publish(&App::new("@acme/app").with_build(without));
    let versions = heliostat.get("/niso/v1/packages/@acme/app/versions").await.json();
    assert_eq!(versions, Value::Array(Vec::new()));
    let refused = heliostat.get("/niso/v1/packages/@acme/app/1.0.0/x86_64").await;
    assert_eq!(refused.status, 502, "{}", refused.summary());
    assert_eq!(registry.upstream.count(&app.path(&app.builds[0])), 0, "and never asked for");
}

#[tokio::test]
async fn what_is_blocked_is_in_no_list_and_no_tag_leads_to_it() {
    let (_registry, app, heliostat) = start(Generation::Present).await;
    let get = async |path: &str| heliostat.get(&format!("/niso/v1/packages{path}")).await;
    assert!(get("/@acme/app/latest/x86_64").await.is(&app.builds[2].archive));
    let chunks = get("/@acme/app/1.1.0/x86_64/chunks").await.json();
    let chunk = format!("/niso/v1/chunks/{}", chunks["chunks"][0]["hash"].as_str().expect("a hash"));
    assert_eq!(heliostat.get(&chunk).await.status, 200);
    block(&heliostat, "/niso/v1/packages/@acme/app/1.1.0/x86_64", &["niso", "@Acme/App", "1.1.0 || 2.0.0-rc.1"]).await;
    assert_eq!(heliostat.get(&chunk).await.status, 404, "a chunk of what is blocked");
    let versions = get("/@acme/app/versions").await.json();
    let versions: Vec<_> = versions.as_array().unwrap().iter().map(|row| row["version"].as_str().unwrap()).collect();
    assert_eq!(versions, ["1.0.0", "1.0.0"]);
    assert!(get("/@acme/app/latest/x86_64").await.is(&app.builds[0].archive));
    let tags = get("/@acme/app/tags").await.json();
    assert_eq!(tags, json!([{"tag": "latest", "version": "1.0.0"}, {"tag": "old", "version": "1.0.0"}]));
    for path in ["/@acme/app/1.1.0/manifest", "/@acme/app/1.1.0/x86_64/chunks", "/%40Acme%2fapp/2.0.0-rc.1/x86_64"] {
        assert_eq!(get(path).await.status, 451, "{path}");
    }
    block(&heliostat, "/niso/v1/packages/other/versions", &["niso", "other"]).await;
    let list = get("").await.json();
    assert_eq!((list.as_array().map(Vec::len), &list[0]["latest_version"]), (Some(1), &Value::Null), "{list}");
    assert_eq!(get("/other/tags").await.status, 451);
}
