//! What may be published, and what becomes of tags when versions go. Source: contract npm §1.3, §7.1, §7.4.

use base64::Engine as _;
use futures_util::future::join_all;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha512};

use super::acme::{Acme, NOBODY, ROOT, publication};
use super::assert_refused;
use crate::support::beside::command;
use crate::support::http::Ask;
use crate::support::random::hex;

const TOOL: &str = "@acme/tool";
const PATH: &str = "/@acme%2ftool";

#[tokio::test]
async fn what_could_not_be_served_is_not_published() {
    let acme = Acme::start(&["joe"]).await;
    let put = async |body: Value| acme.send("joe", "PUT", PATH, body).await;
    let mut deep = publication(TOOL, "1.0.0");
    let nested = (0..126).fold(json!(1), |inner, _| json!({ "a": inner }));
    deep["versions"]["1.0.0"]["config"] = nested;
    let refused = put(deep).await;
    assert_refused(&refused, 422);
    assert_refused(&acme.get("joe", PATH).await, 404);
    assert_eq!(put(publication(TOOL, "1.0.0")).await.status, 201);
    for version in ["1.0.0", "1.0.0+build"] {
        assert_refused(&put(publication(TOOL, version)).await, 403);
    }
    let mut cleaned = publication(TOOL, "1.0.1+build");
    let manifest = cleaned["versions"]["1.0.1+build"].take();
    cleaned["versions"] = json!({ "1.0.1": manifest });
    cleaned["versions"]["1.0.1"]["version"] = json!("1.0.1");
    cleaned["dist-tags"]["latest"] = json!("1.0.1");
    let attached = cleaned["_attachments"]["@acme/tool-1.0.1+build.tgz"].take();
    cleaned["_attachments"] = json!({ "@acme/tool-1.0.1.tgz": attached });
    let published = put(cleaned).await;
    assert_eq!(published.status, 201, "npm leaves build metadata out: {}", published.summary());
}

#[tokio::test]
async fn of_builds_of_one_version_that_come_at_once_one_is_published() {
    let acme = Acme::start(&["joe"]).await;
    assert_eq!(acme.publish("joe", TOOL, "0.1.0", None).await.status, 201);
    let builds: Vec<String> = (0..12).map(|build| format!("1.0.0+{build}")).collect();
    let answers = join_all(builds.iter().map(|version| acme.publish("joe", TOOL, version, None))).await;
    let (published, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 201);
    assert_eq!(published.len(), 1);
    refused.iter().for_each(|answer| assert_refused(answer, 403));
    let document = acme.get("joe", PATH).await.json();
    assert_eq!(document["versions"].as_object().expect("an object").len(), 2, "{}", document["versions"]);
}

#[tokio::test]
async fn who_may_not_publish_is_told_before_a_long_body_is_read() {
    let acme = Acme::start(&["joe", "ann"]).await;
    assert_eq!(acme.publish("joe", TOOL, "1.0.0", None).await.status, 201);
    let mut long = publication(TOOL, "1.1.0");
    long["readme"] = json!("x".repeat(2 << 20));
    let refused = acme.send("ann", "PUT", PATH, long.clone()).await;
    assert!(refused.status == 413 && refused.completed(), "no star is that long: {}", refused.summary());
    assert_eq!(acme.send("joe", "PUT", PATH, long).await.status, 201);
    let head = |who: &str, path: &str| {
        let ask = Ask::new("PUT", &format!("/npm{path}")).header("content-length", "90000000");
        (who.to_owned(), ask.header("expect", "100-continue"))
    };
    for (who, path, status) in [("ann", PATH, 413), ("ann", "/elsewhere", 403), (NOBODY, PATH, 401)] {
        let (who, ask) = head(who, path);
        assert_refused(&acme.ask(&who, ask).await, status);
    }
    let star = json!({ "_id": TOOL, "_rev": "1-a", "users": { "ann": true } });
    assert_eq!(acme.send("ann", "PUT", PATH, star).await.status, 201, "who may not publish may like it");
}

