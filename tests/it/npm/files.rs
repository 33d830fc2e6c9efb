//! The files of a version, one by one. Source: contract npm §17.

use serde_json::{Value, json};

use super::publisher::Publisher;
use super::{World, assert_refused};
use crate::support::beside::block;
use crate::support::http::{Answer, Ask};
use crate::support::packages::{Package, Release};
use crate::support::registry::Switches;
use crate::support::tarball;

const MAIN: &str = "module.exports = 'main'\n";

/// Makes a package of one release with these files.
fn package(name: &str, files: &[(&str, &str)]) -> Package {
    let files: Vec<(String, Vec<u8>)> =
        files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect();
    let mut release = Release::new("1.0.0");
    release.tarball = tarball::pack(&files).into();
    Package::new(name).with(release)
}

fn usual(name: &str) -> Package {
    let manifest = json!({ "name": name, "version": "1.0.0", "main": "./lib/main" }).to_string();
    package(
        name,
        &[
            ("package.json", &manifest),
            ("lib/main.js", MAIN),
            ("lib/index.js", "index"),
            ("lib/a b.txt", "a b"),
            ("page.html", "<script>alert(1)</script>"),
            ("empty", ""),
        ],
    )
}

/// Follows redirects to where they end, and returns each place.
async fn follow(world: &World, path: &str) -> (Vec<String>, Answer) {
    let (mut places, mut path) = (Vec::new(), path.to_owned());
    loop {
        let answer = world.get(&path).await;
        let Some(place) = answer.header("location").map(str::to_owned) else { return (places, answer) };
        assert_eq!(answer.status, 302, "{}", answer.summary());
        let below = place.strip_prefix(&world.heliostat.url()).expect("a place of ours").to_owned();
        places.push(below.clone());
        assert!(places.len() < 5, "{path} leads nowhere: {places:?}");
        path = below;
    }
}

fn assert_harmless(answer: &Answer) {
    for (header, expected) in [
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'; sandbox"),
        ("cross-origin-resource-policy", "cross-origin"),
    ] {
        assert_eq!(answer.header(header), Some(expected), "{}", answer.summary());
    }
}

#[tokio::test]
async fn a_file_is_found_by_its_path_in_the_tarball() {
    let world = World::shared().await;
    world.registry.publish(&usual("@files/one"));
    let base = "/npm/@files/one/1.0.0/files";
    let (places, main) = follow(&world, "/npm/@files%2fone/latest/files").await;
    assert_eq!(places, [base.to_owned(), format!("{base}/lib/main"), format!("{base}/lib/main.js")]);
    assert_eq!((main.status, main.text().as_str()), (200, MAIN));
    assert_harmless(&main);
    assert_eq!(main.header("content-type"), Some("application/javascript; charset=utf-8"));
    assert_eq!(main.header("cache-control"), Some("public, max-age=31536000"));
    assert!(main.header("x-integrity").expect("an integrity").starts_with("sha256-"));
    let path = format!("{base}/lib/main.js");
    let part = world.get_with(&path, &[("range", "bytes=7-13")]).await;
    assert_eq!((part.status, &part.body[..]), (206, &MAIN.as_bytes()[7..14]));
    let etag = main.header("etag").expect("an entity tag");
    assert_eq!(world.get_with(&path, &[("if-none-match", etag)]).await.status, 304);
    let head = world.heliostat.ask(&Ask::head(&path)).await;
    assert_eq!(head.header("content-length"), Some(MAIN.len().to_string().as_str()));
    for (path, text) in [("lib/a%20b.txt", "a b"), ("empty", ""), ("lib/index.js", "index")] {
        let answer = world.get(&format!("{base}/{path}")).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, text), "{path}");
    }
    let page = world.get(&format!("{base}/page.html")).await;
    assert_eq!(page.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_harmless(&page);
    assert_eq!(world.registry.upstream.count("/@files/one/-/one-1.0.0.tgz"), 1, "it was fetched once");
}

#[tokio::test]
async fn paths_without_their_ends_lead_to_what_they_mean() {
    let world = World::shared().await;
    world.registry.publish(&usual("files-ends"));
    let base = "/npm/files-ends/1.0.0/files";
    for (path, expected) in [
        ("files-ends/%5E1/files/lib/main.js", "1.0.0/files/lib/main.js"),
        ("files-ends/latest/files/lib/a%20b.txt?meta", "1.0.0/files/lib/a%20b.txt?meta"),
        ("files-ends/latest/files/lib/", "1.0.0/files/lib/"),
        ("files-ends/latest/files/", "1.0.0/files/"),
        ("files-ends/1.0.0/files/lib", "1.0.0/files/lib/index.js"),
        ("files-ends/1.0.0/files/package", "1.0.0/files/package.json"),
    ] {
        let answer = world.get(&format!("/npm/{path}")).await;
        let expected = format!("{}/npm/files-ends/{expected}", world.heliostat.url());
        assert_eq!((answer.status, answer.header("location")), (302, Some(expected.as_str())), "{path}");
        assert_eq!(answer.header("cache-control"), Some("public, s-maxage=600, max-age=60"));
    }
    for path in ["x", "lib/x.js", "lib/main.js/", "page", "li/"] {
        assert_refused(&world.get(&format!("{base}/{path}")).await, 404);
    }
    for path in ["..%2f..%2fetc/passwd", "%2e%2e/x", "lib\\main.js"] {
        assert_refused(&world.get(&format!("{base}/{path}")).await, 400);
    }
    assert_refused(&world.get("/npm/files-ends/9.9.9/files/x").await, 404);
    assert_refused(&world.get("/npm/files-ends/next/files/x").await, 404);
}

