//! Searches: what is published here, then what upstream finds. Source: contract npm §10.1.
//!
//! Ours come first, from the [`super::catalog`], best matches before others. Upstream is asked by us, with its own
//! credentials, and never for a name of ours; what it finds under one is left out, since it is not what that name means
//! here. An upstream that fails leaves what is ours. Where nothing is published, a search is passed through as it is.

mod pages;
mod query;
mod rank;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use self::pages::{Page, Theirs};
pub use self::query::Query;
use self::rank::{Match, Needed};
use super::Npm;
use super::catalog::{Entries, Entry};
use super::error::Error;
use super::lists::screened::screen_summary;
use super::name::{PackageName, is_prerelease_or_early};
use super::replies::{listed, unkept};
use crate::base::http::{Outcome, Reply, Request};
use crate::mirror::{self, Answer};
use crate::overlay::packages::Author;
use crate::overlay::rights;
use crate::registries::blocks::Screen;
use crate::registries::bodies;
use crate::registries::gate::Visitor;
use crate::registries::times::print_millis;

/// After so many packages, others have their turn.
const BREATH: usize = 256;

/// A longer answer is none, in bytes.
const MAX_ANSWER: u64 = 8 << 20;

/// What upstream finds. What it tells of a package is passed on as it stands.
#[derive(Deserialize)]
struct Found {
    objects: Vec<Box<RawValue>>,
    total: u64,
}

#[derive(Deserialize)]
struct Hit {
    package: Named,
}

#[derive(Deserialize)]
struct Named {
    name: String,
    #[serde(default)]
    version: String,
}

/// What a search comes to before it is known who asks.
struct Ranked {
    hits: Vec<Match>,
    /// What is to be judged by another version, or not at all.
    barred: Vec<(Arc<Entry>, Needed)>,
}

impl Npm {
    /// `GET /-/v1/search`.
    pub(super) async fn search(
        &self,
        request: &Request<'_>,
        visitor: &Visitor,
        query: &Query,
    ) -> Result<Outcome, Error> {
        let screen = Arc::new(self.blocks.screen().await?);
        let asks_all = self.passthrough && screen.is_empty() && self.sources.scopes().is_empty();
        if asks_all && !self.gate.has_own().await? {
            return Ok(Outcome::Forward(self.pass_through(request, "search").await?));
        }
        let ours = self.find(visitor, &screen, query).await?;
        let page = Page::of(query.from, query.size, ours.len());
        let mut objects: Vec<Value> = ours[page.ours.clone()].iter().map(|hit| print(hit, request.base)).collect();
        let mut theirs = None;
        if self.may_ask(query).await? {
            theirs = self.ask_upstream(query, &page, &screen).await?;
        }
        let mut total = ours.len() as u64;
        if let Some(theirs) = theirs {
            total += theirs.total;
            let read = |object: &RawValue| serde_json::from_str(object.get());
            let read: Result<Vec<Value>, _> = theirs.objects.iter().map(|object| read(object)).collect();
            objects.extend(read.map_err(|_| Error::internal("a hit that was read once"))?);
        }
        let time = print_millis(self.gate.overlay().now());
        let reply = listed(StatusCode::OK, &json!({ "objects": objects, "total": total, "time": time }));
        Ok(reply.into())
    }

    /// Finds what is published here and may be read, best matches first.
    async fn find(&self, visitor: &Visitor, screen: &Arc<Screen>, query: &Query) -> Result<Vec<Match>, Error> {
        let entries = self.catalog.read(&self.gate).await?;
        let (now, query) = (self.gate.overlay().now(), query.clone());
        let (looked, screened) = (query.clone(), Arc::clone(screen));
        // There may be many.
        let Ranked { mut hits, barred } =
            bodies::apart(move || Ok::<_, Error>(rank_all(&entries, &screened, &looked, now))).await?;
        for (entry, needed) in barred {
            let screened = self.screen_entry(screen, &entry).await?;
            hits.extend(screened.and_then(|entry| rank::judge(&entry, &query, &needed)));
        }
        let mut found = Vec::with_capacity(hits.len());
        for (number, hit) in hits.into_iter().enumerate() {
            if number % BREATH == BREATH - 1 {
                tokio::task::yield_now().await;
            }
            if self.gate.sees(visitor, hit.name()).await? {
                found.push(hit);
            }
        }
        found
            .sort_by(|one, other| other.relevance.total_cmp(&one.relevance).then_with(|| one.name().cmp(other.name())));
        Ok(found)
    }

