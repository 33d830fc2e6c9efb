//! Sync tasks in the words of cnpm: asked for, and looked at while they run. What one of them does is [`super::replicate`]'s.
//! Source: contract npm §12.
//!
//! | here | there |
//! |---|---|
//! | waiting, processing, success | the same |
//! | partial | `success`, with the last `error` |
//! | error, timed out, cancelled | `error`, which says so |

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::StatusCode;
use http::header::CACHE_CONTROL;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Npm;
use super::accounts::{address, read};
use super::error::Error;
use super::name::{LATEST, PackageName, Version};
use super::own::Whose;
use super::replies::{NO_STORE, unkept};
use super::routes::Sync;
use crate::base::http::{Reply, Request};
use crate::overlay::tasks::{Cause, Kind, NewTask, Rank, State, Task, TaskId, Wish};
use crate::registries::gate::Visitor;
use crate::registries::replica::Mark;
use crate::registries::times::print_millis;

const PLAIN: &str = "text/plain; charset=utf-8";

/// The longest tips, in bytes. Source: contract npm §12.1.
const LONGEST_TIPS: usize = 1024;

/// How long after its end the log of a task has its last line.
const SETTLED: Duration = Duration::from_secs(1);

/// What the log tells a client that wants upstream to be brought up to its own upstream first.
const NO_UPSTREAM_FIRST: &str = "[UP] not done: upstreams are asked for what they have";

/// What a client may say of a task.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Asked {
    skip_dependencies: Option<bool>,
    sync_download_data: Option<bool>,
    force: Option<bool>,
    force_sync_history: Option<bool>,
    tips: Option<String>,
    registry_name: Option<String>,
    /// An array of versions, as JSON in a string.
    specific_versions: Option<String>,
}

impl Npm {
    pub(super) async fn answer_sync(
        &self,
        request: &Request<'_>,
        visitor: &Visitor,
        sync: &Sync,
    ) -> Result<Reply, Error> {
        match sync {
            Sync::AskOld { name, skip_dependencies, asks_upstream } => {
                let tips = asks_upstream.then(|| NO_UPSTREAM_FIRST.to_owned());
                let asked = Asked { skip_dependencies: Some(*skip_dependencies), tips, ..Asked::default() };
                let id = self.ask_for_sync(request, visitor, name, asked).await?;
                Ok(unkept(StatusCode::CREATED, &json!({ "ok": true, "logId": id })))
            }
            Sync::Status { name, id } => {
                let task = self.task_of(name, id).await?;
                Ok(unkept(StatusCode::OK, &print_status(&task, &log_url(request.base, name, id), id)))
            }
            Sync::Log { name, id } => {
                let task = self.task_of(name, id).await?;
                self.print_log(&task, id).await
            }
            Sync::OldLog { name, id } => {
                let task = self.task_of(name, id).await?;
                let status = print_status(&task, &log_url(request.base, name, id), id);
                let now = print_millis(self.gate.overlay().now());
                Ok(unkept(StatusCode::OK, &print_old_log(name, &status, task.state.is_over(), &now)))
            }
            Sync::Ask { .. } => Err(Error::internal("a task without its body")),
        }
    }

    pub(super) async fn answer_sync_body(
        &self,
        request: &Request<'_>,
        visitor: &Visitor,
        sync: &Sync,
        body: &Bytes,
    ) -> Result<Reply, Error> {
        let Sync::Ask { name } = sync else { return Err(Error::internal("a body that nobody asked for")) };
        let asked = if body.is_empty() { Asked::default() } else { read(body)? };
        let id = self.ask_for_sync(request, visitor, name, asked).await?;
        let made = json!({ "ok": true, "id": id, "type": Kind::Package.as_str(), "state": State::Waiting.as_str() });
        Ok(unkept(StatusCode::CREATED, &made))
    }

