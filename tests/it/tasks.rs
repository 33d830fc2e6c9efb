//! Tasks over our own API: asked for, listed, followed, cancelled and tried again.

use serde_json::{Value, json};

use crate::npm::acme::{Acme, NOBODY, ROOT};
use crate::support::http::{Answer, Ask};

const API: &str = "/-/heliostat/api/v1";

/// An upstream that has `left` and `right`, and a mount whose tasks are run only if `tasks` are more than none.
async fn start(mount: &str, tasks: &str) -> Acme {
    let mut acme = Acme::start_with(&["joe", "ann"], mount).await;
    acme.registry.publish_plain("left");
    acme.registry.publish_plain("right");
    acme.heliostat.stop();
    acme.heliostat.reconfigure(|builder| builder.set("sync", "tasks", tasks));
    acme.heliostat.start().await;
    acme
}

async fn call(acme: &Acme, who: &str, method: &str, path: &str) -> Answer {
    acme.ask(who, Ask::new(method, &format!("{API}{path}"))).await
}

async fn sync(acme: &Acme, who: &str, body: Value) -> Answer {
    let body = body.to_string();
    let ask = Ask::new("POST", &format!("{API}/sync")).header("content-length", &body.len().to_string());
    acme.ask(who, ask.body(body)).await
}

fn refused(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{}", answer.summary());
    assert!(answer.json()["error"].is_string() && answer.json()["request_id"].is_string(), "{}", answer.summary());
}

#[tokio::test]
async fn packages_become_tasks_that_are_shown_with_their_logs() {
    let acme = start("", "0").await;
    let made = sync(&acme, "joe", json!({ "mount": "npm", "packages": ["left", "right@^1", "left@1.0.0"] })).await;
    assert_eq!((made.status, made.header("cache-control")), (202, Some("no-store")), "{}", made.summary());
    let made = made.json();
    let id = made["tasks"][0]["id"].as_str().expect("an id").to_owned();
    let told = |place: usize| (made["tasks"][place]["package"].as_str(), made["tasks"][place]["joined"].as_bool());
    assert_eq!([told(0), told(1)], [(Some("left"), Some(false)), (Some("right"), Some(false))]);
    assert_eq!((&made["tasks"][2]["id"], told(2)), (&json!(id), (Some("left"), Some(true))));

    let task = call(&acme, NOBODY, "GET", &format!("/tasks/{id}")).await;
    assert_eq!((task.status, task.header("cache-control")), (200, Some("no-store")), "{}", task.summary());
    let task = task.json();
    for (member, expected) in [
        ("mount", json!("npm")),
        ("kind", json!("package")),
        ("package", json!("left")),
        ("state", json!("waiting")),
        ("cause", json!("asked")),
        ("asked_by", json!("joe")),
        ("root", json!(id)),
        ("results", json!([])),
        ("ended_at", Value::Null),
    ] {
        assert_eq!(task[member], expected, "{member}: {task}");
    }
    assert_eq!((&task["wish"]["all"], &task["wish"]["skip_dependencies"]), (&json!(true), &json!(true)));
    let log = call(&acme, NOBODY, "GET", &format!("/tasks/{id}/log")).await.json();
    assert_eq!(
        (log["lines"].as_array().map(Vec::len), &log["next"], &log["state"]),
        (Some(1), &json!(1), &json!("waiting"))
    );
    let log = call(&acme, NOBODY, "GET", &format!("/tasks/{id}/log?from=1&wait=1")).await.json();
    assert_eq!(log, json!({ "lines": [], "next": 1, "state": "waiting" }), "nothing came");
}

