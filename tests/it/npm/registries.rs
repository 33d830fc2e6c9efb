//! Registries that admins name at run time, and the scopes that come from them. Source: contract npm §14.

use serde_json::{Value, json};

use super::assert_refused;
use super::publisher::Publisher;
use crate::support::beside::command;
use crate::support::packages::{Package, Release};
use crate::support::registry::{FakeRegistry, document_path};

/// An admin, of a mount whose registries may be here.
async fn start() -> Publisher {
    Publisher::start("allow_private_registries = true").await.into_admin().await
}

async fn add(joe: &Publisher, name: &str, registry: &FakeRegistry, token: &str) -> String {
    let wish = json!({ "name": name, "host": registry.url(), "type": "cnpm", "authToken": token });
    id(&joe.send("POST", "/-/registry", &wish).await)
}

async fn bind(joe: &Publisher, scope: &str, registry: &str) -> String {
    id(&joe.send("POST", "/-/scope", &json!({ "name": scope, "registryId": registry })).await)
}

fn id(answer: &crate::support::http::Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.summary());
    assert_eq!(answer.json()["ok"], true);
    answer.json()["id"].as_str().expect("an id").to_owned()
}

/// Returns a registry that has a package with these versions.
fn having(name: &str, versions: &[&str]) -> FakeRegistry {
    let registry = FakeRegistry::start();
    registry.publish(&Package::with_versions(name, versions));
    registry
}

async fn latest(joe: &Publisher, name: &str) -> String {
    let answer = joe.get(&format!("/{}", name.replace('/', "%2f"))).await;
    assert_eq!(answer.status, 200, "{}", answer.summary());
    answer.json()["dist-tags"]["latest"].as_str().expect("a version").to_owned()
}

fn was_asked(registry: &FakeRegistry, name: &str) -> bool {
    let (plain, escaped) = (format!("/{name}"), document_path(name));
    registry.upstream.all_seen().iter().any(|seen| seen.path.starts_with(&plain) || seen.path.starts_with(&escaped))
}

#[tokio::test]
async fn a_scope_comes_from_the_registry_it_is_bound_to_at_once() {
    let joe = start().await;
    let (one, other) = (having("@corp/x", &["1.1.0"]), having("@corp/x", &["1.2.0"]));
    joe.registry.publish(&Package::with_versions("@corp/x", &["1.0.0"]));
    assert_eq!(latest(&joe, "@corp/x").await, "1.0.0", "unbound, it comes from where all others come");
    assert_eq!(joe.get("/@corp/x/1.1.0").await.status, 404);
    let first = add(&joe, "one", &one, "one-token").await;
    let scope = bind(&joe, "@corp", &first).await;
    assert_eq!(latest(&joe, "@corp/x").await, "1.1.0", "what another gave under that name is not this one's");
    assert_eq!(joe.get("/@corp/x/-/x-1.1.0.tgz").await.status, 200, "nor is what another lacked");
    assert_eq!(joe.get("/@corp/x/1.0.0").await.status, 404);
    let second = add(&joe, "other", &other, "other-token").await;
    assert_eq!(bind(&joe, "@corp", &second).await, scope, "bound anew");
    assert_eq!(latest(&joe, "@corp/x").await, "1.2.0");
    for (registry, token) in [(&one, "Bearer one-token"), (&other, "Bearer other-token")] {
        let seen = registry.upstream.all_seen();
        assert!(seen.iter().any(|seen| seen.path.contains("corp")));
        assert!(seen.iter().all(|seen| seen.headers.get("authorization") == Some(token)), "{token}");
    }
    assert!(!joe.registry.upstream.all_seen().iter().any(|seen| seen.headers.get("authorization").is_some()));
    // Else the private scope would come at once from where anybody may publish under its names. Contract npm §14 says
    // nothing of it.
    let removed = async || joe.send("DELETE", &format!("/-/registry/{second}"), &Value::Null).await;
    let refused = removed().await;
    assert_refused(&refused, 409);
    assert!(refused.header("npm-notice").expect("a notice").contains("bound"), "{}", refused.summary());
    assert_eq!(latest(&joe, "@corp/x").await, "1.2.0");
    assert_eq!(joe.send("DELETE", &format!("/-/scope/{scope}"), &Value::Null).await.status, 200);
    assert_eq!(latest(&joe, "@corp/x").await, "1.0.0", "and what is unbound is where it was");
    assert_eq!(removed().await.json(), json!({ "ok": true }));
    assert_refused(&removed().await, 404);
}

