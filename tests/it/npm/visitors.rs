//! Every endpoint, asked by everybody: what each may do, in npm's shape. Source: contract npm §19.

use serde_json::{Value, json};

use super::acme::{Acme, NOBODY, ROOT, publication};
use crate::support::http::Answer;

/// Who asks: the owner of every package is joe, and jim is in a team that writes to it.
const VISITORS: [&str; 9] = [NOBODY, "ann", "jim", "joe", ROOT, "revoked", "elsewhere", "reader", "robot"];
type Statuses = [u16; 9];

/// One endpoint: the statuses that [`VISITORS`] get, in their order. `{name}`: a package of joe's, a new one for each.
struct Row {
    method: &'static str,
    path: &'static str,
    body: fn(&str, &Value) -> Value,
    expected: Statuses,
    /// What joe does before: method, path and body.
    before: Option<(&'static str, &'static str, Value)>,
    /// What is in the answer to who may, or all of it if that is no object.
    told: Value,
}

const fn row(method: &'static str, path: &'static str, body: fn(&str, &Value) -> Value, expected: Statuses) -> Row {
    Row { method, path, body, expected, before: None, told: Value::Null }
}

impl Row {
    fn tells(self, told: Value) -> Self {
        Self { told, ..self }
    }

    fn after(self, method: &'static str, path: &'static str, body: Value) -> Self {
        Self { before: Some((method, path, body)), ..self }
    }

    /// Tells whether an answer is in npm's error shape, or says what it is to say.
    fn is_told_by(&self, answer: &Answer) -> bool {
        if self.method == "HEAD" || answer.status < 400 && self.told.is_null() {
            return true;
        }
        let body = answer.json();
        match &self.told {
            _ if answer.status >= 400 => body["error"].is_string() && body["reason"] == body["message"],
            Value::Object(members) => members.iter().all(|(name, value)| body[name] == *value),
            whole => body == *whole,
        }
    }
}

fn nothing(_: &str, _: &Value) -> Value {
    Value::Null
}

fn empty(_: &str, _: &Value) -> Value {
    json!({})
}

/// What everybody may read whose credentials are not wrong.
const OPEN: Statuses = [200, 200, 200, 200, 200, 401, 401, 200, 200];
/// What is for who is logged in.
const KNOWN: Statuses = [401, 200, 200, 200, 200, 401, 401, 200, 200];
/// What is for owners, teams that write, and tokens that write.
const fn writers(done: u16) -> Statuses {
    [401, 403, done, done, done, 401, 401, 403, done]
}
/// What is for owners, and tokens that may do everything.
const fn ruling_owners(done: u16) -> Statuses {
    [401, 403, 403, done, done, 401, 401, 403, 403]
}
/// What is for who is logged in, and tokens that may do everything.
const fn users(done: u16) -> Statuses {
    [401, done, done, done, done, 401, 401, 403, 403]
}
/// What is for who is logged in, and tokens that write.
const fn hands(done: u16) -> Statuses {
    [401, done, done, done, done, 401, 401, 403, done]
}
/// What joe may do to his own account, and nobody to another's.
const fn whose(done: u16) -> Statuses {
    [401, 401, 401, done, 401, 401, 401, 403, 403]
}
/// What is nothing, to who is logged in.
const NOTHING: Statuses = [401, 404, 404, 404, 404, 401, 401, 404, 404];
/// What is for admins.
const fn admins(done: u16) -> Statuses {
    [401, 403, 403, 403, done, 401, 401, 403, 403]
}

