//! Tasks as JSON. Pure.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::base::clock::print_millis;
use crate::overlay::feeds::Feed;
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

/// `lag`: how long things may have been there that are not here; `None`: nobody knows.
pub fn feed(feed: &Feed, lag: Option<Duration>) -> Value {
    json!({
        "mount": feed.mount,
        "name": feed.name,
        "cursor": feed.cursor,
        "lag_seconds": lag.map(|lag| lag.as_secs()),
        "read_at": time(feed.read_at),
        "caught_up_at": time(feed.caught_up_at),
        "due_at": print_millis(feed.due_at),
        "failures": feed.failures,
        "error": feed.error,
    })
}

fn time(time: Option<SystemTime>) -> Value {
    time.map_or(Value::Null, |time| print_millis(time).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::from_millis;

    #[test]
    fn a_feed_tells_how_far_it_was_read() {
        let known = Feed {
            mount: "npm".to_owned(),
            name: "default".to_owned(),
            cursor: Some("42".to_owned()),
            memory: Some(vec![1]),
            moves: 7,
            due_at: from_millis(60_000),
            read_at: Some(from_millis(0)),
            caught_up_at: None,
            behind: None,
            failures: 2,
            error: Some("upstream cannot be reached".to_owned()),
        };
        let expected = json!({
            "mount": "npm", "name": "default", "cursor": "42", "lag_seconds": 61, "failures": 2,
            "read_at": "1970-01-01T00:00:00.000Z", "caught_up_at": null, "due_at": "1970-01-01T00:01:00.000Z",
            "error": "upstream cannot be reached",
        });
        assert_eq!(feed(&known, Some(Duration::from_millis(61_900))), expected);
        assert_eq!(feed(&known, None)["lag_seconds"], Value::Null);
    }
}
