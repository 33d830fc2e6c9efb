//! Tasks as JSON. Pure.

use std::time::SystemTime;

use serde_json::{Value, json};

use crate::base::clock::print_millis;
use crate::overlay::tasks::{Enqueued, Queue, Task, TaskResult};

pub fn task(task: &Task) -> Value {
    json!({
        "id": task.id,
        "mount": task.mount,
        "kind": task.kind.as_str(),
        "package": task.subject,
        "state": task.state.as_str(),
        "cause": task.cause.as_str(),
        "asked_by": task.asked_by,
        "root": task.root,
        "depth": task.depth,
        "tries": task.tries,
        "wish": task.wish,
        "made_at": print_millis(task.made_at),
        "due_at": print_millis(task.due_at),
        "begun_at": time(task.begun_at),
        "ended_at": time(task.ended_at),
        "is_cancelled": task.is_cancelled,
        "lines": task.lines,
        "received_bytes": task.received,
        "error": task.error,
    })
}

pub fn result(result: &TaskResult) -> Value {
    json!({ "version": result.version, "outcome": result.outcome, "detail": result.detail })
}

pub fn made(made: &Enqueued) -> Value {
    json!({ "id": made.id, "package": made.subject, "joined": made.joined })
}

pub fn queue(queue: &Queue) -> Value {
    json!({
        "waiting": queue.waiting,
        "processing": queue.processing,
        "oldest_made_at": time(queue.oldest),
        "workers": queue.workers,
    })
}

fn time(time: Option<SystemTime>) -> Value {
    time.map_or(Value::Null, |time| print_millis(time).into())
}