fn reads() -> Vec<Row> {
    let absent = [404, 404, 404, 404, 404, 401, 401, 404, 404];
    let moved = [302, 302, 302, 302, 302, 401, 401, 302, 302];
    vec![
        row("GET", "/", nothing, OPEN),
        row("GET", "/-/ping", nothing, OPEN).tells(json!({})),
        row("GET", "/{name}", nothing, OPEN),
        row("GET", "/{name}?write=true", nothing, OPEN),
        row("GET", "/{name}/1.0.0", nothing, OPEN),
        row("GET", "/{name}/latest", nothing, OPEN),
        row("GET", "/{name}/-/{file}", nothing, OPEN),
        row("HEAD", "/{name}/-/{file}", nothing, OPEN),
        row("GET", "/{name}/latest/files", nothing, moved),
        row("GET", "/{name}/1.0.0/files/", nothing, OPEN),
        row("GET", "/{name}/1.0.0/files/package.json", nothing, OPEN),
        row("GET", "/-/package/{name}/dist-tags", nothing, OPEN).tells(json!({ "latest": "1.0.0" })),
        row("GET", "/-/package/{name}/owners", nothing, OPEN),
        row("GET", "/-/package/{name}/visibility", nothing, OPEN).tells(json!({ "public": true })),
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

fn lists() -> Vec<Row> {
    vec![
        row("GET", "/-/package/{name}/collaborators", nothing, OPEN)
            .tells(json!({ "jim": "read-write", "joe": "read-write" })),
        row("GET", "/-/package/{name}/access", nothing, OPEN).tells(json!({ "access": "public" })),
        row("GET", "/-/package/{name}/dependents", nothing, OPEN),
        row("GET", "/-/all/since?startkey=1", nothing, OPEN),
        row("GET", "/-/all/changes?since=0", nothing, OPEN),
        row("GET", "/-/short", nothing, OPEN),
        row("GET", "/-/allversions?date=2024-02-29", nothing, OPEN),
        row("GET", "/-/users/joe/packages", nothing, OPEN),
        row("GET", "/downloads/range/last-week/{name}", nothing, OPEN),
        row("GET", "/downloads/total/last-week", nothing, OPEN),
        row("GET", "/downloads/point/last-week/left,right", nothing, OPEN),
        row("GET", "/-/_view/starredByUser?key=%22nobody%22", nothing, OPEN).tells(json!({ "rows": [] })),
        row("GET", "/-/user/joe/stars", nothing, OPEN),
        row("GET", "/-/user/v1/star", nothing, KNOWN),
        row("GET", "/-/npm/v1/keys", nothing, OPEN),
        row("GET", "/-/npm/v1/tokens/gat", nothing, KNOWN),
        row("POST", "/-/npm/v1/security/advisories/bulk", empty, OPEN).tells(json!({})),
        row("POST", "/-/npm/v1/security/audits/quick", tree, OPEN),
        row("POST", "/-/npm/v1/security/audits", tree, OPEN),
    ]
}

fn tree(_: &str, _: &Value) -> Value {
    json!({ "name": "x", "version": "1.0.0", "requires": {}, "dependencies": {} })
}

fn edits() -> Vec<Row> {
    let tags = |_: &str, _: &Value| json!({ "latest": "1.0.0", "beta": "1.0.0" });
    let version = |_: &str, _: &Value| json!("1.0.0");
    let star = |name: &str, _: &Value| json!({ "name": name, "package": name });
    let users_of = |_: &str, document: &Value| json!({ "_id": document["_id"], "_rev": document["_rev"], "users": { "joe": true } });
    let (ok, removed) = (json!({ "ok": true }), "/-/package/{name}/dist-tags/old");
    vec![
        row("PUT", "/{name}", users_of, hands(201)).tells(ok.clone()),
        row("PUT", "/-/user/v1/star", star, hands(201)).tells(ok.clone()),
        row("DELETE", "/-/user/v1/star", star, hands(200)).tells(ok.clone()),
        row("PUT", "/-/user/package/{name}/star", nothing, hands(201)).tells(ok.clone()),
        row("DELETE", "/-/user/package/{name}/star", nothing, hands(200)).tells(ok.clone()),
        row("DELETE", "/{name}/-/{file}/-rev/{rev}", nothing, writers(200)).tells(ok.clone()),
        row("PUT", "/-/package/{name}/dist-tags", tags, writers(201)).tells(ok.clone()),
        row("POST", "/-/package/{name}/dist-tags", tags, writers(201)).tells(ok.clone()),
        row("POST", "/-/package/{name}/dist-tags/beta", version, writers(201)).tells(ok.clone()),
        row("DELETE", removed, nothing, writers(200)).after("PUT", removed, json!("1.0.0")).tells(ok.clone()),
        row("DELETE", "/-/package/{name}/owners/sue", nothing, ruling_owners(200))
            .after("PUT", "/-/package/{name}/owners/sue", Value::Null)
            .tells(json!([owner("joe")])),
        row("PUT", "/-/package/evil/blocks/1.x", |_, _| json!({ "reason": "no" }), admins(201))
            .tells(json!({ "ok": true, "package_id": "evil", "version": "1.x" })),
        row("DELETE", "/-/package/evil/blocks/1.x", nothing, admins(200)).tells(ok),
    ]
}

fn writes() -> Vec<Row> {
    vec![
        row("PUT", "/{name}", |name, _| publication(name, "1.1.0"), writers(201)).tells(json!({ "ok": true })),
        row("PUT", "/{name}", |_, _| json!({ "versions": { "1.0.0": { "deprecated": "old" } } }), writers(201)),
        row("PUT", "/{name}/-rev/{rev}", |_, _| json!({ "versions": {} }), writers(201)),
        row("PUT", "/{name}/-rev/{rev}", |_, _| json!({ "maintainers": [{ "name": "ann" }] }), ruling_owners(201)),
        row("DELETE", "/{name}/-rev/{rev}", nothing, writers(201)).tells(json!({ "ok": true })),
        row("PUT", "/{name}/beta", |_, _| json!("1.0.0"), writers(201)).tells(json!({ "ok": true })),
        row("PUT", "/-/package/{name}/dist-tags/beta", |_, _| json!("1.0.0"), writers(201)),
        row("DELETE", "/-/package/{name}/dist-tags/latest", nothing, [401, 403, 403, 403, 403, 401, 401, 403, 403]),
        row("PUT", "/-/package/{name}/owners/ann", nothing, ruling_owners(200))
            .tells(json!([owner("ann"), owner("joe")])),
        row("POST", "/-/package/{name}/access", |_, _| json!({ "access": "restricted" }), ruling_owners(200)),
        row(
            "PUT",
            "/-/package/{name}/blocks",
            |_, _| json!({ "reason": "no" }),
            [401, 403, 403, 403, 403, 401, 401, 403, 403],
        ),
        row("PUT", "/-/package/evil/blocks", |_, _| json!({ "reason": "no" }), admins(201)),
        row("DELETE", "/-/package/evil/blocks", nothing, admins(200)).tells(json!({ "ok": true })),
        row("PUT", "/-/v1/search/sync/{name}", empty, admins(200)),
        row("PUT", "/{name}/1.0.0/files", empty, admins(200)),
        row("POST", "/-/registry", registry, admins(200)),
        row("PATCH", "/-/registry/99", |_, _| json!({ "name": "corp" }), admins(404)),
        row("DELETE", "/-/registry/99", nothing, admins(404)),
        row("POST", "/-/registry/default/sync", empty, admins(501)),
        row("GET", "/-/proxy-cache", nothing, admins(200)),
        row("GET", "/-/proxy-cache/{name}", nothing, admins(200)).tells(json!({ "count": 0, "data": [] })),
        row("PATCH", "/-/proxy-cache/absent", nothing, admins(404)),
        row("DELETE", "/-/proxy-cache/absent", nothing, admins(404)),
        row("DELETE", "/-/proxy-cache", nothing, admins(200)),
        row("POST", "/-/scope", |_, _| json!({ "name": "@corp", "registryId": "default" }), admins(200)),
        row("DELETE", "/-/scope/99", nothing, admins(404)),
        row(
            "PATCH",
            "/-/org/absent/member/ann",
            |_, _| json!({ "role": "member" }),
            [401, 404, 404, 404, 404, 401, 401, 404, 404],
        ),
    ]
}

fn registry(_: &str, _: &Value) -> Value {
    json!({ "name": "corp", "host": "https://registry.example", "type": "npm" })
}

fn owner(name: &str) -> Value {
    json!({ "username": name, "email": format!("{name}@host.example") })
}

fn user(name: &str) -> Value {
    json!({ "name": name, "password": "a long password", "email": format!("{name}@host.example"), "type": "user" })
}

fn accounts() -> Vec<Row> {
    let hook = |name: &str, _: &Value| json!({ "type": "package", "name": name, "endpoint": "https://host.example/x", "secret": "hunter2" });
    let edit = |_: &str, _: &Value| json!({ "endpoint": "https://host.example/x", "secret": "hunter2" });
    vec![
        // Who logs in may have old credentials beside it.
        row("POST", "/-/v1/login", empty, [200; 9]),
        row("GET", "/-/v1/login/done/session/absent", nothing, [404; 9]),
        row("POST", "/-/npm/v1/user", |_, _| json!({ "fullname": "Somebody" }), users(200)),
        row("POST", "/-/npm/v1/hooks/hook", hook, users(200)),
        row("GET", "/-/npm/v1/hooks/hook/99999", nothing, NOTHING),
        row("PUT", "/-/npm/v1/hooks/hook/99999", edit, users(404)),
        row("DELETE", "/-/npm/v1/hooks/hook/99999", nothing, users(404)),
        row("PUT", "/-/user/org.couchdb.user:sue", |_, _| user("sue"), [201; 9]).tells(json!({ "ok": true })),
        row("PUT", "/-/user/org.couchdb.user:sue/-rev/9-0", |_, _| user("sue"), whose(401)),
        row("PUT", "/-/user/org.couchdb.user:joe/-rev/99-0", |_, _| user("joe"), whose(409)),
        row("DELETE", "/-/user/token/absent", nothing, [401, 422, 422, 422, 422, 401, 401, 422, 422]),
        row("POST", "/-/npm/v1/tokens", |_, _| json!({ "password": "a long password" }), users(200)),
        row("DELETE", "/-/npm/v1/tokens/token/absent", nothing, NOTHING),
        row("POST", "/-/npm/v1/tokens/gat", |name, _| json!({ "name": name, "expires": 1 }), users(200)),
        row("DELETE", "/-/npm/v1/tokens/gat/absent", nothing, NOTHING),
        row("PUT", "/-/org", |_, _| json!({ "name": "made" }), admins(201)),
        row("GET", "/-/org/absent", nothing, NOTHING),
        row("DELETE", "/-/org/absent", nothing, admins(404)),
        row("GET", "/-/org/absent/user", nothing, NOTHING),
        row("PUT", "/-/org/made/user", |_, _| json!({ "user": "ann" }), admins(200)),
        row("PUT", "/-/org/made/team", |_, _| json!({ "name": "core" }), admins(201)),
        row("GET", "/-/org/made/team", nothing, KNOWN),
        row("PUT", "/-/team/made/core/user", |_, _| json!({ "user": "ann" }), admins(201)),
        row("GET", "/-/team/made/core/user", nothing, KNOWN),
        row("DELETE", "/-/team/made/core", nothing, admins(200)),
        row("DELETE", "/-/org/made", nothing, admins(200)).tells(json!({ "ok": true })),
    ]
}

async fn start() -> Acme {
    let mut acme = Acme::start(&["ann", "jim", "joe", "sue"]).await;
    for (user, role) in [("joe", "owner"), ("jim", "developer")] {
        let set = acme.send(ROOT, "PUT", "/-/org/acme/user", json!({ "user": user, "role": role })).await;
        assert_eq!(set.status, 200, "{}", set.summary());
    }
    let revoked = acme.make_token("revoked", "joe", json!({})).await;
    assert_eq!(acme.send("joe", "DELETE", &format!("/-/user/token/{revoked}"), Value::Null).await.status, 200);
    acme.make_token("elsewhere", "joe", json!({ "cidr_whitelist": ["198.51.100.0/24"] })).await;
    acme.make_token("reader", "joe", json!({ "readonly": true })).await;
    acme.make_token("robot", "joe", json!({ "automation": true })).await;
    acme
}

/// Asks as one visitor, of a package of joe's if the row is about one; returns what is wrong.
async fn ask(acme: &Acme, row: &Row, (number, place): (usize, usize)) -> Option<String> {
    let (visitor, expected) = (VISITORS[place], row.expected[place]);
    let name = format!("@acme/p{number}-{place}");
    if row.path.contains("{name}") || (row.body)("{name}", &Value::Null).to_string().contains("{name}") {
        assert_eq!(acme.publish("joe", &name, "1.0.0", None).await.status, 201);
    }
    if let Some((method, path, body)) = &row.before {
        let answer = acme.send("joe", method, &path.replace("{name}", &name), body.clone()).await;
        assert!(answer.status < 300, "{method} {path}: {}", answer.summary());
    }
    let document = acme.get("joe", &format!("/{name}?write=true")).await.json();
    let path = row
        .path
        .replace("{name}", &name)
        .replace("{file}", &format!("p{number}-{place}-1.0.0.tgz"))
        .replace("{rev}", document["_rev"].as_str().unwrap_or_default());
    let answer = acme.send(visitor, row.method, &path, (row.body)(&name, &document)).await;
    let is_right = answer.status == expected && row.is_told_by(&answer);
    let what = || format!("{} {} by {visitor:?}: wanted {expected} {}", row.method, row.path, row.told);
    (!is_right).then(|| format!("{}: {}", what(), answer.summary()))
}

#[tokio::test]
async fn everybody_is_told_at_every_endpoint_what_it_may() {
    let acme = start().await;
    let mut wrong = Vec::new();
    let rows = [reads(), lists(), edits(), writes(), accounts()];
    for (number, row) in rows.iter().flatten().enumerate() {
        for place in 0..VISITORS.len() {
            wrong.extend(ask(&acme, row, (number, place)).await);
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