#[tokio::test]
async fn a_mount_says_what_new_names_may_be_and_how_long_a_publish() {
    let mount = "merged = [\"*\"]\nnew_names = \"seed-regex\"\nmax_publish_bytes = \"64KiB\"";
    let acme = Acme::start_with(&[], mount).await;
    for (name, status) in [("JSONStream", 422), ("@acme/_tool", 422), ("json-stream", 201)] {
        let answer = acme.publish(ROOT, name, "1.0.0", None).await;
        assert_eq!(answer.status, status, "{name}: {}", answer.summary());
    }
    let mut long = publication("json-stream", "1.1.0");
    long["readme"] = json!("x".repeat(64 << 10));
    assert_refused(&acme.send(ROOT, "PUT", "/json-stream", long).await, 413);
}

#[tokio::test]
async fn latest_stays_while_a_version_does() {
    let acme = Acme::start(&["joe"]).await;
    for version in ["1.0.0", "1.1.0", "2.0.0-rc.1"] {
        assert_eq!(acme.publish("joe", TOOL, version, None).await.status, 201);
    }
    let tags = async || acme.get(NOBODY, "/-/package/@acme%2ftool/dist-tags").await.json();
    assert_eq!(tags().await, json!({ "latest": "2.0.0-rc.1" }));
    let removed = acme.send("joe", "DELETE", "/@acme/tool/-/tool-2.0.0-rc.1.tgz/-rev/1-a", Value::Null).await;
    assert_eq!(removed.status, 200, "{}", removed.summary());
    assert_eq!(tags().await, json!({ "latest": "1.1.0" }));
    let mut beta = publication(TOOL, "3.0.0-beta.1");
    beta["dist-tags"] = json!({ "beta": "3.0.0-beta.1" });
    assert_eq!(acme.send("joe", "PUT", PATH, beta).await.status, 201);
    assert_eq!(tags().await, json!({ "beta": "3.0.0-beta.1", "latest": "1.1.0" }), "it was there, and stays");

    // A client that takes a version away and says nothing of latest.
    let document = acme.get("joe", "/@acme/tool?write=true").await.json();
    let mut left = json!({ "versions": document["versions"], "dist-tags": { "beta": "3.0.0-beta.1" } });
    left["versions"].as_object_mut().unwrap().remove("1.1.0");
    let path = format!("{PATH}/-rev/{}", document["_rev"].as_str().unwrap());
    let edited = acme.send("joe", "PUT", &path, left.clone()).await;
    assert_eq!(edited.status, 201, "{}", edited.summary());
    assert_eq!(tags().await, json!({ "beta": "3.0.0-beta.1", "latest": "1.0.0" }));
    assert_refused(&acme.send("joe", "PUT", &path, left).await, 409);
    assert_refused(&acme.send("joe", "PUT", &path, publication(TOOL, "4.0.0")).await, 409);
}

#[tokio::test]
async fn the_readme_is_that_of_the_version_that_shows_the_package_and_goes_with_it() {
    let acme = Acme::start(&["joe"]).await;
    let publish = async |version: &str, tag: &str, readme: Option<&str>| {
        let mut body = publication(TOOL, version);
        body["dist-tags"] = json!({ tag: version });
        if let Some(readme) = readme {
            body["versions"][version]["readme"] = json!(readme);
        }
        let published = acme.send("joe", "PUT", PATH, body).await;
        assert_eq!(published.status, 201, "{}", published.summary());
    };
    let readme = async || acme.get("joe", PATH).await.json().get("readme").cloned();
    publish("1.0.0", "latest", Some("one")).await;
    publish("2.0.0-rc.1", "beta", Some("secret")).await;
    assert_eq!(readme().await, Some(json!("one")), "a test release shows nothing");
    let moved = acme.send("joe", "PUT", "/-/package/@acme%2ftool/dist-tags/latest", json!("2.0.0-rc.1")).await;
    assert_eq!((moved.status, readme().await), (201, Some(json!("secret"))));
    let removed = acme.send("joe", "DELETE", "/@acme/tool/-/tool-2.0.0-rc.1.tgz/-rev/1-a", Value::Null).await;
    assert_eq!((removed.status, readme().await), (200, Some(json!("one"))));
    publish("1.1.0", "latest", None).await;
    assert_eq!(readme().await, None, "it has none");
    publish("1.2.0", "latest", Some("secret")).await;
    assert_eq!(acme.send("joe", "DELETE", "/@acme%2ftool/-rev/1-a", Value::Null).await.status, 201);
    let left = acme.get("joe", PATH).await;
    assert!(left.json()["time"]["unpublished"].is_object(), "{}", left.summary());
    assert!(!left.text().contains("secret"), "{}", left.text());
}