    /// Answers with the log of a task, as far as it has come.
    pub(super) async fn print_log(&self, task: &Task, id: &str) -> Result<Reply, Error> {
        let mut lines = self.gate.overlay().task_log(id, 0).await?.lines;
        lines.extend(last_line(task, self.gate.overlay().now()));
        let text: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
        let mut reply = Reply::bytes(StatusCode::OK, PLAIN, text);
        reply.set(CACHE_CONTROL, NO_STORE);
        Ok(reply)
    }

    /// Makes a task, or joins the one that waits for the same package.
    async fn ask_for_sync(
        &self,
        request: &Request<'_>,
        visitor: &Visitor,
        name: &PackageName,
        asked: Asked,
    ) -> Result<TaskId, Error> {
        self.gate.let_sync(visitor, self.in_step.who)?;
        self.judge_source(name, asked.registry_name.as_deref()).await?;
        // What is not for everybody is left out, not refused. Source: cnpm's registry.
        let wish = judge_wish(asked, self.gate.let_rule(visitor).is_ok())?;
        let overlay = self.gate.overlay();
        if visitor.identity.is_none() {
            overlay.charge_stranger(address(request)).await?;
        }
        let new = NewTask {
            mount: self.gate.mount(),
            kind: Kind::Package,
            subject: name.as_str(),
            wish,
            cause: Cause::Asked,
            rank: Rank::Asked,
            parent: None,
        };
        let made = overlay.enqueue(vec![new], &self.patience, &self.gate.actor(visitor)).await?;
        made.into_iter().next().map(|made| made.id).ok_or_else(|| Error::internal("a task that was not made"))
    }

    /// Judges where a package comes from: from somebody else, and from nobody but whom its name leads to.
    async fn judge_source(&self, name: &PackageName, registry: Option<&str>) -> Result<(), Error> {
        if matches!(self.whose(name).await?, Whose::Ours(_)) {
            return Err(Error::Forbidden(format!("{name} is published here, and comes from no upstream").into()));
        }
        let Some(registry) = registry.filter(|registry| !registry.is_empty()) else { return Ok(()) };
        match self.is_from(name, registry).await? {
            true => Ok(()),
            false => Err(Error::Forbidden(format!("{name} does not come from a registry {registry:?}").into())),
        }
    }

    /// Finds a task of a package.
    async fn task_of(&self, name: &PackageName, id: &str) -> Result<Task, Error> {
        let is_of = |task: &Task| {
            task.mount == self.gate.mount() && task.kind == Kind::Package && task.subject == name.as_str()
        };
        let task = self.gate.overlay().task(id).await?.filter(is_of);
        task.ok_or_else(|| Error::not_found(format!("the sync task {id} of {name}")))
    }
}

/// Reads what is to be fetched. `is_admin`: what only admins may want is heeded.
fn judge_wish(asked: Asked, is_admin: bool) -> Result<Wish, Error> {
    if asked.sync_download_data == Some(true) {
        return Err(Error::Forbidden("downloads are not copied from other registries: this is not configured".into()));
    }
    let tips = asked.tips.unwrap_or_default();
    if tips.len() > LONGEST_TIPS {
        return Err(Error::Unprocessable("tips have at most 1024 bytes".into()));
    }
    let versions = asked.specific_versions.as_deref().map(parse_versions).transpose()?;
    Ok(Wish {
        all: versions.is_none(),
        // Clients expect the newest beside those that were named.
        ranges: versions.iter().map(|_| LATEST.to_owned()).collect(),
        versions: versions.unwrap_or_default(),
        skip_dependencies: asked.skip_dependencies == Some(true),
        force: is_admin && asked.force == Some(true),
        force_history: is_admin && asked.force_sync_history == Some(true),
        tips,
        ..Wish::default()
    })
}

/// Reads versions that stand as a JSON array in a text, each once.
fn parse_versions(text: &str) -> Result<BTreeSet<String>, Error> {
    let wrong = || Error::Unprocessable("specificVersions is a JSON array of different versions, in a string".into());
    let listed: Vec<String> = serde_json::from_str(text).map_err(|_| wrong())?;
    let versions: BTreeSet<String> = listed.iter().filter(|text| Version::parse(text).is_ok()).cloned().collect();
    if versions.len() == listed.len() { Ok(versions) } else { Err(wrong()) }
}

