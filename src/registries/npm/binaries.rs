//! Mirrors of binaries as cnpm lists them: what there is, what a directory holds, and the files. Source: contract npm §16.
//!
//! What is listed stands in the overlay; what is not there yet is listed when somebody asks. Bytes come through a mount of
//! files, with its proofs and limits, and are strangers': a browser is to save them, and to run nothing.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, AGE, CACHE_CONTROL, CONTENT_TYPE, ETAG, EXPIRES, HeaderName, LAST_MODIFIED, LOCATION, VIA,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::Npm;
use super::accounts::read;
use super::error::Error;
use super::merge::JSON;
use super::replies::{NO_CACHE, listed, unkept};
use super::routes::{Binary, Part, escape, escape_path};
use crate::base::digest::Digest;
use crate::base::http::{Reply, Request};
use crate::base::secret::SafeUrl;
use crate::mirror::fresh::Demand;
use crate::overlay::binaries::{Held, Since};
use crate::overlay::tasks::{Cause, Kind, NewTask, Rank, Task, Wish};
use crate::registries::binaries::depot::Depot;
use crate::registries::binaries::listing::{is_name, url_of};
use crate::registries::binaries::walk::Cursor;
use crate::registries::bodies;
use crate::registries::gate::Visitor;
use crate::registries::replies::{OCTETS, save_as};
use crate::registries::times::print_millis;

/// Headers of the tree that are the file's, whoever hands it out.
const OF_THE_FILE: [HeaderName; 9] =
    [ACCEPT_RANGES, AGE, CACHE_CONTROL, CONTENT_TYPE, ETAG, EXPIRES, LAST_MODIFIED, LOCATION, VIA];

/// Longest date, in characters.
const MAX_DATE: usize = 64;

/// How many hex digits name an entry.
const ID: usize = 24;

/// What is asked of a mirror.
#[derive(Clone, Copy)]
struct Asked<'a> {
    name: &'a str,
    /// A directory, with its slash.
    path: &'a str,
    part: Option<&'a Part>,
}

/// What a client says of how far it came the last time: cnpm's own sends what a task of its own ended with.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Last {
    /// Where to begin; without it, at the top.
    directory: String,
    /// Nothing older is wanted.
    since: String,
}

/// An entry of a mirror.
struct Item {
    depot: Arc<Depot>,
    held: Held,
}

impl Npm {
    pub(super) async fn answer_binary(&self, request: &Request<'_>, asked: &Binary) -> Result<Reply, Error> {
        match asked {
            Binary::List => Ok(self.list_mirrors(request.base)),
            Binary::Directory { name, path, part } => {
                self.list_binaries(request.base, Asked { name, path, part: part.as_ref() }).await
            }
            Binary::File { name, path, file, part } => {
                let asked = Asked { name, path, part: part.as_ref() };
                match self.find_binary(asked, file).await? {
                    Some(item) if item.held.entry.is_directory => {
                        let path = format!("{path}{file}/");
                        self.list_binaries(request.base, Asked { path: &path, ..asked }).await
                    }
                    Some(item) => self.open_binary(request, path, item).await,
                    None => Err(missing(name, &format!("{path}{file}"))),
                }
            }
            Binary::Log { name, id } => self.binary_log(name, id).await,
            Binary::Sync { .. } => Err(Error::internal("a task without its body")),
        }
    }

    /// `POST /-/binary/{name}/sync`: makes a task that walks a mirror, or joins the one that waits.
    pub(super) async fn answer_binary_body(
        &self,
        visitor: &Visitor,
        asked: &Binary,
        body: &Bytes,
    ) -> Result<Reply, Error> {
        let Binary::Sync { name } = asked else { return Err(Error::internal("a body that nobody asked for")) };
        self.gate.let_rule(visitor)?;
        let depot = self.binaries.load().find(name).cloned().ok_or_else(|| missing(name, ""))?;
        let cursor = if body.is_empty() { Last::default() } else { read(body)? }.cursor()?;
        let new = NewTask {
            mount: &depot.rules.files,
            kind: Kind::Binary,
            subject: name,
            wish: Wish { page: Some(cursor.to_string()).filter(|page| !page.is_empty()), ..Wish::default() },
            cause: Cause::Asked,
            rank: Rank::Asked,
            parent: None,
        };
        let made = self.gate.overlay().enqueue(vec![new], &self.patience, &self.gate.actor(visitor)).await?;
        let id = made.into_iter().next().map(|made| made.id);
        let id = id.ok_or_else(|| Error::internal("a task that was not made"))?;
        let told = json!({ "ok": true, "taskId": id, "logPath": format!("/-/binary/{name}/syncs/{id}/log") });
        Ok(unkept(StatusCode::OK, &told))
    }

