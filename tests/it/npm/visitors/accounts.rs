//! Users, their logins, tokens and hooks. Source: contract npm §8, §15.

use serde_json::{Value, json};

use super::{KNOWN, NOTHING, OPEN, Row, Told, bare, done, empty, joes, row, users, whose};

const LOGIN: &str = "web::a_client_is_given_a_token_once_its_user_has_logged_in_on_the_page";

pub fn rows() -> Vec<Row> {
    let begun = json!({ "loginUrl": "{some}", "doneUrl": "{some}" });
    let page = "/-/v1/login/request/session/{id}";
    let joe = json!({ "_id": "org.couchdb.user:joe", "name": "joe", "type": "user", "roles": [] });
    let said = json!({ "name": "{user}", "fullname": "Somebody" });
    let begin = |row: Row| row.after("joe", "POST", "/-/v1/login", json!({}));
    vec![
        // Who logs in may have old credentials beside it.
        row("POST", "/-/v1/login", empty, [200; 9], Told::Json(begun)),
        begin(bare("GET", page, [200; 9], Told::Page)),
        begin(bare("GET", "/-/v1/login/done/session/{done}", [202; 9], Told::Elsewhere(LOGIN))),
        bare("GET", "/-/v1/login/request/session/absent", [404; 9], Told::Page),
        row("POST", "/-/v1/login/request/session/absent", empty, [404; 9], Told::Page),
        bare("GET", "/-/v1/login/done/session/absent", [404; 9], Told::Never),
        bare("GET", "/-/user/org.couchdb.user:joe", OPEN, Told::Json(joe.clone())),
        bare("GET", "/-/user/org.couchdb.user:joe?write=true", KNOWN, Told::Json(joe)),
        row("PUT", "/-/user/org.couchdb.user:sue", |_, _| user("sue"), [201; 9], done()),
        row("PUT", "/-/user/org.couchdb.user:sue/-rev/9-0", |_, _| user("sue"), whose(401), Told::Never),
        row("PUT", "/-/user/org.couchdb.user:joe/-rev/99-0", |_, _| user("joe"), whose(409), Told::Never),
        bare("GET", "/-/whoami", KNOWN, Told::Json(json!({ "username": "{user}" }))),
        bare("GET", "/-/npm/v1/user", KNOWN, Told::Json(json!({ "name": "{user}" }))),
        row("POST", "/-/npm/v1/user", |_, _| json!({ "fullname": "Somebody" }), users(200), Told::Json(said)),
    ]
}

fn user(name: &str) -> Value {
    json!({ "name": name, "password": "a long password", "email": format!("{name}@host.example"), "type": "user" })
}

pub fn tokens() -> Vec<Row> {
    let list = || Told::Json(json!({ "objects": "{some}", "total": "{some}", "urls": "{some}" }));
    let made = || Told::Json(json!({ "token": "{some}", "key": "{some}", "readonly": false, "automation": false }));
    let wish = json!({ "password": "a long password" });
    let gat = "/-/npm/v1/tokens/gat";
    let bound = json!({ "name": "{n}", "expires": 1 });
    let absent = [401, 422, 422, 422, 422, 401, 401, 422, 422];
    let of_joe = |row: Row| row.after("joe", "POST", "/-/npm/v1/tokens", wish.clone());
    vec![
        bare("GET", "/-/npm/v1/tokens", KNOWN, list()),
        row("POST", "/-/npm/v1/tokens", |_, _| json!({ "password": "a long password" }), users(200), made()),
        of_joe(bare("DELETE", "/-/npm/v1/tokens/token/{id}", joes(404), done())),
        bare("DELETE", "/-/npm/v1/tokens/token/absent", NOTHING, Told::Never),
        bare("GET", gat, KNOWN, list()),
        row("POST", gat, |_, _| json!({ "name": "{n}", "expires": 1 }), users(200), made()),
        bare("DELETE", "/-/npm/v1/tokens/gat/{id}", joes(404), done()).after("joe", "POST", gat, bound),
        bare("DELETE", "/-/npm/v1/tokens/gat/absent", NOTHING, Told::Never),
        of_joe(bare("DELETE", "/-/user/token/{id}", joes(422), done())),
        bare("DELETE", "/-/user/token/absent", absent, Told::Never),
    ]
}

pub fn hooks() -> Vec<Row> {
    let wish = |_: &str, _: &Value| json!({ "type": "package", "name": "{name}", "endpoint": "https://host.example/x", "secret": "hunter2" });
    let edit = |_: &str, _: &Value| json!({ "endpoint": "https://host.example/y", "secret": "hunter2" });
    let one = "/-/npm/v1/hooks/hook/{id}";
    let told = |endpoint: &str| json!({ "id": "{id}", "username": "joe", "name": "{name}", "endpoint": endpoint });
    let of_joe =
        |row: Row| row.after("joe", "POST", "/-/npm/v1/hooks/hook", wish("", &Value::Null)).then("DELETE", one);
    let readers = [401, 403, 403, 200, 403, 401, 401, 200, 200];
    let made = json!({ "id": "{some}", "username": "{user}", "name": "{name}", "type": "package", "status": "active" });
    let list = Told::Json(json!({ "objects": "{some}", "total": "{some}", "urls": {} }));
    let mut removed = told("https://host.example/x");
    removed["deleted"] = json!("{some}");
    vec![
        bare("GET", "/-/npm/v1/hooks", KNOWN, list),
        row("POST", "/-/npm/v1/hooks/hook", wish, users(200), Told::Json(made)),
        of_joe(bare("GET", one, readers, Told::Json(told("https://host.example/x")))),
        of_joe(row("PUT", one, edit, joes(403), Told::Json(told("https://host.example/y")))),
        of_joe(bare("DELETE", one, joes(403), Told::Json(removed))),
        bare("GET", "/-/npm/v1/hooks/hook/99999", NOTHING, Told::Never),
        row("PUT", "/-/npm/v1/hooks/hook/99999", edit, users(404), Told::Never),
        bare("DELETE", "/-/npm/v1/hooks/hook/99999", users(404), Told::Never),
    ]
}