/// Returns what clients are told of a state, and why it came to that.
fn told(task: &Task) -> (&'static str, Option<&str>) {
    let error = task.error.as_deref();
    match task.state {
        State::Waiting => (State::Waiting.as_str(), None),
        State::Processing => (State::Processing.as_str(), None),
        State::Success | State::Partial => (State::Success.as_str(), error),
        State::Error => (State::Error.as_str(), error),
        state @ (State::TimedOut | State::Cancelled) => (State::Error.as_str(), error.or(Some(state.as_str()))),
    }
}

/// Prints how a task is, by the name that it was asked by: it may go on as another.
fn print_status(task: &Task, log_url: &str, id: &str) -> Value {
    let (state, error) = told(task);
    let mut status = json!({ "ok": true, "id": id, "type": task.kind.as_str(), "state": state });
    if task.state != State::Waiting {
        status["logUrl"] = json!(log_url);
    }
    if let Some(error) = error {
        status["error"] = json!(error);
    }
    status
}

fn print_old_log(name: &PackageName, status: &Value, is_over: bool, now: &str) -> Value {
    let stage = if is_over { "[done]" } else { "[processing]" };
    let mut log = json!({
        "ok": true,
        "syncDone": is_over,
        "log": format!("[{now}] {stage} Sync {name} data: {status}"),
    });
    for member in ["logUrl", "error"] {
        if let Some(value) = status.get(member) {
            log[member] = value.clone();
        }
    }
    log
}

/// Prints the last line of a log, some time after the end.
///
/// cnpm asks for the state and then for the log, every two seconds, and stops at a success only when that brings lines that
/// it has not seen. Had the task ended between the two, it would have seen all of them, and go on asking for ever.
fn last_line(task: &Task, now: SystemTime) -> Option<String> {
    let ended_at =
        task.ended_at.filter(|ended_at| now.duration_since(*ended_at).is_ok_and(|since| since >= SETTLED))?;
    Some(format!("[{}] {} the task is over: {}", print_millis(ended_at), Mark::Fact.as_str(), told(task).0))
}