#[tokio::test]
async fn who_deprecates_again_changes_nothing() {
    let acme = Acme::start(&["joe"]).await;
    for version in ["1.0.0", "1.1.0"] {
        acme.publish("joe", TOOL, version, None).await;
    }
    let rev = async || acme.get("joe", "/@acme/tool?write=true").await.json()["_rev"].clone();
    let reason = |first: &str| json!({ "versions": { "1.0.0": { "deprecated": first }, "1.1.0": {} } });
    let mut revs = vec![rev().await];
    for text in ["old", "old", "", ""] {
        assert_eq!(acme.send("joe", "PUT", PATH, reason(text)).await.status, 201);
        revs.push(rev().await);
    }
    assert!(revs[0] != revs[1] && revs[1] == revs[2] && revs[2] != revs[3] && revs[3] == revs[4], "{revs:?}");
    let longest = "ü".repeat(10_240);
    assert_refused(&acme.send("joe", "PUT", PATH, reason(&format!("{longest}!"))).await, 422);
    assert_eq!(rev().await, revs[4]);
    assert_eq!(acme.send("joe", "PUT", PATH, reason(&longest)).await.status, 201);
}

#[tokio::test]
async fn a_provenance_bundle_is_served_as_it_was_attached() {
    let acme = Acme::start(&["joe"]).await;
    let mut body = publication(TOOL, "1.0.0");
    let tarball = base64::engine::general_purpose::STANDARD
        .decode(body["_attachments"]["@acme/tool-1.0.0.tgz"]["data"].as_str().unwrap())
        .unwrap();
    let statement = |sha512: String| {
        json!({
            "predicateType": "https://slsa.dev/provenance/v1",
            "subject": [{ "name": "pkg:npm/%40acme/tool@1.0.0", "digest": { "sha512": sha512 } }],
        })
    };
    let bundle = |statement: &Value| {
        let payload = super::base64(statement.to_string().as_bytes());
        json!({ "dsseEnvelope": { "payload": payload, "signatures": [] }, "mediaType": "a bundle" })
    };
    let right = bundle(&statement(hex(&Sha512::digest(&tarball))));
    for (attached, status) in [(bundle(&statement("00".repeat(64))), 422), (right.clone(), 201)] {
        body["_attachments"]["@acme/tool-1.0.0.sigstore"] = json!({ "data": attached.to_string() });
        let answer = acme.send("joe", "PUT", PATH, body.clone()).await;
        assert_eq!(answer.status, status, "{}", answer.summary());
    }
    let manifest = acme.get(NOBODY, "/@acme/tool/1.0.0").await.json();
    let attestations = &manifest["dist"]["attestations"];
    assert_eq!(attestations["provenance"], json!({ "predicateType": "https://slsa.dev/provenance/v1" }));
    let url = attestations["url"].as_str().unwrap();
    let path = url.strip_prefix(&acme.heliostat.url()).expect("a link to ourselves");
    let served = acme.heliostat.get(path).await.json();
    let expected = json!({ "predicateType": "https://slsa.dev/provenance/v1", "bundle": right });
    assert_eq!(served, json!({ "attestations": [expected] }));
    acme.publish("joe", TOOL, "1.1.0", None).await;
    assert_refused(&acme.get(NOBODY, "/-/npm/v1/attestations/@acme%2ftool@1.1.0").await, 404);
}

#[tokio::test]
async fn a_tarball_of_ours_is_served_in_part_and_to_browsers() {
    let acme = Acme::start(&["joe"]).await;
    acme.publish("joe", TOOL, "1.0.0", None).await;
    let path = "/npm/@acme/tool/-/tool-1.0.0.tgz";
    let whole = acme.heliostat.get(path).await;
    assert_eq!(whole.header("access-control-allow-origin"), Some("*"));
    for _ in 0..2 {
        let ask = Ask::get(path).header("range", "bytes=3-9");
        let part = acme.heliostat.ask(&ask).await;
        assert_eq!((part.status, &part.body[..]), (206, &whole.body[3..10]));
    }
    let head = acme.heliostat.ask(&Ask::head(path)).await;
    assert_eq!(head.header("content-length"), Some(whole.body.len().to_string().as_str()));
}

