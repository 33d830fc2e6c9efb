//! Audits where a scope has an upstream of its own: who is asked about what, and what comes back.

use serde_json::{Value, json};

use super::acme::publication;
use super::{assert_refused, register};
use crate::support::fault::Fault;
use crate::support::heliostat::Heliostat;
use crate::support::http::{Answer, Ask};
use crate::support::registry::{FakeRegistry, Switches};
use crate::support::resource::{Resource, gzip};

const BULK: &str = "/-/npm/v1/security/advisories/bulk";

/// Two registries, the second for `@acme` and `@corp`, both mirrored by one mount.
struct World {
    public: FakeRegistry,
    acme: FakeRegistry,
    heliostat: Heliostat,
    /// Of the client that asks.
    token: String,
}

impl World {
    async fn start(acme: Switches, mount: &str) -> Self {
        let (public, acme) = (FakeRegistry::start(), FakeRegistry::start_with(acme));
        let text = format!(
            "dialect = \"npm\"\nname = \"npm\"\npath = \"/npm\"\n{mount}\n\
             [[mount.upstream]]\nurl = \"{}\"\nallow_private = true\ntoken = \"public-token\"\n\
             [[mount.upstream]]\nurl = \"{}\"\nallow_private = true\nscopes = [\"@acme\", \"@corp\"]\ntoken = \"acme-token\"\n",
            public.url(),
            acme.url(),
        );
        let builder = Heliostat::builder().set("limits", "request_body_bytes", "\"64KiB\"");
        let heliostat = builder.set("accounts", "registration", "\"open\"").mount(&text).start().await;
        let token = register(&heliostat, "client").await;
        for name in ["left", "@acme/tool", "@corp/x", "never-asked"] {
            public.advise(name);
            acme.advise(name);
        }
        Self { public, acme, heliostat, token }
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(path, body.to_string().into_bytes(), &[]).await
    }

    async fn send(&self, path: &str, body: Vec<u8>, headers: &[(&str, &str)]) -> Answer {
        let ask = Ask::post(&format!("/npm{path}"), body).header("content-type", "application/json");
        let ask = ask.header("authorization", &format!("Bearer {}", self.token));
        self.heliostat.ask(&headers.iter().fold(ask, |ask, (name, value)| ask.header(name, value))).await
    }
}

/// Returns the bodies that a registry was sent under a path.
fn heard(registry: &FakeRegistry, path: &str) -> Vec<Value> {
    let seen = registry.upstream.seen(path).into_iter();
    seen.map(|seen| serde_json::from_slice(&seen.body).expect("plain JSON")).collect()
}

fn names(report: &Value) -> Vec<&str> {
    report.as_object().expect("a report").keys().map(String::as_str).collect()
}

fn mixed() -> Value {
    json!({"left": ["1.0.0", "1.1.0"], "@acme/tool": ["2.0.0"], "@corp/x": ["3.0.0"], "@other/y": ["4.0.0"], "a b": ["1.0.0"]})
}

#[tokio::test]
async fn each_registry_is_asked_about_its_own_packages_and_the_answers_are_one() {
    let world = World::start(Switches::default(), "").await;
    let packed = gzip(mixed().to_string().as_bytes());
    for (body, headers) in [
        (mixed().to_string().into_bytes(), &[][..]),
        (packed.clone(), &[("content-encoding", "gzip")]),
        (packed, &[("content-encoding", "gzip"), ("expect", "100-continue")]),
    ] {
        let answer = world.send(BULK, body, headers).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, Some("application/json")),
            "{}",
            answer.summary()
        );
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("npm-notice"), None);
        let report = answer.json();
        assert_eq!(names(&report), ["@acme/tool", "@corp/x", "left"]);
        assert_eq!(report["left"][0]["severity"], "high");
    }
    let public = json!({"left": ["1.0.0", "1.1.0"], "@other/y": ["4.0.0"]});
    let acme = json!({"@acme/tool": ["2.0.0"], "@corp/x": ["3.0.0"]});
    assert_eq!(heard(&world.public, BULK), vec![public; 3]);
    assert_eq!(heard(&world.acme, BULK), vec![acme; 3]);
    for (registry, token) in [(&world.public, "Bearer public-token"), (&world.acme, "Bearer acme-token")] {
        let seen = registry.upstream.seen(BULK);
        assert!(seen.iter().all(|seen| seen.headers.get("authorization") == Some(token) && seen.headers.has("via")));
        assert!(!format!("{seen:?}").contains("of-the-client"), "{seen:?}");
    }
}

