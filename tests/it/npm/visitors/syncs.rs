//! What is asked of sync tasks. Source: contract npm §12.1, §19.

use serde_json::{Value, json};

use super::{FORBIDDEN, OPEN, Row, Told, bare, empty, known, open, row};

pub fn rows() -> Vec<Row> {
    let (asked, asked_old) = ("/-/package/left/syncs", "/left/sync?nodeps=true");
    let made = || Told::Json(json!({ "ok": true, "id": "{some}", "type": "package", "state": "waiting" }));
    let status = || Told::Json(json!({ "ok": true, "id": "{id}", "type": "package", "state": "{some}" }));
    let old = Told::Json(json!({ "ok": true, "syncDone": "{some}", "log": "{some}" }));
    let force = |_: &str, _: &Value| json!({ "force": true, "specificVersions": "[\"1.0.0\"]" });
    let wrong = |_: &str, _: &Value| json!({ "specificVersions": "1.0.0" });
    let elsewhere = |_: &str, _: &Value| json!({ "registryName": "elsewhere" });
    let log = "syncs::a_task_is_asked_for_and_looked_at_in_both_forms";
    vec![
        row("PUT", asked, empty, known(201), made()),
        row("PUT", asked, force, known(201), made()),
        row("PUT", asked, wrong, known(422), Told::Never),
        row("PUT", asked, elsewhere, FORBIDDEN, Told::Never),
        bare("PUT", asked_old, known(201), Told::Json(json!({ "ok": true, "logId": "{some}" }))),
        // What is published here comes from no upstream.
        row("PUT", "/-/package/{name}/syncs", empty, FORBIDDEN, Told::Never),
        bare("PUT", "/{name}/sync", FORBIDDEN, Told::Never),
        bare("GET", "/-/package/left/syncs/{id}", OPEN, status()).after("joe", "PUT", asked, json!({})),
        bare("GET", "/-/package/{name}/syncs/1", open(404), Told::Never),
        bare("GET", "/-/package/left/syncs/{id}/log", OPEN, Told::Elsewhere(log)).after("joe", "PUT", asked, json!({})),
        bare("GET", "/-/package/left/syncs/1/log", open(404), Told::Never),
        bare("GET", "/left/sync/log/{id}", OPEN, old).after("joe", "PUT", asked, json!({})),
        bare("GET", "/{name}/sync/log/1", open(404), Told::Never),
    ]
}
