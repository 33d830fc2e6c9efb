//! Lists of what is published here: printed a page at a time, however much there is. Source: contract npm §10.2.

use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use http::StatusCode;
use http::header::CACHE_CONTROL;
use serde_json::{Map, Value, json};

use self::screened::{is_open, screen_summary};
use super::Npm;
use super::catalog::{Entry, manifest_of};
use super::error::Error;
use super::merge::JSON;
use super::name::{LATEST, PackageName};
use super::replies::{NO_CACHE, listed};
use super::routes::Discover;
use super::wire::LISTED_MEMBERS;
use crate::base::clock::millis;
use crate::base::fs::{Slice, Temp};
use crate::base::http::{Body, Cut, Reply, Source};
use crate::overlay::packages::{Span, Summary};
use crate::overlay::users::UserName;
use crate::registries::blocks::Blocks;
use crate::registries::bodies;
use crate::registries::gate::{Gate, Visitor};
use crate::registries::members::quote;
use crate::registries::times::print_millis;

pub mod screened;

/// How much is read at once.
const PAGE: u64 = 200;

/// A list is gathered in memory up to this length, for a client that cannot do without knowing it, in bytes.
const GATHERED: u64 = 16 << 20;

/// What is listed.
enum Form {
    /// What old clients search in, of all or of what has changed since: an object of names.
    Documents { since: Option<SystemTime> },
    /// An array of names.
    Names,
    /// An array of names and versions.
    Versions { within: (SystemTime, SystemTime) },
}

/// A list that is printed while it is read.
struct Listing {
    gate: Arc<Gate>,
    blocks: Blocks,
    visitor: Visitor,
    form: Form,
    stage: Stage,
    /// The last name, and version, that was read.
    after: (String, String),
    is_empty: bool,
}

enum Stage {
    Start,
    Middle,
    Over,
}

impl Npm {
    pub(super) async fn answer_discover(&self, visitor: &Visitor, discover: &Discover) -> Result<Reply, Error> {
        match discover {
            Discover::Changes(since) => self.changes(visitor, since).await,
            Discover::ChangesByTime { since, after, limit } => {
                self.changes_by_time(visitor, *since, *after, *limit).await
            }
            Discover::All { since } => Ok(self.list(visitor, Form::Documents { since: *since })),
            Discover::Names => Ok(self.list(visitor, Form::Names)),
            Discover::Versions { from, to } => Ok(self.list(visitor, Form::Versions { within: (*from, *to) })),
            Discover::OfUsers { users } => self.of_users(visitor, users).await,
            Discover::OfUser { user } => self.of_user(visitor, user).await,
            Discover::Dependents { name } => self.dependents(visitor, name).await,
            Discover::SetListed { name, is_listed } => self.set_listed(visitor, name, *is_listed).await,
            Discover::Search(_) => Err(Error::internal("a search that is none of the lists")),
        }
    }

    fn list(&self, visitor: &Visitor, form: Form) -> Reply {
        let mut reply = Reply::bytes(StatusCode::OK, JSON, Bytes::new());
        reply.set(CACHE_CONTROL, NO_CACHE);
        reply.body = Body::Stream(Box::new(Listing {
            gate: Arc::clone(&self.gate),
            blocks: self.blocks.clone(),
            visitor: visitor.clone(),
            form,
            stage: Stage::Start,
            after: (String::new(), String::new()),
            is_empty: true,
        }));
        reply
    }

    /// `GET /-/by-user/{users}`: users without packages are left out.
    async fn of_users(&self, visitor: &Visitor, users: &[Box<str>]) -> Result<Reply, Error> {
        let mut found = Map::new();
        for user in users {
            let names = self.owned_by(visitor, user).await?.unwrap_or_default();
            if !names.is_empty() {
                found.insert(user.to_string(), json!(names));
            }
        }
        Ok(listed(StatusCode::OK, &Value::Object(found)))
    }

    /// `GET /-/users/{user}/packages`.
    async fn of_user(&self, visitor: &Visitor, user: &str) -> Result<Reply, Error> {
        let names = self.owned_by(visitor, user).await?.ok_or_else(|| Error::not_found(format!("the user {user}")))?;
        Ok(listed(StatusCode::OK, &json!({ "user": user, "packages": names })))
    }

    /// Lists what a user owns, as far as a visitor may know of it; `None`: there is no such user.
    async fn owned_by(&self, visitor: &Visitor, user: &str) -> Result<Option<Vec<String>>, Error> {
        let Ok(name) = UserName::parse(user) else { return Ok(None) };
        let overlay = self.gate.overlay();
        let Some(user) = overlay.user(&name).await? else { return Ok(None) };
        let names = overlay.owned_by(self.gate.mount(), user.id).await?;
        self.visible_names(visitor, names).await.map(Some)
    }

    /// `GET /-/package/{name}/dependents`: of ours, whose newest version needs it.
    async fn dependents(&self, visitor: &Visitor, name: &PackageName) -> Result<Reply, Error> {
        let (entries, screen) = (self.catalog.read(&self.gate).await?, Arc::new(self.blocks.screen().await?));
        let (wanted, screened) = (name.clone(), Arc::clone(&screen));
        let may_be_meant = move |entry: &&Arc<Entry>| {
            entry.requires.contains(wanted.as_str()) || !screened.of(&entry.summary.name).is_empty()
        };
        // There may be many to look through.
        let found: Vec<Arc<Entry>> =
            bodies::apart(move || Ok::<_, Error>(entries.values().filter(may_be_meant).cloned().collect())).await?;
        let mut dependents = Vec::new();
        for entry in found {
            let screened = self.screen_entry(&screen, &entry).await?;
            let is_meant = screened.is_some_and(|entry| entry.requires.contains(name.as_str()));
            if is_meant && self.gate.sees(visitor, &entry.summary.name).await? {
                dependents.push(entry.summary.name.clone());
            }
        }
        Ok(listed(StatusCode::OK, &json!({ "dependents": dependents })))
    }
}