    /// `GET /-/binary/{name}/syncs/{id}/log`.
    async fn binary_log(&self, name: &str, id: &str) -> Result<Reply, Error> {
        let is_of = |task: &Task| task.kind == Kind::Binary && task.subject == name;
        let task = self.gate.overlay().task(id).await?.filter(is_of);
        let task = task.filter(|_| self.binaries.load().find(name).is_some());
        let task = task.ok_or_else(|| Error::not_found(format!("the sync task {id} of {name}")))?;
        self.print_log(&task, id).await
    }

    /// `GET /-/binary/`.
    fn list_mirrors(&self, base: &str) -> Reply {
        let catalogue = self.binaries.load();
        let mirrors: Vec<Value> = catalogue.all().iter().map(|depot| print_mirror(depot, base)).collect();
        listed(StatusCode::OK, &mirrors.into())
    }

    /// `GET /-/binary/{name}/{sub}/`: what several mirrors have under one name is one list.
    async fn list_binaries(&self, base: &str, asked: Asked<'_>) -> Result<Reply, Error> {
        let Asked { name, path, part } = asked;
        let overlay = self.gate.overlay();
        let mut items: Vec<Item> = Vec::new();
        let mut is_there = false;
        for depot in self.binaries.load_full().family(name) {
            // Nobody needs what another mirror has, while the first has it.
            if (is_there && !path.is_empty()) || !depot.know(overlay, path).await? {
                continue;
            }
            is_there = true;
            let since = part.map(|part| Since { date: &part.since, limit: part.limit });
            let held = overlay.binaries(depot.at(path), since).await?;
            let is_new = |held: &Held| items.iter().all(|item| item.held.entry.name != held.entry.name);
            let new: Vec<Held> = held.into_iter().filter(|held| held.entry.is_certain && is_new(held)).collect();
            items.extend(new.into_iter().map(|held| Item { depot: Arc::clone(&depot), held }));
        }
        if !is_there {
            return Err(missing(name, path));
        }
        sort(&mut items, part);
        let (base, name, path) = (base.to_owned(), name.to_owned(), path.to_owned());
        let print = move || {
            let items: Vec<Value> = items.iter().map(|item| item.print(&base, &name, &path)).collect();
            Ok::<_, Error>(Value::from(items).to_string())
        };
        let mut reply = Reply::bytes(StatusCode::OK, JSON, bodies::apart(print).await?);
        reply.set(CACHE_CONTROL, NO_CACHE);
        Ok(reply)
    }

    /// Finds an entry: what a mirror does not have, another that is listed under its name may, whose files start with a name
    /// of its own.
    async fn find_binary(&self, Asked { name, path, .. }: Asked<'_>, file: &str) -> Result<Option<Item>, Error> {
        for depot in self.binaries.load_full().family(name) {
            let own = depot.rules.name.as_str();
            let start = file.strip_prefix(name).filter(|_| !file.starts_with(own));
            let file = start.map_or_else(|| file.to_owned(), |rest| format!("{own}{rest}"));
            if let Some(held) = depot.find(self.gate.overlay(), path, &file).await? {
                return Ok(Some(Item { depot, held }));
            }
        }
        Ok(None)
    }