#[tokio::test]
async fn what_another_registry_had_first_says_nothing_of_what_a_scopes_own_has() {
    let joe = start().await;
    let corp = FakeRegistry::start();
    let package =
        |size: usize| Package::new("@corp/x").cache_control("max-age=0").with(Release::new("1.0.0").size(size));
    let path = "/@corp/x/-/x-1.0.0.tgz";
    let served = async |package: &Package, what: &str| {
        let start = std::time::Instant::now();
        loop {
            let answer = joe.get(path).await;
            if answer.is(&package.release("1.0.0").tarball) {
                break;
            }
            assert!(start.elapsed().as_secs() < 10, "{what}: {}", answer.summary());
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        let document = joe.get("/@corp%2fx").await.json();
        assert_eq!(document["versions"]["1.0.0"]["dist"]["integrity"], package.release("1.0.0").integrity, "{what}");
    };
    let (squatted, real, later) = (package(5_000), package(6_000), package(7_000));
    joe.registry.publish(&squatted);
    corp.publish(&real);
    served(&squatted, "unbound").await;
    let id = add(&joe, "corp", &corp, "").await;
    let scope = bind(&joe, "@corp", &id).await;
    served(&real, "bound").await;
    // It is held to what it had itself, until an operator says otherwise.
    corp.publish(&later);
    served(&real, "held to").await;
    let (well, said) = command(&joe.heliostat, "accept", &["npm", "@corp/x@1.0.0"]);
    assert!(well, "{said}");
    served(&later, "accepted").await;
    assert_eq!(joe.send("DELETE", &format!("/-/scope/{scope}"), &Value::Null).await.status, 200);
    served(&squatted, "unbound again").await;
}

#[tokio::test]
async fn a_registry_that_moves_is_asked_where_it_is_and_shown_nothing_elsewhere() {
    let joe = start().await;
    let (here, there) = (having("@corp/x", &["1.1.0"]), having("@corp/x", &["1.2.0"]));
    let corp = add(&joe, "corp", &here, "hunter2").await;
    bind(&joe, "@corp", &corp).await;
    assert_eq!(latest(&joe, "@corp/x").await, "1.1.0");
    let path = format!("/-/registry/{corp}");
    assert_eq!(joe.send("PATCH", &path, &json!({ "host": there.url() })).await.json(), json!({ "ok": true }));
    assert_eq!(latest(&joe, "@corp/x").await, "1.2.0");
    assert!(there.upstream.all_seen().iter().all(|seen| seen.headers.get("authorization").is_none()));
    assert_eq!(joe.send("PATCH", &path, &json!({ "authToken": "another", "name": "new" })).await.status, 200);
    assert_eq!(joe.get("/@corp%2fx?write=true").await.status, 200);
    let seen = there.upstream.all_seen();
    assert_eq!(seen.last().expect("a request").headers.get("authorization"), Some("Bearer another"));
    let shown = joe.get(&path).await.json();
    assert_eq!((&shown["name"], &shown["host"]), (&json!("new"), &json!(there.url())));
    assert!(!shown.to_string().contains("another"), "a token is never shown");
}

#[tokio::test]
async fn what_is_ours_goes_nowhere_whatever_is_bound() {
    let joe = start().await;
    let corp = having("@acme/x", &["9.0.0"]);
    let id = add(&joe, "corp", &corp, "").await;
    let refused = joe.send("POST", "/-/scope", &json!({ "name": "@acme", "registryId": id })).await;
    assert_refused(&refused, 403);
    for name in ["@mine/x", "@corp/x"] {
        joe.registry.publish(&Package::with_versions(name, &["1.0.0"]));
        corp.publish(&Package::with_versions(name, &["1.1.0"]));
    }
    let scope = bind(&joe, "@mine", "self").await;
    assert_refused(&joe.get("/@mine%2fx").await, 404);
    assert_refused(&joe.get("/@mine/x/-/x-1.0.0.tgz").await, 404);
    assert!(!was_asked(&joe.registry, "@mine/x"), "nobody hears of a name that is ours");
    joe.publish("@mine/x", "0.1.0", json!({})).await;
    // What is published stays ours, wherever its scope comes from now.
    assert_eq!(bind(&joe, "@mine", &id).await, scope);
    assert_eq!(latest(&joe, "@mine/x").await, "0.1.0");
    corp.publish(&Package::with_versions("@mine/y", &["1.0.0"]));
    assert_eq!(latest(&joe, "@mine/y").await, "1.0.0");
    assert!(!was_asked(&joe.registry, "@mine/") && !was_asked(&corp, "@mine/x"));
}

#[tokio::test]
async fn registries_are_listed_with_those_of_the_configuration_and_without_secrets() {
    let joe = start().await;
    let corp = FakeRegistry::start();
    let wish = json!({
        "name": " corp ", "host": format!("{}/npm", corp.url()), "type": "cnpmjsorg", "userPrefix": "corp:",
        "changeStream": "https://registry.example/_changes", "authToken": "hunter2",
    });
    let id = id(&joe.send("POST", "/-/registry", &wish).await);
    assert_refused(
        &joe.send("POST", "/-/registry", &json!({ "name": "corp", "host": corp.url(), "type": "npm" })).await,
        409,
    );
    let listed = joe.get("/-/registry").await.json();
    assert_eq!((&listed["total"], &listed["count"]), (&json!(3), &json!(3)));
    assert!(!listed.to_string().contains("hunter2") && !listed.to_string().contains("authToken"), "{listed}");
    let names: Vec<&Value> = listed["data"].as_array().expect("a list").iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["self", "default", "corp"]);
    let shown = joe.get(&format!("/-/registry/{id}")).await.json();
    assert_eq!(shown, listed["data"][2]);
    let host = format!("{}/npm", corp.url());
    for (member, expected) in [
        ("registryId", json!(id)),
        ("host", json!(host)),
        ("type", json!("cnpmjsorg")),
        ("userPrefix", json!("corp:")),
        ("changeStream", json!("https://registry.example/_changes")),
        ("response", Value::Null),
    ] {
        assert_eq!(shown[member], expected, "{member}");
    }
    assert!(shown["created"].as_str().expect("a time").ends_with('Z'));
    assert_eq!(joe.get("/-/registry/default").await.json()["host"], joe.registry.url());
}

