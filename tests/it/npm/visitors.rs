//! Every endpoint, asked by everybody: what each may do, in npm's shape. Source: contract npm §19.

use serde_json::{Value, json};

use super::acme::{Acme, NOBODY, ROOT, publication};

/// Who asks: the owner of every package is joe.
const VISITORS: [&str; 8] = [NOBODY, "ann", "joe", ROOT, "revoked", "elsewhere", "reader", "robot"];

/// One endpoint: the statuses that [`VISITORS`] get, in their order. `{name}`: a package of joe's, a new one for each.
struct Row {
    method: &'static str,
    path: &'static str,
    body: fn(&str, &Value) -> Value,
    expected: [u16; 8],
}

const fn row(method: &'static str, path: &'static str, body: fn(&str, &Value) -> Value, expected: [u16; 8]) -> Row {
    Row { method, path, body, expected }
}

fn nothing(_: &str, _: &Value) -> Value {
    Value::Null
}

fn empty(_: &str, _: &Value) -> Value {
    json!({})
}

/// What everybody may read whose credentials are not wrong.
const OPEN: [u16; 8] = [200, 200, 200, 200, 401, 401, 200, 200];
/// What is for who is logged in.
const KNOWN: [u16; 8] = [401, 200, 200, 200, 401, 401, 200, 200];
/// What is for owners, and tokens that write.
const fn owners(done: u16) -> [u16; 8] {
    [401, 403, done, done, 401, 401, 403, done]
}
/// What is for owners, and tokens that may do everything.
const fn ruling_owners(done: u16) -> [u16; 8] {
    [401, 403, done, done, 401, 401, 403, 403]
}
/// What is for who is logged in, and tokens that may do everything.
const fn users(done: u16) -> [u16; 8] {
    [401, done, done, done, 401, 401, 403, 403]
}
/// What is nothing, to who is logged in.
const NOTHING: [u16; 8] = [401, 404, 404, 404, 401, 401, 404, 404];
/// What is for admins.
const fn admins(done: u16) -> [u16; 8] {
    [401, 403, 403, done, 401, 401, 403, 403]
}

fn reads() -> Vec<Row> {
    let absent = [404, 404, 404, 404, 401, 401, 404, 404];
    let moved = [302, 302, 302, 302, 401, 401, 302, 302];
    vec![
        row("GET", "/", nothing, OPEN),
        row("GET", "/-/ping", nothing, OPEN),
        row("GET", "/{name}", nothing, OPEN),
        row("GET", "/{name}?write=true", nothing, OPEN),
        row("GET", "/{name}/1.0.0", nothing, OPEN),
        row("GET", "/{name}/latest", nothing, OPEN),
        row("GET", "/{name}/-/{file}", nothing, OPEN),
        row("HEAD", "/{name}/-/{file}", nothing, OPEN),
        row("GET", "/{name}/latest/files", nothing, moved),
        row("GET", "/{name}/1.0.0/files/", nothing, OPEN),
        row("GET", "/{name}/1.0.0/files/package.json", nothing, OPEN),
        row("GET", "/-/package/{name}/dist-tags", nothing, OPEN),
        row("GET", "/-/package/{name}/owners", nothing, OPEN),
        row("GET", "/-/package/{name}/visibility", nothing, OPEN),
        row("GET", "/-/package/{name}/blocks", nothing, OPEN),
        row("GET", "/-/npm/v1/attestations/{name}@1.0.0", nothing, absent),
        row("GET", "/_changes?since=0", nothing, OPEN),
        row("GET", "/-/all", nothing, OPEN),
        row("GET", "/-/by-user/joe", nothing, OPEN),
        row("GET", "/-/v1/search?text=acme", nothing, OPEN),
        row("GET", "/downloads/point/last-week/{name}", nothing, OPEN),
        row("GET", "/-/user/org.couchdb.user:joe", nothing, OPEN),
        row("GET", "/-/whoami", nothing, KNOWN),
        row("GET", "/-/npm/v1/user", nothing, KNOWN),
        row("GET", "/-/npm/v1/tokens", nothing, KNOWN),
        row("GET", "/-/npm/v1/hooks", nothing, KNOWN),
        row("GET", "/-/registry", nothing, OPEN),
        row("GET", "/-/registry/default", nothing, OPEN),
        row("GET", "/-/registry/self/scopes", nothing, OPEN),
    ]
}