fn log_url(base: &str, name: &PackageName, id: &str) -> String {
    format!("{base}/-/package/{name}/syncs/{id}/log")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::from_millis;

    fn asked(body: &Value) -> Asked {
        serde_json::from_value(body.clone()).unwrap()
    }

    #[test]
    fn what_is_wanted_is_read_and_what_only_admins_may_want_is_left_out() {
        let all = Wish { all: true, ..Wish::default() };
        assert_eq!(judge_wish(Asked::default(), true).unwrap(), all);
        let body = json!({ "skipDependencies": true, "force": true, "forceSyncHistory": true, "tips": "by ann",
            "registryName": "default", "syncDownloadData": false, "specificVersions": null, "other": 1 });
        let some = Wish { skip_dependencies: true, tips: "by ann".to_owned(), ..all };
        assert_eq!(judge_wish(asked(&body), false).unwrap(), some);
        assert_eq!(judge_wish(asked(&body), true).unwrap(), Wish { force: true, force_history: true, ..some });
        let named = judge_wish(asked(&json!({ "specificVersions": "[\"1.0.0\",\"2.0.0-rc.1+b\"]" })), false).unwrap();
        let (versions, ranges) = (["1.0.0", "2.0.0-rc.1+b"], ["latest"]);
        assert!(!named.all && named.versions.iter().eq(versions) && named.ranges.iter().eq(ranges), "{named:?}");
    }

    #[test]
    fn what_cannot_be_done_is_refused() {
        let long = "x".repeat(1025);
        for (body, status) in [
            (json!({ "syncDownloadData": true }), 403),
            (json!({ "tips": long }), 422),
            (json!({ "specificVersions": "" }), 422),
            (json!({ "specificVersions": "1.0.0" }), 422),
            (json!({ "specificVersions": "{\"1.0.0\":1}" }), 422),
            (json!({ "specificVersions": "[1]" }), 422),
            (json!({ "specificVersions": "[\"^1\"]" }), 422),
            (json!({ "specificVersions": "[\"v1.0.0\"]" }), 422),
            (json!({ "specificVersions": "[\"1.0.0\",\"1.0.0\"]" }), 422),
        ] {
            assert_eq!(judge_wish(asked(&body), true).unwrap_err().status().as_u16(), status, "{body}");
        }
        assert!(serde_json::from_value::<Asked>(json!({ "specificVersions": ["1.0.0"] })).is_err(), "no string");
    }

    fn task(state: State, error: Option<&str>) -> Task {
        Task {
            id: "66f1".to_owned(),
            mount: "npm".to_owned(),
            kind: Kind::Package,
            subject: "@s/n".to_owned(),
            wish: Wish::default(),
            root: "66f1".to_owned(),
            depth: 0,
            cause: Cause::Asked,
            asked_by: "joe".to_owned(),
            rank: Rank::Asked,
            state,
            tries: 1,
            made_at: from_millis(0),
            due_at: from_millis(0),
            begun_at: None,
            ended_at: None,
            is_cancelled: false,
            lines: 1,
            received: 0,
            error: error.map(str::to_owned),
            successor: None,
        }
    }

    #[test]
    fn clients_are_told_no_state_but_those_that_they_know() {
        let url = "http://host.example/npm/-/package/@s/n/syncs/66f0/log";
        for (state, error, expected) in [
            (State::Waiting, Some("once more"), json!({ "state": "waiting" })),
            (State::Processing, None, json!({ "state": "processing", "logUrl": url })),
            (State::Success, None, json!({ "state": "success", "logUrl": url })),
            (State::Partial, Some("1.0.0: gone"), json!({ "state": "success", "logUrl": url, "error": "1.0.0: gone" })),
            (State::Error, Some("no"), json!({ "state": "error", "logUrl": url, "error": "no" })),
            (State::TimedOut, None, json!({ "state": "error", "logUrl": url, "error": "timed out" })),
            (State::Cancelled, None, json!({ "state": "error", "logUrl": url, "error": "cancelled" })),
        ] {
            let mut expected = expected;
            for (member, value) in [("ok", json!(true)), ("id", json!("66f0")), ("type", json!("package"))] {
                expected[member] = value;
            }
            let name = PackageName::parse("@s/n").unwrap();
            let status = print_status(&task(state, error), &log_url("http://host.example/npm", &name, "66f0"), "66f0");
            assert_eq!(status, expected);
        }
    }

    #[test]
    fn a_log_has_one_more_line_when_its_task_was_over_for_a_while() {
        let ended = Task { ended_at: Some(from_millis(5_000)), ..task(State::Partial, None) };
        let told = |task: &Task, now| last_line(task, from_millis(now));
        assert_eq!(told(&task(State::Processing, None), 9_000), None);
        assert_eq!([told(&ended, 4_000), told(&ended, 5_999)], [None, None]);
        let line = "[1970-01-01T00:00:05.000Z] 📖 the task is over: success";
        assert_eq!([told(&ended, 6_000), told(&ended, 99_000)], [Some(line.to_owned()), Some(line.to_owned())]);
    }

    #[test]
    fn older_clients_find_the_end_in_the_log() {
        let (name, now) = (PackageName::parse("n").unwrap(), "2026-01-02T03:04:05.006Z");
        let status = print_status(&task(State::Error, Some("no")), "http://host.example/log", "66f0");
        let log = print_old_log(&name, &status, true, now);
        let text = format!("[{now}] [done] Sync n data: {status}");
        let expected = json!({ "ok": true, "syncDone": true, "log": text, "logUrl": "http://host.example/log",
            "error": "no" });
        assert_eq!(log, expected);
        let status = print_status(&task(State::Waiting, None), "http://host.example/log", "66f0");
        let log = print_old_log(&name, &status, false, now);
        let text = format!("[{now}] [processing] Sync n data: {status}");
        assert_eq!(log, json!({ "ok": true, "syncDone": false, "log": text }));
    }
}