#[tokio::test]
async fn scopes_are_listed_with_their_registry_and_registries_by_pages() {
    let joe = start().await;
    let corp = FakeRegistry::start();
    let id = add(&joe, "corp", &corp, "").await;
    let scope = bind(&joe, "@corp", &id).await;
    let scopes = joe.get(&format!("/-/registry/{id}/scopes")).await.json();
    let expected = json!({ "count": 1, "data": [{ "scopeId": scope, "name": "@corp", "registryId": id }] });
    assert_eq!(scopes, expected);
    let own = joe.get("/-/registry/self/scopes").await.json();
    assert_eq!(own["data"][0]["name"], "@acme");
    let page = joe.get("/-/registry?pageSize=1&pageIndex=1").await.json();
    assert_eq!((&page["data"][0]["name"], &page["total"]), (&json!("default"), &json!(3)));
    assert_eq!(joe.get("/-/registry?pageIndex=99").await.json()["data"], json!([]));
    assert_refused(&joe.get("/-/registry?pageSize=x").await, 400);
    for absent in ["/-/registry/99", "/-/registry/99/scopes", "/-/registry/x"] {
        assert_refused(&joe.get(absent).await, 404);
    }
}

#[tokio::test]
async fn what_stands_in_the_configuration_is_changed_there() {
    let joe = start().await;
    for (method, path, body) in [
        ("PATCH", "/-/registry/default", json!({ "host": "https://registry.example" })),
        ("DELETE", "/-/registry/default", Value::Null),
        ("DELETE", "/-/registry/self", Value::Null),
        ("DELETE", "/-/scope/config-@acme", Value::Null),
    ] {
        let refused = joe.send(method, path, &body).await;
        assert_refused(&refused, 403);
        assert!(refused.header("npm-notice").expect("a notice").contains("configuration"), "{}", refused.summary());
    }
}