#[tokio::test]
async fn who_is_not_concerned_is_not_asked() {
    let world = World::start(Switches::default(), "").await;
    let private = world.post(BULK, &json!({"@acme/tool": ["2.0.0"]})).await.json();
    assert_eq!(names(&private), ["@acme/tool"]);
    assert_eq!((heard(&world.public, BULK).len(), heard(&world.acme, BULK).len()), (0, 1));
    let public = world.post(BULK, &json!({"left": ["1.0.0"]})).await.json();
    assert_eq!(names(&public), ["left"]);
    assert_eq!((heard(&world.public, BULK).len(), heard(&world.acme, BULK).len()), (1, 1));
    assert_eq!(world.post(BULK, &json!({})).await.json(), json!({}));
    assert_eq!((heard(&world.public, BULK).len(), heard(&world.acme, BULK).len()), (1, 1));
}

#[tokio::test]
async fn an_answer_about_what_was_not_asked_is_left_out() {
    let world = World::start(Switches::default(), "").await;
    // Of another registry's package, of one that nobody asked about, and no list: clients fail on each of these.
    let answer = json!({"left": [{"id": 1}], "never-asked": [], "@acme/tool": [{"id": 2}], "@other/y": null});
    world.public.upstream.put(BULK, Resource::new("application/json", answer.to_string()));
    let report = world.post(BULK, &mixed()).await.json();
    assert_eq!(names(&report), ["@acme/tool", "@corp/x", "left"]);
    assert_eq!(report["@acme/tool"][0]["id"], 1_000_001, "only its own registry is believed");
}

#[tokio::test]
async fn a_registry_without_audits_contributes_nothing() {
    let world = World::start(Switches::reduced(), "").await;
    let answer = world.post(BULK, &mixed()).await;
    assert_eq!((names(&answer.json()), answer.header("npm-notice")), (vec!["left"], None));
    assert_eq!(heard(&world.acme, BULK).len(), 1);
    assert_refused(&world.post(BULK, &json!({"@acme/tool": ["2.0.0"]})).await, 404);
}

#[tokio::test]
async fn a_scopes_registry_that_fails_is_told_of_and_the_rest_is_answered() {
    let world = World::start(Switches::default(), "").await;
    for fault in [Fault::Status(503), Fault::Html, Fault::CloseBeforeHead, Fault::StallBeforeHead, Fault::CutAt(10)] {
        world.acme.upstream.fail(BULK, fault.clone());
        let answer = world.post(BULK, &mixed()).await;
        assert_eq!(answer.status, 200, "{fault:?}: {}", answer.summary());
        assert_eq!(names(&answer.json()), ["left"], "{fault:?}");
        let notice = answer.header("npm-notice").expect("a notice");
        assert!(notice.contains("@acme, @corp") && !notice.contains("tool"), "{notice}");
        // With nobody else to ask there is no report.
        let alone = world.post(BULK, &json!({"@acme/tool": ["2.0.0"]})).await;
        assert!((502..=504).contains(&alone.status), "{fault:?}: {}", alone.summary());
        world.acme.upstream.heal(BULK);
    }
    assert_eq!(names(&world.post(BULK, &mixed()).await.json()), ["@acme/tool", "@corp/x", "left"]);
    assert!(world.heliostat.said().contains("report without this upstream's advisories"), "{}", world.heliostat.said());
    // Its documents are another matter.
    world.acme.publish_plain("@acme/tool");
    assert_eq!(world.heliostat.get("/npm/@acme%2ftool").await.status, 200);
}

#[tokio::test]
async fn without_the_public_advisories_there_is_no_report() {
    let world = World::start(Switches::default(), "").await;
    for (fault, status) in [
        (Fault::Status(500), 503),
        (Fault::TooManyRequests { retry_after: 60 }, 503),
        (Fault::StallBeforeHead, 504),
        (Fault::Html, 502),
        (Fault::Status(418), 502),
        (Fault::Redirect("http://registry.example/".into()), 502),
    ] {
        world.public.upstream.fail(BULK, fault.clone());
        let answer = world.post(BULK, &mixed()).await;
        assert_refused(&answer, status);
        world.public.upstream.heal(BULK);
    }
    // An audit that is refused says nothing of the registry's documents.
    world.public.publish_plain("left");
    assert_eq!(world.heliostat.get("/npm/left").await.status, 200);
}

#[tokio::test]
async fn a_lock_tree_goes_to_the_default_registry_without_other_registries_packages() {
    let world = World::start(Switches::default(), "").await;
    let nested = json!({"version": "2.0.0", "requires": {"left": "1"}, "dependencies": {"left": {"version": "1.0.0"}}});
    let tree = json!({
        "name": "@acme/app", "version": "1.0.0", "requires": {"@acme/tool": "2", "right": "1"}, "install": [], "remove": [],
        "dependencies": {"@acme/tool": nested, "@corp/x": {"version": "3.0.0"}, "right": {"version": "1.0.0"}},
    });
    for path in ["/-/npm/v1/security/audits/quick", "/-/npm/v1/security/audits"] {
        let answer = world.send(path, gzip(tree.to_string().as_bytes()), &[("content-encoding", "gzip")]).await;
        assert!(
            answer.status == 200 && answer.json()["metadata"]["vulnerabilities"].is_object(),
            "{}",
            answer.summary()
        );
        let heard = heard(&world.public, path);
        assert_eq!(heard.len(), 1);
        let text = heard[0].to_string();
        assert!(!text.contains("@acme") && !text.contains("@corp") && !text.contains("tool"), "{text}");
        assert!(text.contains("left") && text.contains("right"), "{text}");
        world.public.upstream.fail(path, Fault::Status(404));
        assert_refused(&world.post(path, &tree).await, 404);
    }
    assert!(world.acme.upstream.all_seen().is_empty());
}

