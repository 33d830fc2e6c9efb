//! What is written to a package. Source: contract npm §7, §9.

use serde_json::{Value, json};

use super::{FORBIDDEN, Row, Told, bare, done, hands, owner, publication, row, ruling_owners, writers};

/// What is written by the package's document, and its tarballs.
pub fn publishes() -> Vec<Row> {
    let deprecated = |_: &str, _: &Value| json!({ "versions": { "1.0.0": { "deprecated": "old" } } });
    let owners = |_: &str, _: &Value| json!({ "maintainers": [{ "name": "ann" }] });
    let liked = |_: &str, document: &Value| json!({ "_id": document["_id"], "_rev": document["_rev"], "users": { "joe": true } });
    vec![
        row("PUT", "/{name}", |name, _| publication(name, "1.1.0"), writers(201), done()),
        row("PUT", "/{name}", deprecated, writers(201), done()),
        row("PUT", "/{name}", liked, hands(201), done()),
        row("PUT", "/{name}/-rev/{rev}", |_, _| json!({ "versions": {} }), writers(201), done()),
        row("PUT", "/{name}/-rev/{rev}", owners, ruling_owners(201), done()),
        bare("DELETE", "/{name}/-rev/{rev}", writers(201), done()),
        bare("DELETE", "/{name}/-/{n}-1.0.0.tgz/-rev/{rev}", writers(200), done()),
        bare("DELETE", "/{name}/download/{n}-1.0.0.tgz/-rev/{rev}", writers(200), done()),
    ]
}

/// What is written beside it.
pub fn rows() -> Vec<Row> {
    let tags = |_: &str, _: &Value| json!({ "latest": "1.0.0", "beta": "1.0.0" });
    let version = |_: &str, _: &Value| json!("1.0.0");
    let star = |name: &str, _: &Value| json!({ "name": name, "package": name });
    let (all, beta, old) =
        ("/-/package/{name}/dist-tags", "/-/package/{name}/dist-tags/beta", "/-/package/{name}/dist-tags/old");
    let both = || Told::Json(json!([owner("ann"), owner("joe")]));
    let (owners, sue) = ("/-/package/{name}/owners", "/-/package/{name}/owners/sue");
    let (one, restricted) = (Told::Json(json!([owner("joe")])), Told::Json(json!({ "access": "restricted" })));
    let restrict = |_: &str, _: &Value| json!({ "access": "restricted" });
    vec![
        row("PUT", "/{name}/beta", version, writers(201), done()),
        row("PUT", all, tags, writers(201), done()),
        row("POST", all, tags, writers(201), done()),
        row("PUT", beta, version, writers(201), done()),
        row("POST", beta, version, writers(201), done()),
        bare("DELETE", old, writers(200), done()).after("joe", "PUT", old, json!("1.0.0")),
        bare("DELETE", "/-/package/{name}/dist-tags/latest", FORBIDDEN, Told::Never),
        row("PUT", owners, |_, _| json!({ "user": "ann" }), ruling_owners(200), both()),
        bare("PUT", "/-/package/{name}/owners/ann", ruling_owners(200), both()),
        bare("DELETE", sue, ruling_owners(200), one).after("joe", "PUT", sue, Value::Null),
        row("POST", "/-/package/{name}/access", restrict, ruling_owners(200), restricted),
        row("PUT", "/-/user/v1/star", star, hands(201), done()),
        row("DELETE", "/-/user/v1/star", star, hands(200), done()),
        bare("PUT", "/-/user/package/{name}/star", hands(201), done()),
        bare("DELETE", "/-/user/package/{name}/star", hands(200), done()),
    ]
}