    /// Hands out a file.
    async fn open_binary(&self, request: &Request<'_>, path: &str, item: Item) -> Result<Reply, Error> {
        let Item { depot, held } = item;
        let entry = held.entry;
        let opened = depot.tree.open(&entry.place, "", &Demand::of(request.headers)).await?;
        let mut reply = match opened.status {
            StatusCode::OK => opened,
            StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::FORBIDDEN => {
                return Err(missing(&depot.rules.name, &format!("{path}{}", entry.name)));
            }
            status if status.is_redirection() => redirect(opened, &entry.place, depot.tree.root())?,
            _ => return Err(Error::BadGateway { what: format!("{path}{}", entry.name), cause: None }),
        };
        if !entry.is_certain
            && let Some(length) = reply.body.length()
        {
            self.gate.overlay().note_binary(depot.at(path), &entry.name, length).await?;
        }
        let headers = std::mem::take(&mut reply.headers);
        reply.headers.extend(headers.into_iter().filter_map(|(name, value)| {
            let name = name.filter(|name| OF_THE_FILE.contains(name))?;
            Some((name, value))
        }));
        if !reply.headers.contains_key(CONTENT_TYPE) {
            reply.set(CONTENT_TYPE, OCTETS);
        }
        reply.set(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        save_as(&mut reply, &entry.name.replace(['"', '\\'], "_"));
        Ok(reply)
    }
}

/// Puts what several mirrors have into one order.
fn sort(items: &mut Vec<Item>, part: Option<&Part>) {
    match part {
        None => items.sort_by(|one, other| one.held.entry.name.cmp(&other.held.entry.name)),
        Some(part) => {
            let order = |item: &Item| (item.held.entry.date.clone(), item.held.entry.name.clone());
            items.sort_by_cached_key(order);
            items.truncate(usize::try_from(part.limit).unwrap_or(usize::MAX));
        }
    }
}

fn missing(name: &str, path: &str) -> Error {
    Error::not_found(format!("the binary {name}/{path}"))
}

/// Sends a client where upstream sends it: the mount of files was told to pass redirects on.
fn redirect(mut reply: Reply, place: &str, root: &Url) -> Result<Reply, Error> {
    let location = reply.headers.get(LOCATION).and_then(|location| location.to_str().ok());
    let url = location.and_then(|location| url_of(place, root)?.join(location).ok());
    let url = url.and_then(|url| HeaderValue::try_from(url.as_str()).ok());
    let url = url.ok_or_else(|| Error::BadGateway { what: place.to_owned(), cause: None })?;
    reply.status = StatusCode::FOUND;
    reply.set(LOCATION, url);
    Ok(reply)
}

fn print_mirror(depot: &Depot, base: &str) -> Value {
    let rules = &depot.rules;
    let url = |url: &Option<SafeUrl>| url.as_ref().map(|url| url.as_url().as_str().to_owned());
    let dist_url = url(&rules.dist_url).unwrap_or_else(|| format!("{}{}", depot.tree.root(), rules.path));
    json!({
        "name": format!("{}/", rules.name),
        "category": format!("{}/", rules.category),
        "description": rules.description,
        "distUrl": dist_url,
        "repoUrl": url(&rules.repo_url).unwrap_or_default(),
        "type": "dir",
        "url": format!("{base}/-/binary/{}/", rules.name),
    })
}

// === impl Last ===

impl Last {
    fn cursor(self) -> Result<Cursor, Error> {
        let Self { directory, since } = self;
        let is_path =
            directory.is_empty() || directory.strip_suffix('/').is_some_and(|path| path.split('/').all(is_name));
        if !is_path || since.len() > MAX_DATE || since.contains(|sign: char| !sign.is_ascii_graphic()) {
            return Err(Error::Unprocessable("directory is a path that ends in a slash, since a date".into()));
        }
        Ok(Cursor { directory, since })
    }
}

// === impl Item ===

impl Item {
    /// Prints it as what lies in a directory, asked for under a mirror's name.
    fn print(&self, base: &str, name: &str, path: &str) -> Value {
        let Held { entry, modified_at } = &self.held;
        let rules = &self.depot.rules;
        let place = format!("{}\n{path}\n{}", rules.name, entry.name);
        let slash = if entry.is_directory { "/" } else { "" };
        let mut printed = json!({
            "id": Digest::of(place.as_bytes()).to_hex()[..ID],
            "category": rules.category,
            "name": format!("{}{slash}", entry.name),
            "date": entry.date,
            "type": if entry.is_directory { "dir" } else { "file" },
            "url": format!("{base}/-/binary/{name}/{}{}{slash}", escape_path(path), escape(&entry.name)),
            "modified": print_millis(*modified_at),
        });
        if let Some(size) = entry.size {
            printed["size"] = size.into();
        }
        printed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_begins_where_it_is_told() {
        let cursor =
            |body: Value| serde_json::from_value::<Last>(body).unwrap().cursor().map(|cursor| cursor.to_string());
        assert_eq!(cursor(json!({})).unwrap(), "");
        assert_eq!(
            cursor(json!({ "directory": "v1/x/", "since": "2024-03-01", "other": 1 })).unwrap(),
            "v1/x/?since=2024-03-01"
        );
        for body in [
            json!({ "directory": "v1" }),
            json!({ "directory": "/" }),
            json!({ "directory": "../" }),
            json!({ "since": "a b" }),
            json!({ "since": "9".repeat(65) }),
        ] {
            assert_eq!(cursor(body.clone()).unwrap_err().status(), 422, "{body}");
        }
    }
}