#[tokio::test]
async fn a_registry_and_a_scope_must_make_sense() {
    // Where private addresses are not allowed.
    let joe = Publisher::start("").await.into_admin().await;
    let good = || json!({ "name": "corp", "host": "https://registry.example", "type": "npm" });
    for (member, value) in [
        ("host", json!("http://127.0.0.1:1/")),
        ("host", json!("http://[::1]/")),
        ("host", json!("https://joe:secret@registry.example")),
        ("host", json!("ftp://registry.example")),
        ("changeStream", json!("http://169.254.169.254/")),
        ("type", json!("hex")),
        ("name", json!("")),
        ("authToken", json!("a\r\nb")),
        ("host", Value::Null),
    ] {
        let mut wish = good();
        wish[member] = value;
        assert_refused(&joe.send("POST", "/-/registry", &wish).await, 422);
    }
    let id = id(&joe.send("POST", "/-/registry", &good()).await);
    let moved = joe.send("PATCH", &format!("/-/registry/{id}"), &json!({ "host": "http://10.0.0.1" })).await;
    assert_refused(&moved, 422);
    for (name, registry, status) in
        [("corp", &*id, 422), ("@corp/x", &id, 422), ("@corp", "99", 400), ("@c*", &id, 422)]
    {
        let refused = joe.send("POST", "/-/scope", &json!({ "name": name, "registryId": registry })).await;
        assert_refused(&refused, status);
    }
    // What a name resolves to is known only when it is asked.
    let edit = json!({ "host": format!("http://localhost:{}", joe.registry.upstream.address().port()) });
    assert_eq!(joe.send("PATCH", &format!("/-/registry/{id}"), &edit).await.status, 200);
    bind(&joe, "@corp", &id).await;
    joe.registry.publish_plain("@corp/x");
    assert_refused(&joe.get("/@corp%2fx").await, 502);
    assert!(!was_asked(&joe.registry, "@corp/x"), "a private address was reached");
}

#[tokio::test]
async fn a_sync_that_nobody_would_do_is_not_begun() {
    let joe = start().await;
    let corp = FakeRegistry::start();
    let id = add(&joe, "corp", &corp, "").await;
    let sync = async |id: &str| joe.send("POST", &format!("/-/registry/{id}/sync"), &json!({ "since": "1" })).await;
    assert_refused(&sync(&id).await, 400);
    assert_refused(&sync("self").await, 400);
    bind(&joe, "@corp", &id).await;
    for id in [&*id, "default"] {
        assert_refused(&sync(id).await, 403);
    }
    assert_refused(&sync("99").await, 404);
}

#[tokio::test]
async fn a_registry_is_followed_from_where_an_admin_says() {
    let joe = Publisher::start("allow_private_registries = true\nsync = \"known\"").await.into_admin().await;
    let corp = FakeRegistry::start();
    let id = add(&joe, "corp", &corp, "").await;
    bind(&joe, "@corp", &id).await;
    let path = format!("/-/registry/{id}/sync");
    for since in [json!({}), json!({ "since": "1" }), json!({ "since": 1 })] {
        let answer = joe.send("POST", &path, &since).await;
        assert!(answer.status == 200 && answer.json()["ok"] == true, "{}", answer.summary());
    }
    assert_refused(&joe.send("POST", &path, &json!({ "since": [] })).await, 422);
    let silent = json!({ "name": "silent", "host": corp.url(), "type": "npm" });
    let silent = self::id(&joe.send("POST", "/-/registry", &silent).await);
    bind(&joe, "@silent", &silent).await;
    assert_refused(&joe.send("POST", &format!("/-/registry/{silent}/sync"), &json!({})).await, 400);
}