    /// Returns what blocks leave of an entry; `None`: nothing.
    pub(super) async fn screen_entry(&self, screen: &Screen, entry: &Arc<Entry>) -> Result<Option<Arc<Entry>>, Error> {
        let barred = screen.of(&entry.summary.name);
        if barred.is_empty() {
            return Ok(Some(Arc::clone(entry)));
        }
        let summary = screen_summary(&self.gate, screen, entry.summary.clone()).await?;
        Ok(summary.map(|summary| {
            // Its manifest was read, unless another version stands for it.
            if summary.version == entry.summary.version { Arc::clone(entry) } else { Arc::new(Entry::of(summary)) }
        }))
    }

    /// Tells whether upstream may hear a search: it names nothing of ours.
    async fn may_ask(&self, query: &Query) -> Result<bool, Error> {
        if !self.passthrough {
            return Ok(false);
        }
        // Nor of a scope that has an upstream of its own.
        let mut scopes: Vec<String> = self.gate.own_scopes().collect();
        scopes.extend(self.sources.scopes());
        let text = query.text.to_lowercase();
        if scopes.iter().any(|own| text.contains(&own.to_lowercase())) {
            return Ok(false);
        }
        for word in query.names() {
            let word = word.trim_matches(|sign: char| matches!(sign, '"' | '\'' | ','));
            let scope = word.split('/').next().unwrap_or_default();
            if scopes.iter().any(|own| rights::matches(own, scope)) || self.gate.is_kept_from_upstream(word).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Asks upstream for a page; `None` when it has no searches, or fails.
    async fn ask_upstream(&self, query: &Query, page: &Page, screen: &Screen) -> Result<Option<Theirs>, Error> {
        let upstream = self.sources.default_upstream();
        let (from, size) = page.asked();
        let mut url = upstream.join("-/v1/search").map_err(|_| Error::internal("a path that is no URL"))?;
        url.set_query(Some(&query.print(from, size)));
        match self.mirror.knock(upstream, &url, MAX_ANSWER).await {
            Ok(Answer { status: StatusCode::OK, body }) => match serde_json::from_slice(&body) {
                Ok(found) => self.without_ours(found, page, screen).await.map(Some),
                Err(error) => Ok(self.warn(&error)),
            },
            Ok(Answer { status, .. }) => Ok(self.warn(&mirror::Error::Refused { status: status.as_u16() })),
            Err(error) => Ok(self.warn(&error)),
        }
    }

    fn warn(&self, error: &(dyn std::error::Error + 'static)) -> Option<Theirs> {
        let host = self.sources.default_upstream().url.host_str().unwrap_or_default();
        tracing::warn!(host, error, "search without what this upstream finds");
        None
    }

    /// Leaves out what has a name of ours, what is blocked, and what lies outside of the page. Of a package whose newest
    /// version is blocked it is not known by which other it would be shown.
    async fn without_ours(&self, found: Found, page: &Page, screen: &Screen) -> Result<Theirs, Error> {
        let entries = self.catalog.read(&self.gate).await?;
        let mut objects = Vec::with_capacity(found.objects.len());
        let asked = found.objects.len();
        for object in found.objects {
            // What has no name is none that a client could read.
            let Ok(Hit { package }) = serde_json::from_str(object.get()) else { continue };
            let is_ours = if self.gate.merges(&package.name) {
                // What is shown by a version of upstream's is upstream's to find.
                entries.contains_key(&package.name)
            } else {
                self.gate.is_kept_from_upstream(&package.name).await?
            };
            let barred = screen.of(&package.name);
            let is_open = !barred.hides_all() && barred.find(&package.version).is_none();
            if is_open && !is_ours && PackageName::parse(&package.name).is_ok() {
                objects.push(object);
            }
        }
        let total = found.total.saturating_sub((asked - objects.len()) as u64);
        Ok(Theirs { objects: page.cut(objects), total })
    }

    /// `PUT` and `DELETE /-/v1/search/sync/{name}`: has a package of ours found again, or no longer.
    pub(super) async fn set_listed(
        &self,
        visitor: &Visitor,
        name: &PackageName,
        is_listed: bool,
    ) -> Result<Reply, Error> {
        self.gate.let_rule(visitor)?;
        let actor = self.gate.actor(visitor);
        self.gate.overlay().set_listed(self.gate.mount(), name.as_str(), is_listed, &actor).await?;
        Ok(unkept(StatusCode::OK, &json!({ "package": name.as_str() })))
    }
}

/// Judges everything that is published here. Takes as long as there is much.
fn rank_all(entries: &Entries, screen: &Screen, query: &Query, now: SystemTime) -> Ranked {
    let mut needed: HashMap<&str, usize> = HashMap::new();
    // The same for whoever asks: else it would tell of what is hidden.
    for name in entries.values().filter(|entry| is_open(entry, screen)).flat_map(|entry| &entry.requires) {
        *needed.entry(name).or_default() += 1;
    }
    let mut ranked = Ranked { hits: Vec::new(), barred: Vec::new() };
    for entry in entries.values().filter(|entry| entry.summary.is_listed) {
        let needed = Needed { by: needed.get(entry.summary.name.as_str()).copied().unwrap_or_default(), now };
        if screen.of(&entry.summary.name).is_empty() {
            ranked.hits.extend(rank::judge(entry, query, &needed));
        } else {
            ranked.barred.push((Arc::clone(entry), needed));
        }
    }
    ranked
}

/// Tells whether everybody sees a package as its entry has it.
fn is_open(Entry { summary, .. }: &Entry, screen: &Screen) -> bool {
    !summary.is_closed && !screen.hides(&summary.name) && screen.of(&summary.name).find(&summary.version).is_none()
}

/// Prints a hit as clients read it: without `maintainers` npm fails. Source: contract npm §10.1.
fn print(hit: &Match, base: &str) -> Value {
    let Entry { summary, manifest, requires: _ } = hit.entry.as_ref();
    let name = &summary.name;
    let scope = name.strip_prefix('@').and_then(|rest| rest.split_once('/')).map_or("unscoped", |(scope, _)| scope);
    let date = print_millis(summary.published_at);
    let mut package = json!({
        "name": name,
        "scope": scope,
        "version": summary.version,
        "keywords": query::keywords(manifest),
        "date": date,
        "links": links(hit.entry.as_ref(), base),
        "maintainers": summary.owners.iter().map(print_author).collect::<Vec<_>>(),
    });
    for member in ["description", "author", "license"] {
        if let Some(value) = manifest.get(member) {
            package[member] = value.clone();
        }
    }
    if let Some(publisher) = summary.publisher.as_ref().or(summary.owners.first()) {
        package["publisher"] = print_author(publisher);
    }
    let mut flags = json!({});
    if is_prerelease_or_early(&summary.version) {
        flags["unstable"] = json!(true);
    }
    if let Some(reason) = manifest.get("deprecated") {
        flags["deprecated"] = reason.clone();
    }
    json!({
        "package": package,
        "score": { "final": hit.score.total, "detail": {
            "quality": hit.score.quality, "popularity": hit.score.popularity, "maintenance": hit.score.maintenance,
        } },
        "searchScore": hit.relevance,
        "flags": flags,
        "updated": print_millis(summary.modified_at),
        "dependents": hit.needed_by,
    })
}

fn print_author(author: &Author) -> Value {
    json!({ "username": author.name.as_str(), "email": author.email })
}

fn links(entry: &Entry, base: &str) -> Value {
    let mut links = json!({ "npm": format!("{base}/{}", entry.summary.name) });
    let url = |value: &Value| {
        let text = value.as_str().or_else(|| value.get("url")?.as_str())?;
        // What is no link is shown by its owner in the document.
        ["http://", "https://", "git+https://"].iter().any(|start| text.starts_with(start)).then(|| text.to_owned())
    };
    for member in ["homepage", "repository", "bugs"] {
        if let Some(link) = entry.manifest.get(member).and_then(url) {
            links[member] = json!(link);
        }
    }
    links
}