#[tokio::test]
async fn a_lock_tree_says_nothing_of_what_was_published_here() {
    let mut world = World::start(Switches::default(), "own = [\"internal-*\"]").await;
    let body = publication("internal-tool", "1.0.0").to_string();
    let ask = Ask::new("PUT", "/npm/internal-tool").header("authorization", &format!("Bearer {}", world.token));
    let published = world.heliostat.ask(&ask.header("content-length", &body.len().to_string()).body(body)).await;
    assert_eq!(published.status, 201, "{}", published.summary());
    // Names that are kept no more stay ours while something is published under them.
    world.heliostat.stop();
    world.heliostat.reconfigure(|builder| builder.without_mounts().npm(world.public.url(), ""));
    world.heliostat.start().await;
    let tree = json!({
        "name": "internal-tool", "version": "1.0.0", "requires": {"internal-tool": "1", "alias": "npm:internal-tool@1"},
        "dependencies": {
            "internal-tool": {"version": "1.0.0"}, "alias": {"version": "npm:internal-tool@1.0.0"},
            "left": {"version": "1.0.0", "requires": {"internal-tool": "1"}},
        },
    });
    for path in ["/-/npm/v1/security/audits/quick", "/-/npm/v1/security/audits"] {
        let answer = world.post(path, &tree).await;
        assert_eq!(answer.status, 200, "{}", answer.summary());
        let heard = heard(&world.public, path);
        assert_eq!(heard.len(), 1);
        let text = heard[0].to_string();
        assert!(!text.contains("internal") && text.contains("left"), "{text}");
    }
}

#[tokio::test]
async fn what_is_no_question_is_refused_and_asked_nowhere() {
    let world = World::start(Switches::default(), "").await;
    let bomb = gzip(&vec![b' '; 64 * 1024 * 8 + 1]);
    // Short enough, and very many values.
    let many = gzip(format!("{{\"a\":[{}0]}}", "{\"\":0},".repeat(70_000)).as_bytes());
    let long = vec![b' '; 64 * 1024 + 1];
    let packed: &[(&str, &str)] = &[("content-encoding", "gzip")];
    for path in [BULK, "/-/npm/v1/security/audits/quick", "/-/npm/v1/security/audits"] {
        for (body, headers, status) in [
            (b"".to_vec(), &[][..], 400),
            (b"[]".to_vec(), &[], 400),
            (b"{\"left\":".to_vec(), &[], 400),
            (b"no gzip".to_vec(), packed, 400),
            (gzip(b"{}")[..15].to_vec(), packed, 400),
            (b"{}".to_vec(), &[("content-encoding", "br")], 400),
            (bomb.clone(), packed, 413),
            (many.clone(), packed, 413),
            (long.clone(), &[], 413),
        ] {
            let answer = world.send(path, body.clone(), headers).await;
            assert_refused(&answer, status);
        }
    }
    // A length that is not told is found out.
    let chunk = format!("{:x}\r\n{}\r\n0\r\n\r\n", long.len(), " ".repeat(long.len()));
    let ask = Ask::new("POST", &format!("/npm{BULK}")).header("transfer-encoding", "chunked").body(chunk);
    assert_refused(&world.heliostat.ask(&ask).await, 413);
    assert!(world.public.upstream.all_seen().is_empty() && world.acme.upstream.all_seen().is_empty());
}

#[tokio::test]
async fn a_mount_that_passes_nothing_through_asks_nobody() {
    let world = World::start(Switches::default(), "passthrough = false").await;
    for path in [BULK, "/-/npm/v1/security/audits/quick"] {
        assert_refused(&world.post(path, &mixed()).await, 404);
    }
    assert!(world.public.upstream.all_seen().is_empty() && world.acme.upstream.all_seen().is_empty());
}

#[tokio::test]
async fn a_connection_goes_on_after_a_question() {
    let world = World::start(Switches::default(), "").await;
    let mut connection = crate::support::http::Connection::open(world.heliostat.address()).await.expect("it listens");
    for _ in 0..3 {
        let body = mixed().to_string();
        let answer = connection.ask(&Ask::post(&format!("/npm{BULK}"), body)).await;
        assert!(answer.status == 200 && answer.completed(), "{}", answer.summary());
        assert_eq!(connection.ask(&Ask::get("/npm/-/ping")).await.status, 200);
        assert_eq!(connection.leftover(), b"");
    }
}