#[tokio::test]
async fn a_task_is_cancelled_by_who_asked_and_tried_again_by_who_may_ask() {
    let acme = start("", "0").await;
    let made = sync(&acme, "joe", json!({ "packages": ["left"] })).await.json();
    let id = made["tasks"][0]["id"].as_str().expect("an id").to_owned();
    refused(&call(&acme, NOBODY, "DELETE", &format!("/tasks/{id}")).await, 401);
    refused(&call(&acme, "ann", "DELETE", &format!("/tasks/{id}")).await, 403);
    refused(&call(&acme, "joe", "POST", &format!("/tasks/{id}/retry")).await, 409);
    let path = format!("/tasks/{id}/log?from=1&wait=50");
    let (end, cancelled) = tokio::join!(call(&acme, "ann", "GET", &path), async {
        call(&acme, "joe", "DELETE", &format!("/tasks/{id}")).await
    });
    assert_eq!(cancelled.json(), json!({ "cancelled": true }), "{}", cancelled.summary());
    assert_eq!((&end.json()["state"], &end.json()["next"]), (&json!("cancelled"), &json!(2)), "{}", end.summary());
    assert_eq!(call(&acme, ROOT, "DELETE", &format!("/tasks/{id}")).await.json(), json!({ "cancelled": false }));
    refused(&call(&acme, NOBODY, "POST", &format!("/tasks/{id}/retry")).await, 401);
    let again = call(&acme, "ann", "POST", &format!("/tasks/{id}/retry")).await;
    assert_eq!((again.status, &again.json()["package"]), (202, &json!("left")), "{}", again.summary());
    assert_ne!(again.json()["id"], id);
}

#[tokio::test]
async fn admins_see_all_of_the_queue() {
    let acme = start("", "0").await;
    let made = sync(&acme, "joe", json!({ "packages": ["left", "right"] })).await.json();
    refused(&call(&acme, NOBODY, "GET", "/tasks").await, 401);
    refused(&call(&acme, "joe", "GET", "/tasks").await, 403);
    let all = call(&acme, ROOT, "GET", "/tasks").await.json();
    assert_eq!((&all["queue"]["waiting"], &all["queue"]["processing"]), (&json!(2), &json!(0)), "{all}");
    assert!(all["queue"]["oldest_made_at"].is_string(), "{all}");
    let names = async |query: &str| {
        let listed = call(&acme, ROOT, "GET", &format!("/tasks?{query}")).await.json();
        let names =
            listed["tasks"].as_array().expect("tasks").iter().map(|task| task["package"].as_str().expect("a name"));
        let mut names: Vec<String> = names.map(str::to_owned).collect();
        names.sort();
        names.join(" ")
    };
    assert_eq!(names("").await, "left right");
    assert_eq!(names("package=left&mount=npm&state=waiting").await, "left");
    assert_eq!(names("mount=hex").await, "");
    assert_eq!(names("state=success").await, "");
    let newest = call(&acme, ROOT, "GET", "/tasks?limit=1").await.json();
    let before = newest["tasks"][0]["id"].as_str().expect("an id").to_owned();
    assert_eq!(newest["tasks"].as_array().map(Vec::len), Some(1));
    let other = made["tasks"].as_array().expect("tasks").iter().find(|task| task["id"] != before).expect("another");
    assert_eq!(names(&format!("before={before}")).await, other["package"]);
    refused(&call(&acme, ROOT, "GET", "/tasks?state=asleep").await, 400);
    refused(&call(&acme, NOBODY, "GET", "/feeds").await, 401);
    refused(&call(&acme, "joe", "GET", "/feeds").await, 403);
    let feeds = call(&acme, ROOT, "GET", "/feeds").await;
    assert_eq!((feeds.status, feeds.json()), (200, json!({ "feeds": [] })), "none is read: {}", feeds.summary());
}

#[tokio::test]
async fn all_of_a_lockfile_is_asked_for_at_once() {
    let acme = start("", "0").await;
    let lockfile = json!({ "lockfileVersion": 3, "packages": {
        "": { "name": "p" }, "node_modules/left": { "version": "1.0.0" },
        "node_modules/left/node_modules/right": { "version": "1.0.0" },
        "node_modules/beside": { "resolved": "beside", "link": true },
    } });
    let made = sync(&acme, "joe", json!({ "lockfile": lockfile.to_string() })).await;
    assert_eq!(made.status, 202, "{}", made.summary());
    let made = made.json();
    let tasks: Vec<_> = made["tasks"].as_array().expect("tasks").iter().map(|task| &task["package"]).collect();
    assert_eq!(tasks, ["left", "right"]);
    let id = made["tasks"][0]["id"].as_str().expect("an id");
    let task = call(&acme, "joe", "GET", &format!("/tasks/{id}")).await.json();
    assert_eq!((&task["wish"]["all"], &task["wish"]["versions"]), (&json!(false), &json!(["1.0.0"])), "{task}");
    refused(&sync(&acme, "joe", json!({ "lockfile": "%{\n}\n" })).await, 422);
}