#[tokio::test]
async fn directories_and_files_are_described() {
    let world = World::shared().await;
    world.registry.publish(&usual("files-listed"));
    let base = "/npm/files-listed/1.0.0/files";
    let root = world.get(&format!("{base}/")).await;
    assert_eq!(root.header("cache-control"), Some("public, s-maxage=600, max-age=60"));
    assert_harmless(&root);
    let listed = root.json();
    assert_eq!((&listed["path"], &listed["type"]), (&json!("/"), &json!("directory")));
    let paths: Vec<&Value> = listed["files"].as_array().expect("a list").iter().map(|one| &one["path"]).collect();
    assert_eq!(paths, ["/lib", "/empty", "/package.json", "/page.html"]);
    assert_eq!(listed["files"][0], json!({ "path": "/lib", "type": "directory", "files": [] }));
    assert_eq!(world.get(&format!("{base}?meta")).await.json(), listed);
    let lib = world.get(&format!("{base}/lib/")).await.json();
    assert_eq!(world.get(&format!("{base}/lib?meta")).await.json(), lib);
    let main = world.get(&format!("{base}/lib/main.js?meta")).await.json();
    let file = world.get(&format!("{base}/lib/main.js")).await;
    let expected = json!({
        "path": "/lib/main.js", "type": "file", "contentType": "application/javascript",
        "integrity": file.header("x-integrity").expect("an integrity"),
        "lastModified": "Thu, 31 Oct 1985 14:22:28 GMT", "size": MAIN.len(),
    });
    assert_eq!((&main, &lib["files"][2]), (&expected, &expected));
}

#[tokio::test]
async fn what_is_blocked_or_not_proved_shows_no_file() {
    let world = World::start(Switches::default(), "").await;
    for name in ["evil", "part"] {
        world.registry.publish(&usual(name));
        assert_eq!(world.get(&format!("/npm/{name}/1.0.0/files/lib/main.js")).await.status, 200);
    }
    block(&world.heliostat, "/npm/evil/1.0.0/files/lib/main.js", &["npm", "evil"]).await;
    block(&world.heliostat, "/npm/part/1.0.0/files/lib/main.js", &["npm", "part", "1.0.0"]).await;
    for path in ["evil/1.0.0/files", "evil/latest/files", "evil/1.0.0/files/?meta", "part/1.0.0/files/"] {
        assert_refused(&world.get(&format!("/npm/{path}")).await, 451);
    }
    let mut wrong = usual("wrong");
    let other = usual("wrong-other").releases[0].tarball.clone();
    wrong.releases[0].tarball = other;
    world.registry.publish(&wrong);
    assert_refused(&world.get("/npm/wrong/1.0.0/files/lib/main.js").await, 502);
}

#[tokio::test]
async fn a_tarball_that_has_no_end_is_not_opened() {
    let world = World::shared().await;
    let bomb = "\0".repeat(17 << 20);
    world.registry.publish(&package("files-bomb", &[("package.json", "{}"), ("bomb", &bomb)]));
    for path in ["/npm/files-bomb/1.0.0/files/", "/npm/files-bomb/1.0.0/files/package.json"] {
        let answer = world.get(path).await;
        assert_refused(&answer, 422);
        assert!(answer.text().contains("the archive unpacks to more than"), "{}", answer.text());
    }
    assert_eq!(world.get("/npm/files-bomb/-/files-bomb-1.0.0.tgz").await.status, 200, "clients may have it");
}

#[tokio::test]
async fn files_of_ours_are_gone_with_their_version() {
    let joe = Publisher::start("").await.into_admin().await;
    joe.publish("@acme/tool", "1.0.0", json!({ "main": "package.json" })).await;
    let path = "/@acme/tool/1.0.0/files/package.json";
    let file = joe.get(path).await;
    assert_eq!((file.status, file.header("cache-control")), (200, Some("no-cache")), "{}", file.summary());
    assert_eq!(file.json()["name"], "@acme/tool");
    assert_eq!(joe.get("/@acme/tool/latest/files").await.header("cache-control"), Some("no-cache"));
    let all = joe.send("PUT", "/@acme/tool/latest/files", &Value::Null).await;
    assert_eq!((all.status, &all.json()[0]["path"]), (200, &json!("/package.json")), "{}", all.summary());
    let rev = joe.get("/@acme%2ftool?write=true").await.json()["_rev"].as_str().expect("a revision").to_owned();
    assert_eq!(joe.send("DELETE", &format!("/@acme%2ftool/-rev/{rev}"), &json!({})).await.status, 201);
    assert_refused(&joe.get(path).await, 404);
    assert!(joe.registry.upstream.all_seen().is_empty(), "nobody hears of what is ours");
}

#[tokio::test]
async fn where_files_are_not_shown_there_are_none() {
    let world = World::start(Switches::default(), "files = false").await;
    world.registry.publish(&usual("off"));
    for path in ["off/1.0.0/files", "off/1.0.0/files/", "off/latest/files/lib/main.js"] {
        assert_refused(&world.get(&format!("/npm/{path}")).await, 404);
    }
    assert!(world.registry.upstream.all_seen().is_empty(), "nothing is fetched for it");
}
