//! Logins by a browser: a client begins one, a page asks for a password, and the client comes for its token. Source:
//! contract npm §8.4.

use serde_json::Value;

use super::accounts::{PASSWORD, World, bearer};
use super::{assert_refused, register};
use crate::support::beside::command;
use crate::support::heliostat::Heliostat;
use crate::support::http::{Answer, Ask};
use crate::support::registry::FakeRegistry;

/// A login that a client has begun.
struct Begun {
    page: String,
    done: String,
}

async fn begin(heliostat: &Heliostat, body: &str) -> Begun {
    let ask =
        Ask::post("/npm/-/v1/login", body).header("user-agent", "npm/11 <b>").header("authorization", "Bearer old");
    let answer = heliostat.ask(&ask).await;
    assert_eq!(answer.status, 200, "{}", answer.summary());
    let link = |name: &str| {
        let url = answer.json()[name].as_str().expect("a link").to_owned();
        url.strip_prefix(&heliostat.url()).expect("it leads here").to_owned()
    };
    Begun { page: link("loginUrl"), done: link("doneUrl") }
}

/// Sends the page's form, as a browser does.
async fn submit(heliostat: &Heliostat, begun: &Begun, fields: &[(&str, &str)]) -> Answer {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let ask = Ask::post(&begun.page, body).header("content-type", "application/x-www-form-urlencoded");
    heliostat.ask(&ask).await
}

fn text(answer: &Answer) -> String {
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"), "{}", answer.summary());
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let policy = answer.header("content-security-policy").expect("a policy");
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    String::from_utf8_lossy(&answer.body).into_owned()
}

#[tokio::test]
async fn a_client_is_given_a_token_once_its_user_has_logged_in_on_the_page() {
    let world = World::start().await;
    register(&world.heliostat, "joe").await;
    let heliostat = &world.heliostat;
    for body in ["{}", "null", "", "{\"create\":true}"] {
        let begun = begin(heliostat, body).await;
        let waiting = heliostat.get(&begun.done).await;
        assert_eq!((waiting.status, waiting.header("retry-after")), (202, Some("1")));
        let page = text(&heliostat.get(&begun.page).await);
        assert!(page.contains("npm/11 &lt;b&gt;") && page.contains("127.0.0.1") && page.contains("/npm</b>"), "{page}");
        assert_eq!(page.contains("<details open>"), body.contains("create"));
        let wrong =
            submit(heliostat, &begun, &[("name", "joe"), ("password", "wrong password"), ("do", "login")]).await;
        assert_eq!(wrong.status, 401);
        assert!(text(&wrong).contains("class=said") && text(&wrong).contains("value=\"joe\""), "{}", text(&wrong));
        assert!(!text(&wrong).contains("wrong password"));
        assert_eq!(heliostat.get(&begun.done).await.status, 202);
        let through = submit(heliostat, &begun, &[("name", "joe"), ("password", PASSWORD), ("do", "login")]).await;
        assert_eq!(through.status, 200);
        assert!(text(&through).contains("<b>joe</b>"));
        assert_eq!(heliostat.ask(&Ask::head(&begun.done)).await.status, 202, "a HEAD takes nothing away");
        let done = heliostat.get(&begun.done).await;
        assert_eq!(done.status, 200, "{}", done.summary());
        let token = bearer(done.json()["token"].as_str().unwrap());
        assert_eq!(world.get("/-/whoami", &token).await.json()["username"], "joe");
        assert_refused(&heliostat.get(&begun.done).await, 404);
        assert_eq!(heliostat.get(&begun.page).await.status, 404);
        assert_eq!(submit(heliostat, &begun, &[("name", "joe"), ("password", PASSWORD)]).await.status, 404);
    }
    assert_refused(&heliostat.get("/npm/-/v1/login/done/session/00").await, 404);
    assert!(text(&heliostat.get("/npm/-/v1/login/request/session/00").await).contains("over"));
    assert!(!heliostat.said().contains("/session/"), "its names are secrets, and in no log");
}

#[tokio::test]
async fn an_account_is_made_on_the_page_by_who_may_have_one() {
    let registry = FakeRegistry::start();
    let builder = Heliostat::builder().set("accounts", "registration", "\"invitation\"");
    let heliostat = builder.npm(registry.url(), "").start().await;
    let (done, code) = command(&heliostat, "user", &["invite"]);
    assert!(done, "{code}");
    let begun = begin(&heliostat, "{\"create\":true}").await;
    let fields = |email: &'static str, code: &str| {
        let fields =
            [("name", "ann"), ("password", PASSWORD), ("email", email), ("invitation", code), ("do", "register")];
        fields.map(|(name, value)| (name, value.to_owned()))
    };
    for (email, code, status) in
        [("", code.trim(), 422), ("ann@host.example", "", 403), ("ann@host.example", "00", 403)]
    {
        let fields = fields(email, code);
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let refused = submit(&heliostat, &begun, &fields).await;
        assert_eq!(refused.status, status);
        assert!(text(&refused).contains("name=invitation") && text(&refused).contains("class=said"));
    }
    let fields = fields("ann@host.example", code.trim());
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(submit(&heliostat, &begun, &fields).await.status, 200);
    let token = heliostat.get(&begun.done).await.json()["token"].as_str().unwrap().to_owned();
    let who = heliostat.ask(&Ask::get("/npm/-/whoami").header("authorization", &bearer(&token))).await;
    assert_eq!(who.json()["username"], "ann");
}

#[tokio::test]
async fn who_has_a_second_factor_shows_a_code_on_the_page() {
    let mut joe = super::factors::Joe::start("auth-only").await;
    let begun = begin(&joe.world.heliostat, "{}").await;
    let login = [("name", "joe"), ("password", PASSWORD), ("do", "login")];
    let asked = submit(&joe.world.heliostat, &begun, &login).await;
    assert_eq!(asked.status, 401);
    assert!(text(&asked).contains("one-time password"));
    let code = joe.authenticator.code();
    let through = submit(&joe.world.heliostat, &begun, &[&login[..], &[("code", &code)]].concat()).await;
    assert_eq!(through.status, 200, "{}", text(&through));
    assert_ne!(joe.world.heliostat.get(&begun.done).await.json()["token"], Value::Null);
    assert_eq!(joe.world.heliostat.get(&begun.page).await.status, 404);
}
