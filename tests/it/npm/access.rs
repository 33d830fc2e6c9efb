//! Who sees which packages, on every route; owners, collaborators, access and stars. Source: contract npm §7.3, §7.6, §9.

use serde_json::{Value, json};

use super::acme::{Acme, NOBODY, ROOT};
use super::assert_refused;
use crate::support::beside::command;
use crate::support::http::{Answer, Ask};
use crate::support::registry::ABBREVIATED_ACCEPT;

/// Every route that reads a package.
const READS: [&str; 18] = [
    "/NAME",
    "/NAME?write=true",
    "/NAME/1.0.0",
    "/NAME/latest",
    "/NAME/%5E1",
    "/NAME/-/FILE",
    "/NAME/1.0.0/files?meta",
    "/NAME/1.0.0/files/",
    "/NAME/1.0.0/files/package.json",
    "/NAME/1.0.0/files/package.json?meta",
    "/NAME/download/NAME-1.0.0.tgz",
    "/-/package/NAME/dist-tags",
    "/-/npm/v1/attestations/NAME@1.0.0",
    "/-/package/NAME/owners",
    "/-/package/NAME/collaborators",
    "/-/package/NAME/collaborators?format=cli",
    "/-/package/NAME/visibility",
    "/-/package/NAME/access",
];

/// Puts a package's name into a path of [`READS`].
fn path(template: &str, name: &str) -> String {
    let file = format!("{}-1.0.0.tgz", name.rsplit('/').next().unwrap_or(name));
    format!("/npm{}", template.replace("NAME", name).replace("FILE", &file))
}

/// Asks in each way in which a client asks.
fn asks(template: &str, name: &str) -> Vec<Ask> {
    let path = path(template, name);
    let get = || Ask::get(&path);
    let mut asks = vec![get(), Ask::head(&path), get().header("accept", ABBREVIATED_ACCEPT)];
    asks.push(get().header("range", "bytes=0-3"));
    asks.push(get().header("if-none-match", "*"));
    asks
}

/// Returns what a client reads, with the name of the package left out.
fn read(answer: &Answer, name: &str) -> (u16, String, Vec<Option<String>>) {
    let headers = ["cache-control", "www-authenticate", "content-type", "etag", "npm-notice"];
    let headers = headers.map(|header| answer.header(header).map(|value| value.replace(name, "NAME")));
    (answer.status, answer.text().replace(name, "NAME"), headers.to_vec())
}

#[tokio::test]
async fn what_is_restricted_is_as_good_as_missing_on_every_route() {
    let acme = Acme::start(&["joe", "ann"]).await;
    let published = acme.publish("joe", "@acme/secret", "1.0.0", Some("restricted")).await;
    assert_eq!(published.status, 201, "{}", published.summary());
    for (who, status) in [(NOBODY, 401), ("ann", 404)] {
        for template in READS {
            for (hidden, missing) in asks(template, "@acme/secret").into_iter().zip(asks(template, "@acme/absent")) {
                let (hidden, missing) = (acme.ask(who, hidden).await, acme.ask(who, missing).await);
                assert_eq!(hidden.status, status, "{who:?} {template}: {}", hidden.summary());
                assert_eq!(read(&hidden, "@acme/secret"), read(&missing, "@acme/absent"), "{who:?} {template}");
            }
        }
    }
    for who in ["joe", ROOT] {
        for template in READS {
            let answer = acme.ask(who, Ask::get(&path(template, "@acme/secret"))).await;
            let expected = if template.contains("attestations") { 404 } else { 200 };
            assert_eq!(answer.status, expected, "{who} {template}: {}", answer.summary());
            if answer.status == 200 {
                assert_eq!(answer.header("cache-control"), Some("private, no-store"), "{who} {template}");
                let vary: Vec<&str> = answer.headers.all("vary").collect();
                assert!(vary.iter().any(|vary| vary.contains("Authorization")), "{who} {template}: {vary:?}");
            }
        }
    }
    for seen in acme.registry.upstream.all_seen() {
        assert!(!seen.path.contains("acme"), "upstream heard {}", seen.path);
    }
}

