//! Second factors: what asks for a code, what takes one, and what does not. Source: contract npm §2.2, §8.3.

use serde_json::{Value, json};

use super::accounts::{PASSWORD, World, basic, bearer};
use super::{assert_refused, register};
use crate::support::beside::command;
use crate::support::http::{Answer, Ask};
use crate::support::totp::Authenticator;

/// A user with a second factor.
pub struct Joe {
    pub world: World,
    session: String,
    pub authenticator: Authenticator,
    recovery: Vec<String>,
}

impl Joe {
    /// Sets a second factor up, as `npm profile enable-2fa` does.
    pub async fn start(mode: &str) -> Self {
        let world = World::start().await;
        let session = bearer(&register(&world.heliostat, "joe").await);
        let wish = json!({ "tfa": { "password": PASSWORD, "mode": mode } });
        let begun = world.send("POST", "/-/npm/v1/user", (&session, &wish)).await.json();
        let link = begun["tfa"].as_str().expect("a link").to_owned();
        assert!(link.starts_with("otpauth://totp/127.0.0.1") && link.contains(":joe?secret="), "{link}");
        let profile = world.get("/-/npm/v1/user", &session).await.json();
        assert_eq!(profile["tfa"], json!({ "pending": true, "mode": mode }));
        let mut authenticator = Authenticator::scan(&link);
        let proof = |code: String| json!({ "tfa": [code] });
        assert_refused(&world.send("POST", "/-/npm/v1/user", (&session, &proof("000 00x".to_owned()))).await, 401);
        let proved = world.send("POST", "/-/npm/v1/user", (&session, &proof(authenticator.code()))).await;
        assert_eq!(proved.status, 200, "{}", proved.summary());
        let recovery = serde_json::from_value(proved.json()["tfa"].clone()).expect("recovery codes");
        let profile = world.get("/-/npm/v1/user", &session).await.json();
        assert_eq!(profile["tfa"], json!({ "pending": false, "mode": mode }));
        Self { world, session, authenticator, recovery }
    }

    /// Returns a code that was not used before.
    fn spare(&mut self) -> String {
        self.recovery.pop().expect("a recovery code is left")
    }

    async fn send(&self, method: &str, path: &str, (authorization, body, code): (&str, &Value, &str)) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let ask =
            Ask::new(method, &format!("/npm{path}")).header("authorization", authorization).header("npm-otp", code);
        self.world.heliostat.ask(&ask.header("content-length", &body.len().to_string()).body(body)).await
    }
}

fn assert_challenged(answer: &Answer) {
    assert_refused(answer, 401);
    assert_eq!(answer.header("www-authenticate"), Some("otp"), "{}", answer.summary());
}

#[tokio::test]
async fn who_logs_in_or_changes_the_account_shows_a_code_once() {
    let mut joe = Joe::start("auth-only").await;
    let path = "/-/user/org.couchdb.user:joe";
    let login = json!({ "name": "joe", "password": PASSWORD });
    assert_challenged(&joe.world.send("PUT", path, ("", &login)).await);
    let code = joe.authenticator.code();
    assert_eq!(joe.send("PUT", path, ("", &login, &code)).await.status, 201);
    assert_challenged(&joe.send("PUT", path, ("", &login, &code)).await);
    let wrong = json!({ "name": "joe", "password": "wrong password" });
    let refused = joe.send("PUT", path, ("", &wrong, "")).await;
    assert_eq!((refused.status, refused.header("www-authenticate")), (401, Some("Bearer")), "nothing is told of it");

    let (session, wish) = (joe.session.clone(), json!({ "password": PASSWORD }));
    for (path, body) in [
        ("/-/npm/v1/tokens", wish.clone()),
        ("/-/npm/v1/tokens/gat", json!({ "name": "x", "expires": 1 })),
        ("/-/npm/v1/user", json!({ "email": "new@host.example" })),
        ("/-/npm/v1/user", json!({ "tfa": { "password": PASSWORD, "mode": "disable" } })),
    ] {
        assert_challenged(&joe.world.send("POST", path, (&session, &body)).await);
    }
    let code = joe.spare();
    assert_eq!(joe.send("POST", "/-/npm/v1/tokens", (&session, &wish, &code)).await.status, 200);
    assert_challenged(&joe.send("POST", "/-/npm/v1/tokens", (&session, &wish, &code)).await);
    assert_eq!(joe.world.publish("tool", "1.0.0", &session).await.status, 201, "writing needs none in this mode");
    let (by_password, code) = (basic("joe", PASSWORD), joe.spare());
    assert_challenged(&joe.world.get("/-/whoami", &by_password).await);
    assert_eq!(joe.send("GET", "/-/whoami", (&by_password, &Value::Null, &code)).await.status, 200);

    let (end, code) = (json!({ "tfa": { "password": PASSWORD, "mode": "disable" } }), joe.spare());
    let ended = joe.send("POST", "/-/npm/v1/user", (&session, &end, &code)).await;
    assert_eq!((ended.status, &ended.json()["tfa"]), (200, &json!(false)), "{}", ended.summary());
    assert_eq!(joe.world.send("PUT", path, ("", &login)).await.status, 201);
}

