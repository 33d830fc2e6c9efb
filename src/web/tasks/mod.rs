//! Tasks over our own API: packages are brought up to their upstreams, and whoever has asked follows how that goes.
//!
//! | request | answer |
//! |---|---|
//! | `POST …/sync` `{mount?, packages or lockfile, deps?}` | 202 `{tasks: [{id, package, joined}]}` |
//! | `GET …/tasks?mount&state&package&root&before&limit` | `{tasks: […], queue: {…}}`, the newest first; for admins |
//! | `GET …/tasks/{id}` | a task, with the versions that did not come out as they were wanted |
//! | `GET …/tasks/{id}/log?from=<line>&wait=<seconds>` | `{lines, next, state}`; waits for the next line, or the end |
//! | `DELETE …/tasks/{id}` | `{cancelled}` |
//! | `POST …/tasks/{id}/retry` | 202 `{id, package, joined}` |
//! | `GET …/feeds` | `{feeds: […]}`: how far each was read, and how far behind it is; for admins |
//!
//! Whoever may have packages of a mount synced by other ways may do so here. A task is shown to who may read its package,
//! and cancelled by who asked for it, or an admin.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use ::http::StatusCode;
use ::http::header::{ALLOW, CACHE_CONTROL, HeaderValue};
use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use self::ask::Asked;
use self::call::{Call, Listing, Tail};
use super::door::{tell, visitor};
use super::{JSON, api};
use crate::base::http::{BodyWanted, Handler, Outcome, Refusal, Reply, Request};
use crate::config::Who;
use crate::overlay::Overlay;
use crate::overlay::feeds::Feed;
use crate::overlay::tasks::{Kind, Log, Patience, Task, TaskFilter};
use crate::registries::failure::Error;
use crate::registries::gate::{Gate, Visitor};
use crate::registries::replica::{Replica, Replicas};
use crate::registries::wishes;

mod ask;
pub mod call;
mod print;

/// Clients that wait for lines at once; one more is answered as if it would not wait.
pub const MAX_WAITING: usize = 256;

/// Longest list of packages, or lockfile, in bytes.
const MAX_BODY: u64 = 16 << 20;

/// How often it is looked for lines that other nodes have written.
const LOOK: Duration = Duration::from_millis(500);

/// The API of tasks.
pub struct Tasks {
    /// Of the server, not of one mount.
    pub gate: Gate,
    pub mounts: Vec<Synced>,
    pub replicas: Replicas,
    pub patience: Patience,
    /// How many clients wait for lines at once.
    pub waiting: Semaphore,
}

/// A mount, as far as its packages may be synced.
#[derive(Clone, Debug)]
pub struct Synced {
    pub name: String,
    pub dialect: &'static str,
    /// Who may ask for that.
    pub who: Who,
}

#[async_trait]
impl Handler for Tasks {
    async fn handle(&self, request: &Request<'_>) -> Outcome {
        let call = match Call::read(request) {
            Ok(call) => call,
            Err(Error::MethodNotAllowed { allow }) => return refuse_method(&allow, request).into(),
            Err(error) => return tell(&error, request).action("tasks").into(),
        };
        match self.answer(request, &call).await {
            Ok(Outcome::Reply(reply)) => reply.action(call.name()).into(),
            Ok(outcome) => outcome,
            Err(error) => tell(&error, request).action(call.name()).into(),
        }
    }

    async fn handle_body(&self, request: &Request<'_>, body: Bytes) -> Reply {
        self.ask(request, &body).await.unwrap_or_else(|error| tell(&error, request))
    }

    fn refuse(&self, refusal: Refusal, request: &Request<'_>) -> Reply {
        tell(&refusal.into(), request)
    }
}

