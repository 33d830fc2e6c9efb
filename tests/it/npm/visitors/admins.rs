//! What is for admins: blocks, what searches find, opened tarballs, the cache, registries and scopes. Source: contract npm
//! §10.1, §13.1, §14, §17, §19.

use serde_json::{Value, json};

use super::{FORBIDDEN, OPEN, ROOT, Row, Told, admins, bare, done, empty, open, row};

pub fn rows() -> Vec<Row> {
    let reason = |_: &str, _: &Value| json!({ "reason": "no" });
    let found = || Told::Json(json!({ "package": "{name}" }));
    let blocked = || json!({ "ok": true, "id": "{some}", "package_id": "evil" });
    let mut blocked_some = blocked();
    blocked_some["version"] = json!("1.x");
    let (whole, some, kept) = ("/-/package/evil/blocks", "/-/package/evil/blocks/1.x", "/-/proxy-cache/left");
    let (refreshed, purged) =
        (json!({ "ok": true, "tasks": "{some}" }), || Told::Json(json!({ "ok": true, "count": "{some}" })));
    let unpacked = Told::Json(json!([{ "path": "/package.json", "type": "file", "size": "{some}" }]));
    let held = |row: Row| row.after("joe", "GET", "/left", Value::Null);
    vec![
        row("PUT", "/-/package/{name}/blocks", reason, FORBIDDEN, Told::Never),
        row("PUT", whole, reason, admins(201), Told::Json(blocked())),
        bare("DELETE", whole, admins(200), done()).after(ROOT, "PUT", whole, json!({ "reason": "no" })),
        row("PUT", some, reason, admins(201), Told::Json(blocked_some)),
        bare("DELETE", some, admins(200), done()).after(ROOT, "PUT", some, json!({ "reason": "no" })),
        row("PUT", "/-/v1/search/sync/{name}", empty, admins(200), found()),
        bare("DELETE", "/-/v1/search/sync/{name}", admins(200), found()),
        row("PUT", "/{name}/1.0.0/files", empty, admins(200), unpacked),
        bare("GET", "/-/proxy-cache", admins(200), Told::Json(json!({ "count": "{some}", "data": "{some}" }))),
        bare("GET", "/-/proxy-cache/{name}", admins(200), Told::Json(json!({ "count": 0, "data": [] }))),
        held(bare("GET", kept, admins(200), Told::Json(json!({ "count": 1, "data": "{some}" })))),
        held(bare("PATCH", kept, admins(200), Told::Json(refreshed))),
        bare("PATCH", "/-/proxy-cache/absent", admins(404), Told::Never),
        held(bare("DELETE", kept, admins(200), purged())),
        bare("DELETE", "/-/proxy-cache/absent", admins(404), Told::Never),
        held(bare("DELETE", "/-/proxy-cache", admins(200), purged())),
        row("POST", "/-/binary/absent/sync", empty, admins(404), Told::Never),
    ]
}

impl Row {
    /// Names a registry.
    fn named(self) -> Self {
        self.after(ROOT, "POST", "/-/registry", registry("", &Value::Null))
    }
}

fn registry(_: &str, _: &Value) -> Value {
    json!({ "name": "{n}", "host": "https://registry.example", "type": "npm" })
}

/// Registries that this one follows, and scopes.
pub fn registries() -> Vec<Row> {
    let renamed = |_: &str, _: &Value| json!({ "name": "{n}-2" });
    let scope = |_: &str, _: &Value| json!({ "name": "@{n}", "registryId": "default" });
    let made = || Told::Json(json!({ "ok": true, "id": "{some}" }));
    let one = "/-/registry/{id}";
    vec![
        bare("GET", "/-/registry", OPEN, Told::Json(json!({ "data": "{some}", "total": "{some}", "count": "{some}" }))),
        row("POST", "/-/registry", registry, admins(200), made()),
        bare("GET", "/-/registry/default", OPEN, Told::Json(json!({ "registryId": "default" }))),
        bare("GET", one, OPEN, Told::Json(json!({ "registryId": "{id}", "name": "{n}", "type": "npm" }))).named(),
        bare("GET", "/-/registry/99999", open(404), Told::Never),
        row("PATCH", one, renamed, admins(200), done()).named(),
        row("PATCH", "/-/registry/99999", renamed, admins(404), Told::Never),
        bare("DELETE", one, admins(200), done()).named(),
        bare("DELETE", "/-/registry/99999", admins(404), Told::Never),
        bare("GET", "/-/registry/self/scopes", OPEN, Told::Json(json!({ "data": "{some}", "count": "{some}" }))),
        bare("GET", "/-/registry/{id}/scopes", OPEN, Told::Json(json!({ "data": [], "count": 0 }))).named(),
        row("POST", "/-/registry/{id}/sync", empty, admins(400), Told::Never).named(),
        row("POST", "/-/registry/default/sync", empty, admins(403), Told::Never),
        row("POST", "/-/scope", scope, admins(200), made()),
        bare("DELETE", "/-/scope/{id}", admins(200), done()).after(ROOT, "POST", "/-/scope", scope("", &Value::Null)),
        bare("DELETE", "/-/scope/99999", admins(404), Told::Never),
    ]
}