// === impl Listing ===

impl Listing {
    /// Prints the next page; `None` at the end.
    async fn print(&mut self) -> Result<Option<String>, Error> {
        let is_object = matches!(self.form, Form::Documents { .. });
        match self.stage {
            Stage::Start => {
                self.stage = Stage::Middle;
                if !is_object {
                    return Ok(Some("[".to_owned()));
                }
                self.is_empty = false;
                Ok(Some(format!("{{\"_updated\":{}", millis(self.gate.overlay().now()))))
            }
            Stage::Middle => {
                let (read, lines) = self.lines().await?;
                let mut text = String::new();
                for line in lines {
                    let comma = if std::mem::take(&mut self.is_empty) { "" } else { "," };
                    text.push_str(comma);
                    text.push_str(&line);
                }
                if read < PAGE {
                    self.stage = Stage::Over;
                    text.push(if is_object { '}' } else { ']' });
                }
                Ok(Some(text))
            }
            Stage::Over => Ok(None),
        }
    }

    /// Reads a page: how much it was, and the lines of what the visitor may know of.
    async fn lines(&mut self) -> Result<(u64, Vec<String>), Error> {
        match self.form {
            Form::Documents { since } => self.documents(since).await,
            Form::Names => self.names().await,
            Form::Versions { within } => self.versions(within).await,
        }
    }

    async fn documents(&mut self, since: Option<SystemTime>) -> Result<(u64, Vec<String>), Error> {
        let (after, limit) = (self.after.0.as_str(), PAGE);
        let span = match since {
            None => Span::After { name: after, limit },
            Some(since) => Span::Changed { since, after, limit },
        };
        let page = self.gate.overlay().summaries(self.gate.mount(), LATEST, span).await?;
        let (screen, read) = (self.blocks.screen().await?, page.len() as u64);
        self.read_to(page.last().map(|last| (last.name.clone(), String::new())));
        let mut lines = Vec::new();
        for summary in page {
            if self.gate.sees(&self.visitor, &summary.name).await?
                && let Some(summary) = screen_summary(&self.gate, &screen, summary).await?
            {
                lines.push(format!("{}:{}", quote(&summary.name), print_summary(&summary)));
            }
        }
        Ok((read, lines))
    }

    async fn names(&mut self) -> Result<(u64, Vec<String>), Error> {
        let page = self.gate.overlay().package_names(self.gate.mount(), &self.after.0, PAGE).await?;
        let screen = self.blocks.screen().await?;
        let mut lines = Vec::new();
        for (name, _) in &page {
            if self.gate.sees(&self.visitor, name).await? && is_open(&self.gate, &screen, name).await? {
                lines.push(quote(name));
            }
        }
        self.read_to(page.last().map(|(name, _)| (name.clone(), String::new())));
        Ok((page.len() as u64, lines))
    }

    async fn versions(&mut self, within: (SystemTime, SystemTime)) -> Result<(u64, Vec<String>), Error> {
        let after = (self.after.0.as_str(), self.after.1.as_str());
        let page = self.gate.overlay().published(self.gate.mount(), within, after, PAGE).await?;
        let screen = self.blocks.screen().await?;
        let mut lines = Vec::new();
        for (name, version, at) in &page {
            if self.gate.sees(&self.visitor, name).await? && screen.of(name).find(version).is_none() {
                lines.push(json!({ "name": name, "version": version, "publish_time": millis(*at) }).to_string());
            }
        }
        self.read_to(page.last().map(|(name, version, _)| (name.clone(), version.clone())));
        Ok((page.len() as u64, lines))
    }

    fn read_to(&mut self, last: Option<(String, String)>) {
        if let Some(last) = last {
            self.after = last;
        }
    }
}

#[async_trait]
impl Source for Listing {
    fn length(&self) -> Option<u64> {
        None
    }

    async fn next(&mut self) -> Option<Result<Bytes, Cut>> {
        self.print().await.map(|text| text.map(Bytes::from)).map_err(|error| Cut(Arc::new(error))).transpose()
    }

    fn may_settle(&self) -> bool {
        false
    }

    async fn whole(mut self: Box<Self>) -> Result<Slice, Cut> {
        let failed = |error: std::io::Error| Cut(Arc::new(error));
        let (temp, mut length) = (Temp::in_memory().map_err(failed)?, 0);
        while let Some(bytes) = self.next().await {
            let bytes = bytes?;
            length += bytes.len() as u64;
            if length > GATHERED {
                return Err(failed(std::io::Error::other("a list that is too long to be gathered")));
            }
            temp.write_all(&bytes).map_err(failed)?;
        }
        Ok(temp.slice(length))
    }
}

/// Prints what old clients search in. Source: contract npm §10.2.
fn print_summary(summary: &Summary) -> Value {
    let mut printed = manifest_of(summary);
    printed.retain(|member, _| LISTED_MEMBERS.contains(&&**member));
    let owners = summary.owners.iter().map(|owner| json!({ "name": owner.name.as_str(), "email": owner.email }));
    printed.insert("name".to_owned(), json!(summary.name));
    printed.insert("dist-tags".to_owned(), json!(summary.tags));
    printed.insert("maintainers".to_owned(), owners.collect());
    printed.insert("time".to_owned(), json!({ "modified": print_millis(summary.modified_at) }));
    printed.insert("versions".to_owned(), json!({ &summary.version: LATEST }));
    Value::Object(printed)
}
