//! What is read of one package. Source: contract npm §5, §9, §10.4, §13, §17.

use serde_json::json;

use super::{OPEN, Row, Told, bare, open, owner};

const SERVED: &str = "own::what_is_published_is_served_in_every_form_and_what_was_removed_is_not";
const SAME: &str = "tarballs::every_path_of_a_tarball_gives_the_same_bytes";

/// Its document, versions and bytes.
pub fn reads() -> Vec<Row> {
    let version = || Told::Json(json!({ "name": "{name}", "version": "1.0.0", "dist": { "integrity": "{some}" } }));
    let document = json!({ "name": "{name}", "dist-tags": { "latest": "1.0.0" }, "versions": { "1.0.0": "{some}" } });
    let mut edited = document.clone();
    edited["_rev"] = json!("{rev}");
    let tarball = "/{name}/-/{n}-1.0.0.tgz";
    let moved = Told::Elsewhere("files::paths_without_their_ends_lead_to_what_they_mean");
    vec![
        bare("GET", "/{name}", OPEN, Told::Json(document)),
        bare("HEAD", "/{name}", OPEN, Told::Nothing),
        bare("GET", "/{name}?write=true", OPEN, Told::Json(edited)),
        bare("GET", "/{name}/1.0.0", OPEN, version()),
        bare("GET", "/{name}/latest", OPEN, version()),
        bare("GET", "/{name}/%5E1", OPEN, version()),
        bare("GET", tarball, OPEN, Told::Elsewhere(SERVED)),
        bare("HEAD", tarball, OPEN, Told::Nothing),
        bare("OPTIONS", tarball, open(204), Told::Nothing),
        bare("GET", "/{name}/-/@acme/{n}-1.0.0.tgz", OPEN, Told::Elsewhere(SAME)),
        bare("GET", "/{name}/download/{n}-1.0.0.tgz", OPEN, Told::Elsewhere(SAME)),
        bare("GET", "/{name}/latest/files", open(302), moved),
        bare("GET", "/{name}/1.0.0/files/", OPEN, Told::Json(json!({ "path": "/", "type": "directory" }))),
        bare("GET", "/{name}/1.0.0/files/package.json", OPEN, Told::Json(json!({ "name": "{name}" }))),
    ]
}

/// What is known of it.
pub fn facts() -> Vec<Row> {
    let collaborators = json!({ "jim": "read-write", "joe": "read-write" });
    vec![
        bare("GET", "/-/package/{name}/dist-tags", OPEN, Told::Json(json!({ "latest": "1.0.0" }))),
        bare("GET", "/-/package/{name}/owners", OPEN, Told::Json(json!([owner("joe")]))),
        bare("GET", "/-/package/{name}/visibility", OPEN, Told::Json(json!({ "public": true }))),
        bare("GET", "/-/package/{name}/access", OPEN, Told::Json(json!({ "access": "public" }))),
        bare("GET", "/-/package/{name}/blocks", OPEN, Told::Json(json!({ "blocked": false, "data": [] }))),
        bare("GET", "/-/package/{name}/collaborators", OPEN, Told::Json(collaborators)),
        bare("GET", "/-/package/{name}/dependents", OPEN, Told::Json(json!({ "dependents": [] }))),
        bare("GET", "/-/npm/v1/attestations/{name}@1.0.0", open(404), Told::Never),
        bare("GET", "/downloads/point/last-week/{name}", OPEN, downloads()),
        bare("GET", "/downloads/range/last-week/{name}", OPEN, downloads()),
    ]
}

fn downloads() -> Told {
    Told::Json(json!({ "package": "{name}", "downloads": "{some}", "start": "{some}", "end": "{some}" }))
}