fn writes() -> Vec<Row> {
    vec![
        row("PUT", "/{name}", |name, _| publication(name, "1.1.0"), owners(201)),
        row("PUT", "/{name}", |_, _| json!({ "versions": { "1.0.0": { "deprecated": "old" } } }), owners(201)),
        row("PUT", "/{name}/-rev/{rev}", |_, _| json!({ "versions": {} }), owners(201)),
        row("PUT", "/{name}/-rev/{rev}", |_, _| json!({ "maintainers": [{ "name": "ann" }] }), ruling_owners(201)),
        row("DELETE", "/{name}/-rev/{rev}", nothing, owners(201)),
        row("PUT", "/{name}/beta", |_, _| json!("1.0.0"), owners(201)),
        row("PUT", "/-/package/{name}/dist-tags/beta", |_, _| json!("1.0.0"), owners(201)),
        row("DELETE", "/-/package/{name}/dist-tags/latest", nothing, [401, 403, 403, 403, 401, 401, 403, 403]),
        row("PUT", "/-/package/{name}/owners/ann", nothing, ruling_owners(200)),
        row("POST", "/-/package/{name}/access", |_, _| json!({ "access": "restricted" }), ruling_owners(200)),
        row(
            "PUT",
            "/-/package/{name}/blocks",
            |_, _| json!({ "reason": "no" }),
            [401, 403, 403, 403, 401, 401, 403, 403],
        ),
        row("PUT", "/-/package/evil/blocks", |_, _| json!({ "reason": "no" }), admins(201)),
        row("DELETE", "/-/package/evil/blocks", nothing, admins(200)),
        row("PUT", "/-/v1/search/sync/{name}", empty, admins(200)),
        row("PUT", "/{name}/1.0.0/files", empty, admins(200)),
        row("POST", "/-/registry", registry, admins(200)),
        row("PATCH", "/-/registry/99", |_, _| json!({ "name": "corp" }), admins(404)),
        row("DELETE", "/-/registry/99", nothing, admins(404)),
        row("POST", "/-/registry/default/sync", empty, admins(501)),
        row("POST", "/-/scope", |_, _| json!({ "name": "@corp", "registryId": "default" }), admins(200)),
        row("DELETE", "/-/scope/99", nothing, admins(404)),
        row(
            "PATCH",
            "/-/org/absent/member/ann",
            |_, _| json!({ "role": "member" }),
            [401, 404, 404, 404, 401, 401, 404, 404],
        ),
    ]
}

fn registry(_: &str, _: &Value) -> Value {
    json!({ "name": "corp", "host": "https://registry.example", "type": "npm" })
}

fn accounts() -> Vec<Row> {
    let hook = |name: &str, _: &Value| json!({ "type": "package", "name": name, "endpoint": "https://host.example/x", "secret": "hunter2" });
    let edit = |_: &str, _: &Value| json!({ "endpoint": "https://host.example/x", "secret": "hunter2" });
    vec![
        // Who logs in may have old credentials beside it.
        row("POST", "/-/v1/login", empty, [200; 8]),
        row("GET", "/-/v1/login/done/session/absent", nothing, [404; 8]),
        row("POST", "/-/npm/v1/user", |_, _| json!({ "fullname": "Somebody" }), users(200)),
        row("POST", "/-/npm/v1/hooks/hook", hook, users(200)),
        row("GET", "/-/npm/v1/hooks/hook/99999", nothing, NOTHING),
        row("PUT", "/-/npm/v1/hooks/hook/99999", edit, users(404)),
        row("DELETE", "/-/npm/v1/hooks/hook/99999", nothing, users(404)),
        row("PUT", "/-/org", |_, _| json!({ "name": "made" }), admins(201)),
        row("GET", "/-/org/absent", nothing, NOTHING),
        row("GET", "/-/org/absent/user", nothing, NOTHING),
        row("PUT", "/-/org/made/user", |_, _| json!({ "user": "ann" }), admins(200)),
        row("PUT", "/-/org/made/team", |_, _| json!({ "name": "core" }), admins(201)),
        row("GET", "/-/org/made/team", nothing, KNOWN),
        row("PUT", "/-/team/made/core/user", |_, _| json!({ "user": "ann" }), admins(201)),
        row("GET", "/-/team/made/core/user", nothing, KNOWN),
        row("DELETE", "/-/team/made/core", nothing, admins(200)),
    ]
}

async fn start() -> Acme {
    let mut acme = Acme::start(&["ann", "joe"]).await;
    let revoked = acme.make_token("revoked", "joe", json!({})).await;
    assert_eq!(acme.send("joe", "DELETE", &format!("/-/user/token/{revoked}"), Value::Null).await.status, 200);
    acme.make_token("elsewhere", "joe", json!({ "cidr_whitelist": ["198.51.100.0/24"] })).await;
    acme.make_token("reader", "joe", json!({ "readonly": true })).await;
    acme.make_token("robot", "joe", json!({ "automation": true })).await;
    acme
}

#[tokio::test]
async fn everybody_is_told_at_every_endpoint_what_it_may() {
    let acme = start().await;
    let mut wrong = Vec::new();
    for (number, row) in reads().into_iter().chain(writes()).chain(accounts()).enumerate() {
        for (place, visitor) in VISITORS.into_iter().enumerate() {
            let name = format!("@acme/p{number}-{place}");
            if row.path.contains("{name}") {
                assert_eq!(acme.publish("joe", &name, "1.0.0", None).await.status, 201);
            }
            let document = acme.get("joe", &format!("/{name}?write=true")).await.json();
            let path = row
                .path
                .replace("{name}", &name)
                .replace("{file}", &format!("p{number}-{place}-1.0.0.tgz"))
                .replace("{rev}", document["_rev"].as_str().unwrap_or_default());
            let answer = acme.send(visitor, row.method, &path, (row.body)(&name, &document)).await;
            let expected = row.expected[place];
            let is_shaped = row.method == "HEAD" || answer.status < 400 || {
                let body = answer.json();
                body["error"].is_string() && body["reason"] == body["message"]
            };
            if answer.status != expected || !is_shaped {
                let what = format!("{} {} by {visitor:?}", row.method, row.path);
                wrong.push(format!("{what}: wanted {expected}: {}", answer.summary()));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