#[tokio::test]
async fn an_operator_sees_who_has_written_what() {
    let acme = Acme::start(&["joe"]).await;
    acme.publish("joe", TOOL, "1.0.0", None).await;
    acme.publish("joe", TOOL, "1.1.0", None).await;
    let audit = |arguments: &[&str]| {
        let (well, said) = command(&acme.heliostat, "audit", arguments);
        assert!(well, "{said}");
        said.lines().map(|line| line.split('\t').map(str::to_owned).collect::<Vec<_>>()).collect::<Vec<_>>()
    };
    let all = audit(&[]);
    let numbers: Vec<u64> = all.iter().map(|line| line[0].parse().expect("a number")).collect();
    assert!(numbers.is_sorted() && numbers.len() > 2, "{all:?}");
    let of_tool = audit(&["npm/@acme/tool"]);
    assert_eq!(of_tool.len(), 2, "{of_tool:?}");
    for line in &of_tool {
        assert!(line[2].starts_with("joe (token ") && line[2].ends_with(" from 127.0.0.1"), "{line:?}");
        assert_eq!(line[3], "publish npm/@acme/tool");
    }
    let before = audit(&["--limit", "1", "--before", &of_tool[1][0], "npm/@acme/tool"]);
    assert_eq!(before, of_tool[..1]);
}

#[tokio::test]
async fn one_write_sets_few_tags_and_names_few_owners() {
    let acme = Acme::start(&["joe", "ann"]).await;
    assert_eq!(acme.publish("joe", TOOL, "1.0.0", None).await.status, 201);
    let path = "/-/package/@acme%2ftool/dist-tags";
    let tags = |from: usize, count: usize| {
        let tags = (from..from + count).map(|number| (format!("t{number}"), json!("1.0.0")));
        Value::Object(tags.collect())
    };
    assert_refused(&acme.send("joe", "POST", path, tags(0, 33)).await, 422);
    for round in 0..31 {
        assert_eq!(acme.send("joe", "POST", path, tags(round * 32, 32)).await.status, 201);
    }
    // With latest there are 993.
    assert_refused(&acme.send("joe", "POST", path, tags(992, 8)).await, 422);
    assert_eq!(acme.send("joe", "POST", path, tags(985, 14)).await.status, 201, "but for those that are there already");
    assert_refused(&acme.send("joe", "PUT", &format!("{path}/more"), json!("1.0.0")).await, 422);
    let mut more = publication(TOOL, "1.1.0");
    more["dist-tags"] = json!({ "more": "1.1.0" });
    assert_refused(&acme.send("joe", "PUT", PATH, more).await, 422);
    assert_eq!(acme.send("joe", "PUT", path, tags(0, 999)).await.status, 201, "none of them is set anew");

    let rev = acme.get("joe", "/@acme/tool?write=true").await.json()["_rev"].as_str().unwrap().to_owned();
    let owners = |names: Vec<String>| {
        let owners: Vec<Value> = names.iter().map(|name| json!({ "name": name, "email": "" })).collect();
        json!({ "maintainers": owners })
    };
    let put = async |names| acme.send("joe", "PUT", &format!("{PATH}/-rev/{rev}"), owners(names)).await;
    assert_refused(&put((0..101).map(|number| format!("user{number}")).collect()).await, 422);
    assert_refused(&put(vec!["joe".to_owned(), "nobody".to_owned()]).await, 404);
    let mut repeated = vec!["Joe".to_owned(); 200];
    repeated.push("ann".to_owned());
    let handed = put(repeated).await;
    assert_eq!(handed.status, 201, "{}", handed.summary());
    let document = acme.get("joe", "/@acme/tool?write=true").await.json();
    let names: Vec<&str> =
        document["maintainers"].as_array().unwrap().iter().filter_map(|owner| owner["name"].as_str()).collect();
    assert_eq!(names, ["ann", "joe"]);
}
