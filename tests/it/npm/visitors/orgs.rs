//! Organisations and teams: each row has one of joe's. Source: contract npm §9.

use serde_json::{Value, json};

use super::{KNOWN, NOTHING, ROOT, Row, Told, admins, bare, done, row, ruling_owners};

const PACKAGES: &str = "orgs::lists_of_packages_have_what_who_asks_may_see";

impl Row {
    /// Makes an organisation, with joe as its owner.
    fn founded(self) -> Self {
        self.after(ROOT, "PUT", "/-/org/{n}/user", json!({ "user": "joe", "role": "owner" }))
    }

    /// Makes sue a member of it.
    fn joined(self) -> Self {
        self.founded().after("joe", "PUT", "/-/org/{n}/user", json!({ "user": "sue" }))
    }

    /// Makes a team in it.
    fn teamed(self) -> Self {
        self.founded().after("joe", "PUT", "/-/org/{n}/team", json!({ "name": "core" }))
    }

    /// Makes joe a member of that.
    fn manned(self) -> Self {
        self.teamed().after("joe", "PUT", "/-/team/{n}/core/user", json!({ "user": "joe" }))
    }

    /// Makes a team that packages in `@acme` may be given to.
    fn scoped(self) -> Self {
        self.after("joe", "PUT", "/-/org/acme/team", json!({ "name": "{n}" }))
    }
}

pub fn members() -> Vec<Row> {
    let org = |_: &str, _: &Value| json!({ "name": "{n}" });
    let ann = |_: &str, _: &Value| json!({ "user": "ann" });
    let sue = |_: &str, _: &Value| json!({ "user": "sue" });
    let admin = |_: &str, _: &Value| json!({ "role": "admin" });
    let list = || Told::Json(json!({ "joe": "owner" }));
    let set = || Told::Json(json!({ "org": { "name": "{n}", "size": 2 }, "user": "ann", "role": "developer" }));
    vec![
        row("PUT", "/-/org", org, admins(201), done()),
        bare("GET", "/-/org/{n}", KNOWN, Told::Json(json!({ "name": "{n}", "size": 1 }))).founded(),
        bare("GET", "/-/org/absent", NOTHING, Told::Never),
        bare("DELETE", "/-/org/{n}", admins(200), done()).founded(),
        bare("DELETE", "/-/org/absent", admins(404), Told::Never),
        bare("GET", "/-/org/{n}/user", KNOWN, list()).founded(),
        bare("GET", "/-/org/{n}/member", KNOWN, list()).founded(),
        bare("GET", "/-/org/absent/user", NOTHING, Told::Never),
        row("PUT", "/-/org/{n}/user", ann, ruling_owners(200), set()).founded(),
        row("PUT", "/-/org/{n}/member", ann, ruling_owners(200), set()).founded(),
        row("DELETE", "/-/org/{n}/user", sue, ruling_owners(200), done()).joined(),
        row("DELETE", "/-/org/{n}/member", sue, ruling_owners(200), done()).joined(),
        bare("DELETE", "/-/org/{n}/member/sue", ruling_owners(200), done()).joined(),
        row("PATCH", "/-/org/{n}/member/sue", admin, ruling_owners(200), done()).joined(),
        row("PATCH", "/-/org/absent/member/ann", admin, NOTHING, Told::Never),
        bare("GET", "/-/org/{n}/member/joe/team", KNOWN, Told::Json(json!([{ "name": "developers" }]))).founded(),
        bare("GET", "/-/org/acme/package", KNOWN, Told::Json(json!({ "{name}": "read-write" }))),
        bare("GET", "/-/user/joe/package", KNOWN, Told::Json(json!({ "{name}": "read-write" }))),
        bare("GET", "/-/-/package", KNOWN, Told::Elsewhere(PACKAGES)),
    ]
}

pub fn teams() -> Vec<Row> {
    let joe = |_: &str, _: &Value| json!({ "user": "joe" });
    let grant = |_: &str, _: &Value| json!({ "package": "{name}", "permissions": "read-write" });
    let revoke = |_: &str, _: &Value| json!({ "package": "{name}" });
    let all = || Told::Json(json!(["{n}:core", "{n}:developers"]));
    let list = || Told::Json(json!(["joe"]));
    let made = Told::Json(json!({ "ok": true, "name": "core" }));
    // Who is not in the team sees nothing of its packages.
    let hidden = [401, 404, 404, 200, 200, 401, 401, 403, 403];
    let of_team = "/-/team/acme/{n}/package";
    let granted = |row: Row| row.scoped().after("joe", "PUT", of_team, grant("", &Value::Null));
    vec![
        bare("GET", "/-/org/{n}/team", KNOWN, all()).teamed(),
        bare("GET", "/org/{n}/team", KNOWN, all()).teamed(),
        row("PUT", "/-/org/{n}/team", |_, _| json!({ "name": "core" }), ruling_owners(201), made).founded(),
        bare("GET", "/-/team/{n}/core", KNOWN, Told::Json(json!({ "name": "core", "created": "{some}" }))).teamed(),
        bare("DELETE", "/-/team/{n}/core", ruling_owners(200), done()).teamed(),
        bare("GET", "/-/team/{n}/core/user", KNOWN, list()).manned(),
        bare("GET", "/-/team/{n}/core/member", KNOWN, list()).manned(),
        bare("GET", "/team/{n}/core/user", KNOWN, list()).manned(),
        row("PUT", "/-/team/{n}/core/user", joe, ruling_owners(201), done()).teamed(),
        row("DELETE", "/-/team/{n}/core/user", joe, ruling_owners(200), done()).manned(),
        bare("DELETE", "/-/team/{n}/core/member/joe", ruling_owners(200), done()).manned(),
        granted(bare("GET", of_team, KNOWN, Told::Elsewhere(PACKAGES))),
        row("PUT", of_team, grant, ruling_owners(201), done()).scoped(),
        granted(row("DELETE", of_team, revoke, hidden, done())),
    ]
}