impl Tasks {
    async fn answer(&self, request: &Request<'_>, call: &Call<'_>) -> Result<Outcome, Error> {
        let visitor = visitor(&self.gate, request).await?;
        let reply = match call {
            Call::List(listing) => self.list(&visitor, listing).await?,
            Call::Show { id } => self.show(&visitor, id).await?,
            Call::Log { id, tail } => self.log(&visitor, id, *tail).await?,
            Call::Cancel { id } => self.cancel(&visitor, id).await?,
            Call::Retry { id } => self.retry(&visitor, id).await?,
            Call::Feeds => self.feeds(&visitor).await?,
            Call::Ask => {
                self.let_ask_anything(&visitor)?;
                return Ok(Outcome::NeedsBody(BodyWanted { action: call.name(), max: MAX_BODY }));
            }
        };
        Ok(reply.into())
    }

    /// Lets a visitor through that may ask for packages of any mount, before its list is read.
    fn let_ask_anything(&self, visitor: &Visitor) -> Result<(), Error> {
        let mut refusal = Error::Forbidden("nothing is mounted here".into());
        for mount in &self.mounts {
            match self.gate.let_sync(visitor, mount.who) {
                Ok(()) => return Ok(()),
                Err(error) => refusal = error,
            }
        }
        Err(refusal)
    }

    /// Makes tasks of what somebody wants to have here.
    async fn ask(&self, request: &Request<'_>, body: &[u8]) -> Result<Reply, Error> {
        let visitor = visitor(&self.gate, request).await?;
        let Asked { mount, wishes } = ask::read(body, &self.mounts)?;
        self.gate.let_sync(&visitor, mount.who)?;
        let replica = self.replica(&mount.name).ok_or_else(|| Error::not_found(format!("a list of {}", mount.name)))?;
        let mut spelled = Vec::new();
        for (package, wish) in wishes {
            let package = replica.spell(&package)?;
            replica.let_read(&visitor, &package).await?;
            spelled.push((package, wish));
        }
        if let (None, Some(address)) = (&visitor.identity, request.peer) {
            self.overlay().charge_stranger(address).await?;
        }
        let new = spelled.iter().map(|(package, wish)| wishes::order(&mount.name, package, wish)).collect();
        let made = self.overlay().enqueue(new, &self.patience, &self.gate.actor(&visitor)).await?;
        let made: Vec<Value> = made.iter().map(print::made).collect();
        Ok(answered(StatusCode::ACCEPTED, &json!({ "tasks": made })))
    }

    async fn list(&self, visitor: &Visitor, listing: &Listing<'_>) -> Result<Reply, Error> {
        self.gate.let_rule(visitor)?;
        let filter = TaskFilter {
            mount: listing.mount.as_deref(),
            subject: listing.package.as_deref(),
            state: listing.state,
            root: listing.root.as_deref(),
            before: listing.before.as_deref(),
        };
        let tasks = self.overlay().tasks(&filter, listing.limit).await?;
        let tasks: Vec<Value> = tasks.iter().map(print::task).collect();
        let queue = print::queue(&self.overlay().queue().await?);
        Ok(answered(StatusCode::OK, &json!({ "tasks": tasks, "queue": queue })))
    }

    async fn show(&self, visitor: &Visitor, id: &str) -> Result<Reply, Error> {
        let task = self.visible(visitor, id).await?;
        let results = self.overlay().task_results(&task.id).await?;
        let mut printed = print::task(&task);
        printed["results"] = results.iter().map(print::result).collect();
        Ok(answered(StatusCode::OK, &printed))
    }