/// Lists what changes a package: method, path, body.
fn writes(name: &str) -> [(&'static str, String, Value); 13] {
    let name = name.replace('/', "%2f");
    [
        ("PUT", format!("/{name}"), json!({ "versions": { "1.0.0": { "deprecated": "old" } } })),
        ("PUT", format!("/{name}"), json!({ "users": { "ann": true } })),
        ("PUT", format!("/{name}/-rev/1-x"), json!({ "maintainers": [{ "name": "ann" }] })),
        ("PUT", format!("/{name}/-rev/1-x"), json!({ "versions": {} })),
        ("DELETE", format!("/{name}/-rev/1-x"), Value::Null),
        ("PUT", format!("/{name}/beta"), json!("1.0.0")),
        ("PUT", format!("/-/package/{name}/dist-tags"), json!({ "beta": "1.0.0" })),
        ("DELETE", format!("/-/package/{name}/dist-tags/latest"), Value::Null),
        ("PUT", format!("/-/package/{name}/owners"), json!({ "user": "ann" })),
        ("DELETE", format!("/-/package/{name}/owners/joe"), Value::Null),
        ("POST", format!("/-/package/{name}/access"), json!({ "access": "public" })),
        ("PUT", "/-/user/v1/star".to_owned(), json!({ "package": name.replace("%2f", "/") })),
        ("PUT", format!("/-/user/package/{name}/star"), Value::Null),
    ]
}

#[tokio::test]
async fn what_is_restricted_is_as_good_as_missing_to_who_writes() {
    let acme = Acme::start(&["joe", "ann"]).await;
    assert_eq!(acme.publish("joe", "@acme/secret", "1.0.0", Some("restricted")).await.status, 201);
    let compare = async || {
        let both = writes("@acme/secret").into_iter().zip(writes("@acme/absent"));
        for ((method, path, body), (_, other, absent)) in both {
            let hidden = acme.send("ann", method, &path, body).await;
            let missing = acme.send("ann", method, &other, absent).await;
            assert!([403, 404].contains(&hidden.status), "{method} {path}: {}", hidden.summary());
            assert_eq!(read(&hidden, "@acme/secret"), read(&missing, "@acme/absent"), "{method} {path}");
        }
        assert_refused(&acme.publish("ann", "@acme/secret", "1.1.0", None).await, 403);
    };
    compare().await;
    let (block, unblock) = (["npm", "@acme/secret", "--reason", "a leak"], ["npm", "@acme/secret"]);
    for (verb, arguments, status) in [("block", &block[..], 451), ("unblock", &unblock[..], 200)] {
        let (well, said) = command(&acme.heliostat, verb, arguments);
        assert!(well, "{said}");
        let mut looks = 0;
        while acme.get("joe", "/@acme/secret").await.status != status {
            looks += 1;
            assert!(looks < 200, "{verb} has no effect");
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        }
        compare().await;
    }
    // What a package asks of who writes, and a namespace of who makes names in it, tells nothing of it either.
    let wish = json!({ "publish_requires_tfa": true, "automation_token_overrides_tfa": false });
    let asked = acme.send(ROOT, "POST", "/-/package/@acme%2fsecret/access", wish).await;
    assert_eq!(asked.status, 200, "{}", asked.summary());
    compare().await;
    let made = acme.send(ROOT, "PUT", "/-/org", json!({ "name": "acme" })).await;
    assert!((200..300).contains(&made.status), "{}", made.summary());
    compare().await;
    let document = acme.get("joe", "/@acme/secret").await.json();
    assert_eq!((&document["dist-tags"], &document["users"]), (&json!({ "latest": "1.0.0" }), &json!({})));
}

#[tokio::test]
async fn access_is_set_by_owners_and_takes_effect_at_once() {
    let acme = Acme::start(&["joe", "ann"]).await;
    assert_eq!(acme.publish("joe", "@acme/tool", "1.0.0", None).await.status, 201);
    let access = "/-/package/@acme%2ftool/access";
    let public = json!({
        "access": "public", "publish_requires_tfa": false, "automation_token_overrides_tfa": false,
    });
    assert_eq!(acme.get(NOBODY, access).await.json(), public);
    assert_refused(&acme.send(NOBODY, "POST", access, json!({ "access": "restricted" })).await, 401);
    assert_refused(&acme.send("ann", "POST", access, json!({ "access": "restricted" })).await, 403);
    for wrong in [json!({ "access": "secret" }), json!({}), json!([])] {
        assert_refused(&acme.send("joe", "POST", access, wrong).await, 422);
    }
    let set = acme.send("joe", "POST", access, json!({ "access": "restricted" })).await;
    assert_eq!((set.status, &set.json()["access"]), (200, &json!("restricted")));
    assert_eq!(acme.get("joe", "/-/package/@acme/tool/visibility").await.json(), json!({ "public": false }));
    assert_eq!(acme.get("ann", "/@acme/tool").await.status, 404);
    // A later publish says who sees it too, as npm's settings do.
    assert_eq!(acme.publish("joe", "@acme/tool", "1.1.0", None).await.status, 201);
    assert_eq!(acme.get("ann", "/@acme/tool").await.status, 404);
    assert_eq!(acme.publish("joe", "@acme/tool", "1.2.0", Some("public")).await.status, 201);
    let seen = acme.get("ann", "/@acme/tool").await;
    assert_eq!((seen.status, seen.header("cache-control")), (200, Some("no-cache")));

    let wish = json!({ "publish_requires_tfa": true, "automation_token_overrides_tfa": true });
    let set = acme.send("joe", "POST", access, wish.clone()).await.json();
    assert_eq!(set["publish_requires_tfa"], wish["publish_requires_tfa"]);
    assert_eq!(set["automation_token_overrides_tfa"], wish["automation_token_overrides_tfa"]);
    assert_eq!(set, acme.get("joe", access).await.json());
    assert_refused(&acme.get(NOBODY, "/-/package/left-pad/visibility").await, 404);
}

#[tokio::test]
async fn owners_come_and_go_by_name() {
    let acme = Acme::start(&["joe", "ann"]).await;
    assert_eq!(acme.publish("joe", "@acme/tool", "1.0.0", None).await.status, 201);
    let owners = "/-/package/@acme%2ftool/owners";
    let (joe, ann) = (
        json!({ "username": "joe", "email": "joe@host.example" }),
        json!({ "username": "ann", "email": "ann@host.example" }),
    );
    assert_eq!(acme.get(NOBODY, owners).await.json(), json!([joe]));
    assert_refused(&acme.send("ann", "PUT", owners, json!({ "user": "ann" })).await, 403);
    assert_refused(&acme.send("joe", "PUT", owners, json!({ "user": "nobody" })).await, 404);
    assert_refused(&acme.send("joe", "PUT", owners, json!({})).await, 422);
    let added = acme.send("joe", "PUT", owners, json!({ "user": "ann" })).await;
    assert_eq!((added.status, added.json()), (200, json!([ann, joe])));
    assert_eq!(acme.publish("ann", "@acme/tool", "1.1.0", None).await.status, 201);
    let list = acme.get(NOBODY, "/-/package/@acme/tool/collaborators?format=cli&user=Ann").await;
    let expected = json!([{ "user": "ann", "email": "ann@host.example", "permissions": "read-write" }]);
    assert_eq!(list.json(), expected);
    let map = acme.get(NOBODY, "/-/package/@acme/tool/collaborators").await;
    assert_eq!(map.json(), json!({ "ann": "read-write", "joe": "read-write" }));
    let removed = acme.send("ann", "DELETE", &format!("{owners}/joe"), Value::Null).await;
    assert_eq!((removed.status, removed.json()), (200, json!([ann])));
    assert_refused(&acme.send("ann", "DELETE", &format!("{owners}/ann"), Value::Null).await, 403);
    assert_refused(&acme.send("joe", "PUT", &format!("{owners}/joe"), Value::Null).await, 403);
    assert_eq!(acme.send(ROOT, "PUT", &format!("{owners}/joe"), Value::Null).await.json(), json!([ann, joe]));
}

#[tokio::test]
async fn stars_are_listed_as_each_client_reads_them() {
    let acme = Acme::start(&["joe", "ann"]).await;
    for (name, access) in [("@acme/tool", None), ("@acme/secret", Some("restricted"))] {
        assert_eq!(acme.publish("joe", name, "1.0.0", access).await.status, 201);
        assert_eq!(
            acme.send("joe", "PUT", "/-/user/v1/star", json!({ "name": name, "package": name })).await.status,
            201
        );
    }
    assert_eq!(acme.send("ann", "PUT", "/-/user/package/@acme%2ftool/star", Value::Null).await.status, 201);
    assert_refused(&acme.send("ann", "PUT", "/-/user/v1/star", json!({})).await, 422);
    assert_refused(&acme.send("ann", "PUT", "/-/user/v1/star", json!({ "package": "left-pad" })).await, 403);
    assert_refused(&acme.send(NOBODY, "PUT", "/-/user/v1/star", json!({ "package": "@acme/tool" })).await, 401);
    let view = "/-/_view/starredByUser?key=%22joe%22";
    let row = |name: &str| json!({ "key": "joe", "value": name });
    for (who, names) in
        [("joe", &["@acme/secret", "@acme/tool"][..]), ("ann", &["@acme/tool"]), (NOBODY, &["@acme/tool"])]
    {
        let rows: Vec<Value> = names.iter().map(|name| row(name)).collect();
        assert_eq!(acme.get(who, view).await.json(), json!({ "rows": rows }), "{who:?}");
        let liked = acme.get(who, "/-/user/joe/stars").await.json();
        assert_eq!(liked.as_object().unwrap().keys().collect::<Vec<_>>(), names, "{who:?}");
    }
    assert_eq!(acme.get("ann", "/-/user/v1/star").await.json(), json!(["@acme/tool"]));
    assert_refused(&acme.get(NOBODY, "/-/user/v1/star").await, 401);
    assert_refused(&acme.get(NOBODY, "/-/user/nobody/stars").await, 404);
    assert_refused(&acme.get(NOBODY, "/-/_view/starredByUser?key=joe").await, 400);
    assert_eq!(acme.get(NOBODY, "/-/_view/starredByUser?key=%22nobody%22").await.json(), json!({ "rows": [] }));
    let taken = acme.send("joe", "DELETE", "/-/user/v1/star", json!({ "package": "@acme/tool" })).await;
    assert_eq!(
        (taken.status, acme.get("joe", "/@acme/tool").await.json()["users"].clone()),
        (200, json!({ "ann": true }))
    );
}

#[tokio::test]
async fn dist_tags_are_set_all_at_once() {
    let acme = Acme::start(&["joe", "ann"]).await;
    for version in ["1.0.0", "1.1.0"] {
        assert_eq!(acme.publish("joe", "@acme/tool", version, None).await.status, 201);
    }
    let tags = "/-/package/@acme%2ftool/dist-tags";
    let set = async |who, method, body| acme.send(who, method, tags, body).await;
    assert_eq!(set("joe", "POST", json!({ "beta": "1.1.0", "old": "1.0.0" })).await.status, 201);
    let expected = json!({ "beta": "1.1.0", "latest": "1.1.0", "old": "1.0.0" });
    assert_eq!(acme.get(NOBODY, tags).await.json(), expected);
    assert_refused(&set("ann", "PUT", json!({ "beta": "1.0.0" })).await, 403);
    assert_refused(&set("joe", "PUT", json!({ "beta": "9.0.0" })).await, 404);
    assert_refused(&set("joe", "PUT", json!({ "1.0.0": "1.0.0" })).await, 422);
    assert_refused(&set("joe", "PUT", json!("1.0.0")).await, 400);
    assert_eq!(acme.get(NOBODY, tags).await.json(), expected, "what is refused changes nothing");
    assert_eq!(set("joe", "PUT", json!({ "next": "1.0.0" })).await.status, 201);
    assert_eq!(acme.get(NOBODY, tags).await.json(), json!({ "latest": "1.1.0", "next": "1.0.0" }));
}
