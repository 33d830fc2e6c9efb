//! What is not built, and missing in the way in which each client does without it. Source: contract npm §7.7.

use super::{Row, Told, bare, empty, row};

const WANTED: [(&str, &str); 11] = [
    ("POST", "/-/stage/package/{name}"),
    ("GET", "/-/stage"),
    ("GET", "/-/stage/1"),
    ("GET", "/-/stage/1/tarball"),
    ("POST", "/-/stage/1/approve"),
    ("DELETE", "/-/stage/1"),
    ("GET", "/-/package/{name}/trust"),
    ("POST", "/-/package/{name}/trust"),
    ("DELETE", "/-/package/{name}/trust/1"),
    ("POST", "/-/npm/v1/oidc/token/exchange/package/{name}"),
    ("PUT", "/-/pnpm/v1/publish"),
];

pub fn rows() -> Vec<Row> {
    let print = |(method, path)| match method {
        "GET" | "DELETE" => bare(method, path, [404; 9], Told::Never),
        _ => row(method, path, empty, [404; 9], Told::Never),
    };
    WANTED.into_iter().map(print).collect()
}