#[tokio::test]
async fn who_writes_to_a_package_shows_a_code_where_its_owner_wants_that() {
    let mut joe = Joe::start("auth-and-writes").await;
    let session = joe.session.clone();
    let code = joe.spare();
    let wish = json!({ "password": PASSWORD, "automation": true });
    let made = joe.send("POST", "/-/npm/v1/tokens", (&session, &wish, &code)).await.json();
    let automation = bearer(made["token"].as_str().unwrap());
    assert_challenged(&joe.world.publish("tool", "1.0.0", &session).await);
    assert_eq!(joe.world.publish("tool", "1.0.0", &automation).await.status, 201, "a build has no telephone");
    let tag = "/-/package/tool/dist-tags/beta";
    assert_challenged(&joe.world.send("PUT", tag, (&session, &json!("1.0.0"))).await);
    assert_challenged(&joe.world.send("DELETE", tag, (&session, &Value::Null)).await);
    let access = json!({ "access": "public" });
    assert_challenged(&joe.world.send("POST", "/-/package/tool/access", (&session, &access)).await);
    let code = joe.spare();
    assert_eq!(joe.send("PUT", tag, (&session, &json!("1.0.0"), &code)).await.status, 201);
    let code = joe.spare();
    assert_eq!(joe.send("DELETE", tag, (&session, &Value::Null, &code)).await.status, 200);
    assert_eq!(joe.world.get("/tool", &session).await.status, 200, "reading needs none");
    let (mode, code) = (json!({ "tfa": { "password": PASSWORD, "mode": "auth-only" } }), joe.spare());
    let changed = joe.send("POST", "/-/npm/v1/user", (&session, &mode, &code)).await;
    assert_eq!(changed.json()["tfa"]["mode"], "auth-only", "{}", changed.summary());
    assert_eq!(joe.world.publish("tool", "1.1.0", &session).await.status, 201);

    let (done, said) = command(&joe.world.heliostat, "user", &["remove-factor", "joe"]);
    assert!(done && said.contains("joe has no second factor"), "{said}");
    assert_eq!(joe.world.get("/-/npm/v1/user", &session).await.json()["tfa"], Value::Null);
}

#[tokio::test]
async fn an_account_says_of_itself_what_it_is_told() {
    let world = World::start().await;
    let session = bearer(&register(&world.heliostat, "joe").await);
    let edit =
        json!({ "fullname": "Joe Somebody", "github": "joe", "email": "joe@host.example", "cidr_whitelist": null });
    let edited = world.send("POST", "/-/npm/v1/user", (&session, &edit)).await.json();
    assert_eq!((&edited["fullname"], &edited["github"]), (&json!("Joe Somebody"), &json!("joe")), "{edited}");
    world.send("POST", "/-/npm/v1/user", (&session, &json!({ "github": null }))).await;
    let profile = world.get("/-/npm/v1/user", &session).await.json();
    assert_eq!((&profile["fullname"], &profile["github"]), (&json!("Joe Somebody"), &Value::Null), "{profile}");
    assert_refused(&world.send("POST", "/-/npm/v1/user", (&session, &json!({ "fullname": 5 }))).await, 422);
}
