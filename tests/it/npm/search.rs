//! Searches over what is published here and what upstream finds. Source: contract npm §10.1.

use serde_json::{Value, json};

use super::{Publisher, assert_refused};
use crate::support::beside::block;
use crate::support::http::{Answer, Ask};

fn names(answer: &Answer) -> Vec<String> {
    let found = answer.json();
    let objects = found["objects"].as_array().expect("an array of hits");
    objects.iter().map(|object| object["package"]["name"].as_str().expect("a name").to_owned()).collect()
}

async fn find(joe: &Publisher, query: &str) -> (Vec<String>, u64) {
    let answer = joe.get(&format!("/-/v1/search?{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.summary());
    (names(&answer), answer.json()["total"].as_u64().expect("a total"))
}

/// Publishes three packages here; upstream has seven, one of them under a name of ours.
async fn world(mount: &str) -> Publisher {
    let joe = Publisher::start(mount).await;
    let told = json!({ "description": "pads things", "keywords": ["left", "Align"], "author": "Ann", "license": "MIT",
        "repository": { "type": "git", "url": "git+https://code.example/pad.git" } });
    joe.publish("@acme/pad", "1.0.0", told).await;
    joe.publish("@acme/pad-more", "0.1.0", json!({ "dependencies": { "@acme/pad": "1" } })).await;
    joe.publish("@acme/other", "1.0.0", json!({})).await;
    for name in ["pad-1", "pad-2", "pad-3", "pad-4", "pad-5", "pad-6", "@acme/pad"] {
        joe.registry.publish_plain(name);
    }
    joe
}

#[tokio::test]
async fn ours_come_first_then_what_upstream_finds_without_ours() {
    let joe = world("").await;
    let (found, total) = find(&joe, "text=pad").await;
    let theirs = ["pad-1", "pad-2", "pad-3", "pad-4", "pad-5", "pad-6"];
    assert_eq!(found, [&["@acme/pad", "@acme/pad-more"], &theirs[..]].concat());
    assert_eq!(total, 8, "the sum without what is there twice");
    let mut paged = Vec::new();
    for from in (0..9).step_by(3) {
        paged.extend(find(&joe, &format!("text=pad&from={from}&size=3")).await.0);
    }
    assert_eq!(paged, found, "pages show everything once");

    let hit = joe.get("/-/v1/search?text=pad").await.json()["objects"][0].clone();
    let package = &hit["package"];
    assert_eq!(
        (&package["scope"], &package["version"], &package["license"]),
        (&json!("acme"), &json!("1.0.0"), &json!("MIT"))
    );
    assert_eq!(package["maintainers"], json!([{ "username": "joe", "email": "joe@host.example" }]));
    assert_eq!(package["publisher"]["username"], "joe");
    assert_eq!(package["links"]["repository"], "git+https://code.example/pad.git");
    assert_eq!(package["keywords"], json!(["left", "Align"]));
    assert_eq!((&hit["dependents"], &hit["flags"]), (&json!(1), &json!({})));
    assert!(hit["score"]["final"].as_f64().is_some_and(|score| (0.0..=1.0).contains(&score)), "{hit}");

    let asked = joe.registry.upstream.all_seen().len();
    let refused = joe.get("/-/v1/search?text=pad&size=x").await;
    assert_refused(&refused, 400);
    for wrong in ["text=", "size=3", "text=%20"] {
        assert_refused(&joe.get(&format!("/-/v1/search?{wrong}")).await, 400);
    }
    assert_eq!(joe.registry.upstream.all_seen().len(), asked, "mistakes are told without asking upstream");
}

#[tokio::test]
async fn how_much_a_package_is_needed_does_not_tell_of_what_is_hidden() {
    let joe = world("").await;
    joe.publish("@acme/secret", "1.0.0", json!({ "dependencies": { "@acme/pad": "1" } })).await;
    let needed = async || {
        let hit = joe.get("/-/v1/search?text=@acme/pad").await.json()["objects"][0].clone();
        assert_eq!(hit["package"]["name"], "@acme/pad");
        (hit["dependents"].clone(), hit["score"]["detail"]["popularity"].as_f64().expect("a number"))
    };
    assert_eq!(needed().await.0, 2);
    let restrict = async |access: &str| {
        let set = joe.send("POST", "/-/package/@acme%2fsecret/access", &json!({ "access": access })).await;
        assert_eq!(set.status, 200, "{}", set.summary());
    };
    restrict("restricted").await;
    assert_eq!(needed().await, (json!(1), 0.5), "its owner reads what everybody reads");
    restrict("public").await;
    assert_eq!(needed().await.0, 2);
    for name in ["@acme/secret", "@acme/pad-more"] {
        block(&joe.heliostat, &format!("/npm/{name}"), &["npm", name, "*"]).await;
    }
    assert_eq!(needed().await, (json!(0), 0.0));
}

#[tokio::test]
async fn what_is_said_with_a_colon_is_held_to() {
    let joe = world("passthrough = false").await;
    for (text, expected) in [
        ("author:ann", &["@acme/pad"][..]),
        ("maintainer:joe", &["@acme/other", "@acme/pad", "@acme/pad-more"]),
        ("maintainer:jim", &[]),
        ("scope:acme+other", &["@acme/other"]),
        ("keywords:align,-left", &[]),
        ("keywords:align", &["@acme/pad"]),
        ("pad+not:unstable", &["@acme/pad"]),
        ("pad+is:unstable", &["@acme/pad-more"]),
        ("is:deprecated", &[]),
        ("things", &["@acme/pad"]),
        ("nothing", &[]),
    ] {
        let (found, total) = find(&joe, &format!("text={text}")).await;
        assert_eq!(
            (found.iter().map(String::as_str).collect::<Vec<_>>(), total),
            (expected.to_vec(), expected.len() as u64),
            "{text}"
        );
    }
    assert!(joe.registry.upstream.all_seen().is_empty());
}

#[tokio::test]
async fn upstream_hears_of_no_name_of_ours_and_may_fail() {
    let joe = world("").await;
    for text in ["@acme/pad", "%22@acme/secret%22", "scope:acme+x", "scope:@acme", "x+@acme", "maintainer:@acme/pad"] {
        let answer = joe.get(&format!("/-/v1/search?text={text}")).await;
        assert_eq!(answer.status, 200, "{}", answer.summary());
    }
    assert!(joe.registry.upstream.all_seen().is_empty(), "upstream heard of ours");
    joe.registry.upstream.vanish().await;
    assert_eq!(find(&joe, "text=pad").await, (vec!["@acme/pad".to_owned(), "@acme/pad-more".to_owned()], 2));
}

#[tokio::test]
async fn an_admin_says_what_is_found() {
    let joe = world("").await;
    let path = "/-/v1/search/sync/@acme%2fpad";
    assert_refused(&joe.send("DELETE", path, &Value::Null).await, 403);
    assert_refused(&joe.heliostat.ask(&Ask::new("DELETE", &format!("/npm{path}"))).await, 401);
    let boss = joe.into_admin().await;
    let dropped = boss.send("DELETE", path, &Value::Null).await;
    assert_eq!((dropped.status, dropped.json()), (200, json!({ "package": "@acme/pad" })), "{}", dropped.summary());
    assert_eq!(find(&boss, "text=pad&size=1").await.0, ["@acme/pad-more"]);
    assert_eq!(boss.send("PUT", path, &Value::Null).await.status, 200);
    assert_eq!(find(&boss, "text=pad&size=1").await.0, ["@acme/pad"]);
    assert_refused(&boss.send("PUT", "/-/v1/search/sync/absent", &Value::Null).await, 404);
}