    /// Tells the lines of a log from one on. Who waits is answered as soon as there is one, or the task is over.
    async fn log(&self, visitor: &Visitor, id: &str, tail: Tail) -> Result<Reply, Error> {
        let _place = tail.wait.and_then(|_| self.waiting.try_acquire().ok());
        let until = tail.wait.filter(|_| _place.is_some()).map(|wait| Instant::now() + wait);
        loop {
            // Looked at before the log: what is written with the end is read with it.
            let task = self.visible(visitor, id).await?;
            let Log { lines, next } = self.overlay().task_log(id, tail.from).await?;
            let is_late = until.is_none_or(|until| Instant::now() + LOOK > until);
            if !lines.is_empty() || task.state.is_over() || is_late {
                let told = json!({ "lines": lines, "next": next, "state": task.state.as_str() });
                return Ok(answered(StatusCode::OK, &told));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn cancel(&self, visitor: &Visitor, id: &str) -> Result<Reply, Error> {
        let task = self.visible(visitor, id).await?;
        let user = visitor.identity.as_ref().and_then(|identity| identity.user.as_ref());
        if user.is_none_or(|user| user.name.as_str() != task.asked_by) {
            self.gate.let_rule(visitor)?;
        }
        let cancelled = self.overlay().cancel_task(id, &self.gate.actor(visitor)).await?;
        Ok(answered(StatusCode::OK, &json!({ "cancelled": cancelled })))
    }

    async fn retry(&self, visitor: &Visitor, id: &str) -> Result<Reply, Error> {
        let task = self.visible(visitor, id).await?;
        let mount = self.mounts.iter().find(|mount| mount.name == task.mount).ok_or_else(|| absent(id))?;
        self.gate.known(visitor)?;
        self.gate.let_sync(visitor, mount.who)?;
        // What more than a package is concerned by, and what only admins may want, is not for everybody to want again.
        if task.kind != Kind::Package || task.wish.force || task.wish.force_history {
            self.gate.let_rule(visitor)?;
        }
        let made = self.overlay().retry_task(id, &self.patience, &self.gate.actor(visitor)).await?;
        Ok(answered(StatusCode::ACCEPTED, &print::made(&made)))
    }

    async fn feeds(&self, visitor: &Visitor) -> Result<Reply, Error> {
        self.gate.let_rule(visitor)?;
        let (feeds, oldest) = (self.overlay().feeds().await?, self.overlay().oldest_followed().await?);
        let oldest: HashMap<String, SystemTime> = oldest.into_iter().collect();
        let now = self.overlay().now();
        let lag = |feed: &Feed| feed.lag(oldest.get(&feed.mount).copied(), now);
        let feeds: Vec<Value> = feeds.iter().map(|feed| print::feed(feed, lag(feed))).collect();
        Ok(answered(StatusCode::OK, &json!({ "feeds": feeds })))
    }

    /// Finds a task that a visitor may know of. Of packages that it may not read, there is none.
    async fn visible(&self, visitor: &Visitor, id: &str) -> Result<Task, Error> {
        let task = self.overlay().task(id).await?.ok_or_else(|| absent(id))?;
        if self.gate.let_rule(visitor).is_ok() {
            return Ok(task);
        }
        match self.replica(&task.mount) {
            Some(replica) if task.kind == Kind::Package => match replica.let_read(visitor, &task.subject).await {
                Ok(()) => Ok(task),
                Err(Error::Unauthorized(why)) => Err(Error::Unauthorized(why)),
                Err(error) if error.is_ours() => Err(error),
                Err(_) => Err(absent(id)),
            },
            _ => Err(absent(id)),
        }
    }

    fn replica(&self, mount: &str) -> Option<Arc<dyn Replica>> {
        self.replicas.load().get(mount).cloned()
    }

    fn overlay(&self) -> &Overlay {
        self.gate.overlay()
    }
}

fn absent(id: &str) -> Error {
    Error::not_found(format!("the task {id}"))
}

fn answered(status: StatusCode, body: &Value) -> Reply {
    let mut reply = Reply::bytes(status, JSON, body.to_string());
    reply.set(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

fn refuse_method(allow: &str, request: &Request<'_>) -> Reply {
    let reason = format!("{} is not taken here", request.method);
    let mut reply = api::problem(StatusCode::METHOD_NOT_ALLOWED, &reason, request.id);
    reply.headers.extend(HeaderValue::from_str(allow).ok().map(|allow| (ALLOW, allow)));
    reply
}
