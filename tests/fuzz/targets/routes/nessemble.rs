use std::sync::Arc;

use heliostat::config::{self, Dialect};
use heliostat::mirror::Upstream;
use heliostat::registries::Upstreams;
use heliostat::registries::nessemble::name::{Title, Version};
use heliostat::registries::nessemble::routes::{Action, Order, Sort, parse};
use heliostat::registries::nessemble::sources::Sources;
use heliostat::registries::shelf::Shelf;
use heliostat_fuzz::{Asked, assert_below, assert_plain, segment};

pub fn check(asked: &Asked<'_>) {
    let Ok(action) = parse(&asked.method, asked.path, asked.query, asked.accept) else { return };
    if let Action::Package { title, .. } | Action::Readme { title, .. } | Action::Data { title, .. } = &action {
        assert_plain(title.as_str());
    }
    if let Action::Reference { path } = &action {
        assert_reference(path);
    }
    let Some((path, query)) = print(&action) else { return };
    assert_below(&path);
    assert_eq!(parse(&asked.method, &path, &query, None).ok(), Some(action), "{path}?{query}");
}

/// Returns path and query at an upstream.
fn print(action: &Action) -> Option<(String, String)> {
    let path = match action {
        Action::List(page) => {
            let sort = if page.sort == Sort::Title { "title" } else { "description" };
            let order = if page.order == Order::Ascending { "asc" } else { "desc" };
            let query = format!("page={}&per_page={}&sort_by={sort}&order={order}", page.number, page.size);
            return Some((String::new(), query));
        }
        Action::Status => "status".to_owned(),
        Action::Search { term: None } => "search".to_owned(),
        Action::Search { term: Some(term) } => format!("search/{}", segment(term)),
        Action::Package { title, version } => package(title, version.as_ref(), ""),
        Action::Readme { title, version } => package(title, version.as_ref(), "/README"),
        Action::Data { title, version } => package(title, version.as_ref(), "/data"),
        Action::Reference { path } => {
            path.iter().fold("reference".to_owned(), |path, term| path + "/" + &segment(term))
        }
        Action::Preflight { .. } => return None,
    };
    Some((path, String::new()))
}

fn package(title: &Title, version: Option<&Version>, rest: &str) -> String {
    match version {
        None => format!("package/{title}{rest}"),
        Some(version) => format!("package/{title}/{version}{rest}"),
    }
}

/// Holds that a part of the reference is asked for, and kept, under a path of as many segments, each what it was.
fn assert_reference(path: &[String]) {
    let url: url::Url = "https://registry.example/base/".parse().expect("a constant is a URL");
    let upstream =
        Upstream { id: String::new(), url, authorization: None, allow_private: false, artifact_hosts: Vec::new() };
    let mount = config::Mount::of(Dialect::Nessemble(config::Nessemble::default()));
    let upstreams = Upstreams { default: Arc::new(upstream), scopes: Default::default() };
    let wanted = Sources::new(Shelf::new(&mount), upstreams).reference(path).expect("what is parsed has a place");
    let asked: Vec<&str> = wanted.url.path_segments().expect("the URL has a path").skip(2).collect();
    let kept: Vec<&str> = wanted.key.split("@/reference").nth(1).expect("the key says so").split('/').skip(1).collect();
    let printed: Vec<String> = path.iter().map(|term| segment(term).replace('.', "%2E")).collect();
    assert_eq!(asked, printed);
    assert_eq!(kept, printed);
}