#[tokio::test]
async fn who_may_not_ask_or_know_is_refused() {
    let acme = start("sync_who = \"user\"", "0").await;
    let left = || json!({ "mount": "npm", "packages": ["left"] });
    refused(&sync(&acme, NOBODY, left()).await, 401);
    assert_eq!(sync(&acme, NOBODY, left()).await.header("www-authenticate"), Some("Bearer"));
    for (packages, status) in [(json!([".left"]), 400), (json!(["left", "@acme/absent"]), 404), (json!([""]), 400)] {
        refused(&sync(&acme, "joe", json!({ "mount": "npm", "packages": packages })).await, status);
    }
    assert_eq!(acme.publish("joe", "@acme/secret", "1.0.0", Some("restricted")).await.status, 201);
    let secret = || json!({ "mount": "npm", "packages": ["@acme/secret"] });
    let made = sync(&acme, "joe", secret()).await;
    assert_eq!(made.status, 202, "{}", made.summary());
    let (hidden, absent) = (sync(&acme, "ann", secret()).await, "@acme/absent");
    let absent = sync(&acme, "ann", json!({ "mount": "npm", "packages": [absent] })).await;
    refused(&hidden, 404);
    assert_eq!(
        hidden.json()["error"].as_str().map(|text| text.replace("secret", "absent")),
        absent.json()["error"].as_str().map(str::to_owned)
    );
    let id = made.json()["tasks"][0]["id"].as_str().expect("an id").to_owned();
    for (method, path) in [("GET", ""), ("GET", "/log"), ("DELETE", ""), ("POST", "/retry")] {
        refused(&call(&acme, "ann", method, &format!("/tasks/{id}{path}")).await, 404);
    }
    assert_eq!(call(&acme, "joe", "GET", &format!("/tasks/{id}")).await.status, 200);
    refused(&call(&acme, "joe", "GET", "/tasks/66f000000000000000000000").await, 404);
    refused(&call(&acme, "joe", "GET", "/sync").await, 405);
    assert_eq!(call(&acme, "joe", "GET", "/sync").await.header("allow"), Some("POST"));

    let acme = start("sync_who = \"admin\"", "0").await;
    refused(&sync(&acme, "joe", left()).await, 403);
    assert_eq!(sync(&acme, ROOT, left()).await.status, 202);
}

#[tokio::test]
async fn who_follows_a_log_hears_of_its_end() {
    let acme = start("", "2").await;
    let made = sync(&acme, "joe", json!({ "packages": ["left"] })).await.json();
    let id = made["tasks"][0]["id"].as_str().expect("an id");
    let (mut lines, mut next, mut rounds) = (Vec::new(), 0, 0);
    let state = loop {
        let log = call(&acme, "joe", "GET", &format!("/tasks/{id}/log?from={next}&wait=20")).await.json();
        lines.extend(log["lines"].as_array().expect("lines").iter().filter_map(Value::as_str).map(str::to_owned));
        next = log["next"].as_u64().expect("a number");
        let state = log["state"].as_str().expect("a state").to_owned();
        if !matches!(state.as_str(), "waiting" | "processing") {
            break state;
        }
        rounds += 1;
        assert!(rounds < 50, "{lines:?}");
    };
    assert_eq!((state.as_str(), lines.len() as u64), ("success", next), "{lines:?}");
    assert!(
        lines.iter().any(|line| line.contains("🎉")) && lines.last().is_some_and(|line| line.contains("🟢")),
        "{lines:?}"
    );
    let task = call(&acme, "joe", "GET", &format!("/tasks/{id}")).await.json();
    assert!(task["received_bytes"].as_u64() > Some(0) && task["ended_at"].is_string(), "{task}");
}
