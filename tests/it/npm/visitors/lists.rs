//! What is read of the registry, and of many packages. Source: contract npm §5.5, §5.6, §7.3, §10, §11.

use serde_json::{Value, json};

use super::{KNOWN, OPEN, Row, Told, bare, empty, open, row};

const LISTED: &str = "discover::lists_name_what_is_published_here";
const FEED: &str = "discover::the_feed_tells_what_has_happened_from_a_number_on";
const SUMS: &str = "downloads::what_is_fetched_whole_or_confirmed_is_counted";
const STARS: &str = "access::stars_are_listed_as_each_client_reads_them";

pub fn rows() -> Vec<Row> {
    let events = || Told::Json(json!({ "results": "{some}", "last_seq": "{some}" }));
    let found = json!({ "objects": "{some}", "total": "{some}", "time": "{some}" });
    let report = || Told::Json(json!({ "metadata": "{some}" }));
    let starred = json!({ "rows": [] });
    vec![
        bare("GET", "/", OPEN, Told::Json(json!({ "db_name": "registry", "doc_count": "{some}" }))),
        bare("GET", "/-/ping", OPEN, Told::Json(json!({ "pong": true }))),
        bare("GET", "/_changes?since=0", OPEN, events()),
        bare("GET", "/-/_changes?since=0", OPEN, events()),
        bare("GET", "/-/all/changes?since=0", OPEN, Told::Elsewhere(FEED)),
        bare("GET", "/-/all", OPEN, Told::Json(json!({ "_updated": "{some}", "{name}": { "name": "{name}" } }))),
        bare("GET", "/-/all/since?startkey=1", OPEN, Told::Elsewhere(LISTED)),
        bare("GET", "/-/short", OPEN, Told::Elsewhere(LISTED)),
        bare("GET", "/-/allversions?date=2024-02-29", OPEN, Told::Elsewhere(LISTED)),
        bare("GET", "/-/by-user/joe", OPEN, Told::Json(json!({ "joe": "{some}" }))),
        bare("GET", "/-/users/joe/packages", OPEN, Told::Json(json!({ "user": "joe", "packages": "{some}" }))),
        bare("GET", "/-/v1/search?text=acme", OPEN, Told::Json(found)),
        bare("GET", "/downloads/point/last-week/left,right", OPEN, Told::Json(json!({ "left": null, "right": null }))),
        bare("GET", "/downloads/total/last-week", OPEN, Told::Elsewhere(SUMS)),
        bare("GET", "/downloads/range/last-week", OPEN, Told::Elsewhere(SUMS)),
        bare("GET", "/downloads/total/point/last-week", OPEN, Told::Elsewhere(SUMS)),
        bare("GET", "/downloads/@acme/last-week", OPEN, Told::Elsewhere(SUMS)),
        bare("GET", "/-/_view/starredByUser?key=%22nobody%22", OPEN, Told::Json(starred)),
        bare("GET", "/-/user/joe/stars", OPEN, Told::Elsewhere(STARS)),
        bare("GET", "/-/user/v1/star", KNOWN, Told::Elsewhere(STARS)),
        bare("GET", "/-/binary/", OPEN, Told::Json(json!([]))),
        bare("GET", "/-/binary/absent/", open(404), Told::Never),
        bare("GET", "/-/binary/absent/file", open(404), Told::Never),
        bare("GET", "/-/binary/absent/syncs/1/log", open(404), Told::Never),
        bare("GET", "/-/npm/v1/keys", OPEN, Told::Json(json!({ "keys": "{some}" }))),
        row("POST", "/-/npm/v1/security/advisories/bulk", empty, OPEN, Told::Json(json!({}))),
        row("POST", "/-/npm/v1/security/audits/quick", tree, OPEN, report()),
        row("POST", "/-/npm/v1/security/audits", tree, OPEN, report()),
    ]
}

fn tree(_: &str, _: &Value) -> Value {
    json!({ "name": "x", "version": "1.0.0", "requires": {}, "dependencies": {} })
}
