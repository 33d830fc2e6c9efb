//! Every endpoint, asked by everybody: what each may do, in npm's shape. Source: contract npm §19.

use std::path::Path;

use serde_json::{Value, json};

use super::acme::{Acme, NOBODY, ROOT, publication};
use crate::support::http::Answer;
use crate::support::packages::Package;

mod accounts;
mod admins;
mod edits;
mod lists;
mod missing;
mod orgs;
mod packages;
mod syncs;

/// Who asks: the owner of every package is joe, and jim is in a team that writes to it.
const VISITORS: [&str; 9] = [NOBODY, "ann", "jim", "joe", ROOT, "revoked", "elsewhere", "reader", "robot"];
type Statuses = [u16; 9];

/// One endpoint: the statuses that [`VISITORS`] get, in their order.
///
/// | in paths, bodies and what is told | is |
/// |---|---|
/// | `{name}` | a package of joe's, a new one for each |
/// | `{n}` | its name without the scope |
/// | `{rev}` | its revision |
/// | `{user}` | the account of who asks |
/// | `{id}` | what was made before |
/// | `{done}` | where a client asks whether the login that was begun before is over |
struct Row {
    method: &'static str,
    path: &'static str,
    body: fn(&str, &Value) -> Value,
    expected: Statuses,
    told: Told,
    before: Vec<Step>,
    /// What joe does after it.
    finally: Option<(&'static str, &'static str)>,
}

/// What somebody does before: method, path and body.
struct Step {
    who: &'static str,
    method: &'static str,
    path: &'static str,
    body: Value,
}

/// What is in the answers that are no errors.
enum Told {
    /// These members of objects, and all of anything else. `{some}`: anything but `null`.
    Json(Value),
    /// Nothing at all.
    Nothing,
    /// A page for people, whatever the status.
    Page,
    /// There is no such answer.
    Never,
    /// What this test wants: `module::test`.
    Elsewhere(&'static str),
}

fn row(
    method: &'static str,
    path: &'static str,
    body: fn(&str, &Value) -> Value,
    expected: Statuses,
    told: Told,
) -> Row {
    Row { method, path, body, expected, told, before: Vec::new(), finally: None }
}

/// A row whose request has no body.
fn bare(method: &'static str, path: &'static str, expected: Statuses, told: Told) -> Row {
    row(method, path, nothing, expected, told)
}

fn nothing(_: &str, _: &Value) -> Value {
    Value::Null
}

fn empty(_: &str, _: &Value) -> Value {
    json!({})
}

/// What says that it is done, and no more.
fn done() -> Told {
    Told::Json(json!({ "ok": true }))
}

fn owner(name: &str) -> Value {
    json!({ "username": name, "email": format!("{name}@host.example") })
}

// === What each gets ===

/// What everybody may read whose credentials are not wrong.
const OPEN: Statuses = open(200);
/// What is for who is logged in.
const KNOWN: Statuses = known(200);
/// What is nothing, to who is logged in.
const NOTHING: Statuses = known(404);

/// What everybody gets whose credentials are not wrong.
const fn open(status: u16) -> Statuses {
    [status, status, status, status, status, 401, 401, status, status]
}
/// What everybody gets who is logged in, whatever its token may do.
const fn known(status: u16) -> Statuses {
    [401, status, status, status, status, 401, 401, status, status]
}
/// What is for owners, teams that write, and tokens that write.
const fn writers(done: u16) -> Statuses {
    [401, 403, done, done, done, 401, 401, 403, done]
}
/// What is for owners, and tokens that may do everything.
const fn ruling_owners(done: u16) -> Statuses {
    [401, 403, 403, done, done, 401, 401, 403, 403]
}
/// What is for who is logged in, and tokens that may do everything.
const fn users(done: u16) -> Statuses {
    [401, done, done, done, done, 401, 401, 403, 403]
}
/// What is for who is logged in, and tokens that write.
const fn hands(done: u16) -> Statuses {
    [401, done, done, done, done, 401, 401, 403, done]
}
/// What joe may do to his own account, and nobody to another's.
const fn whose(done: u16) -> Statuses {
    [401, 401, 401, done, 401, 401, 401, 403, 403]
}
/// What is joe's alone, and as good as `hidden` to others.
const fn joes(hidden: u16) -> Statuses {
    [401, hidden, hidden, 200, hidden, 401, 401, 403, 403]
}
/// What is for admins.
const fn admins(done: u16) -> Statuses {
    [401, 403, 403, 403, done, 401, 401, 403, 403]
}
/// What nobody may do, but for who is not known.
const FORBIDDEN: Statuses = known(403);

// === impl Row ===

impl Row {
    /// Has somebody do something before.
    fn after(mut self, who: &'static str, method: &'static str, path: &'static str, body: Value) -> Self {
        self.before.push(Step { who, method, path, body });
        self
    }

    /// Has joe take away what was made before.
    fn then(self, method: &'static str, path: &'static str) -> Self {
        Self { finally: Some((method, path)), ..self }
    }

    /// Tells whether it is about a package.
    fn has_package(&self) -> bool {
        let told = if let Told::Json(told) = &self.told { told.to_string() } else { String::new() };
        let before = self.before.iter().map(|step| format!("{} {}", step.path, step.body));
        let all = before.chain([self.path.to_owned(), (self.body)("{name}", &Value::Null).to_string(), told]);
        all.into_iter().any(|text| text.contains("{name}"))
    }

    /// Tells whether an answer is in npm's error shape, or says what it is to say.
    fn is_told_by(&self, answer: &Answer, names: &Names) -> bool {
        match &self.told {
            _ if self.method == "HEAD" => answer.body.is_empty(),
            Told::Page => answer.header("content-type") == Some("text/html; charset=utf-8"),
            _ if answer.status >= 400 => {
                let body = answer.json();
                body["error"].is_string() && body["reason"] == body["message"]
            }
            Told::Json(told) => is_within(&names.fill_json(told), &answer.json()),
            Told::Nothing => answer.body.is_empty(),
            Told::Never => false,
            Told::Elsewhere(_) => true,
        }
    }
}

/// Tells whether all that is told is there.
fn is_within(told: &Value, found: &Value) -> bool {
    match told {
        Value::String(some) if some == "{some}" => !found.is_null(),
        Value::Object(members) => {
            members.iter().all(|(name, told)| found.get(name).is_some_and(|found| is_within(told, found)))
        }
        Value::Array(all) => {
            let found = found.as_array();
            found.is_some_and(|found| {
                found.len() == all.len() && all.iter().zip(found).all(|(told, found)| is_within(told, found))
            })
        }
        whole => whole == found,
    }
}

/// What stands for what, in one question of one visitor.
struct Names {
    pairs: Vec<(&'static str, String)>,
}

impl Names {
    fn fill(&self, text: &str) -> String {
        self.pairs.iter().fold(text.to_owned(), |text, (short, long)| text.replace(short, long))
    }

    fn fill_json(&self, value: &Value) -> Value {
        if value.is_null() { Value::Null } else { serde_json::from_str(&self.fill(&value.to_string())).expect("JSON") }
    }

    /// Notes what something is called that was made.
    fn learn(&mut self, made: &Value) {
        for (short, member) in [("{id}", "id"), ("{id}", "key"), ("{id}", "loginUrl"), ("{done}", "doneUrl")] {
            if let Some(name) = made[member].as_str().and_then(|text| text.rsplit('/').next()) {
                self.set(short, name);
            }
        }
    }

    fn set(&mut self, short: &'static str, long: &str) {
        self.pairs.push((short, long.to_owned()));
    }
}

async fn start() -> Acme {
    let mut acme = Acme::start(&["ann", "jim", "joe", "sue"]).await;
    acme.registry.publish(&Package::with_versions("left", &["1.0.0"]));
    for (user, role) in [("joe", "owner"), ("jim", "developer")] {
        let set = acme.send(ROOT, "PUT", "/-/org/acme/user", json!({ "user": user, "role": role })).await;
        assert_eq!(set.status, 200, "{}", set.summary());
    }
    let revoked = acme.make_token("revoked", "joe", json!({})).await;
    assert_eq!(acme.send("joe", "DELETE", &format!("/-/user/token/{revoked}"), Value::Null).await.status, 200);
    acme.make_token("elsewhere", "joe", json!({ "cidr_whitelist": ["198.51.100.0/24"] })).await;
    acme.make_token("reader", "joe", json!({ "readonly": true })).await;
    acme.make_token("robot", "joe", json!({ "automation": true })).await;
    acme
}

/// Makes what a row is about; returns what it is called, and the package's document.
async fn prepare(acme: &Acme, row: &Row, (number, place): (usize, usize)) -> (Names, Value) {
    let n = format!("p{number}-{place}");
    let name = format!("@acme/{n}");
    let user = if place > 4 { "joe" } else { VISITORS[place] };
    let mut names = Names { pairs: Vec::new() };
    for (short, long) in [("{name}", &*name), ("{n}", &n), ("{user}", user)] {
        names.set(short, long);
    }
    if row.has_package() {
        assert_eq!(acme.publish("joe", &name, "1.0.0", None).await.status, 201);
    }
    for Step { who, method, path, body } in &row.before {
        let answer = acme.send(who, method, &names.fill(path), names.fill_json(body)).await;
        assert!(answer.status < 300, "{method} {path}: {}", answer.summary());
        names.learn(&answer.json());
    }
    let document = acme.get("joe", &format!("/{name}?write=true")).await.json();
    names.set("{rev}", document["_rev"].as_str().unwrap_or_default());
    (names, document)
}

/// Asks as one visitor; returns what is wrong.
async fn ask(acme: &Acme, row: &Row, (number, place): (usize, usize)) -> Option<String> {
    let (visitor, expected) = (VISITORS[place], row.expected[place]);
    let (names, document) = prepare(acme, row, (number, place)).await;
    let body = names.fill_json(&(row.body)(&format!("@acme/p{number}-{place}"), &document));
    let answer = acme.send(visitor, row.method, &names.fill(row.path), body).await;
    if let Some((method, path)) = row.finally {
        let taken = acme.send("joe", method, &names.fill(path), Value::Null).await;
        assert!(matches!(taken.status, 200 | 404), "{}", taken.summary());
    }
    let is_right = answer.status == expected && row.is_told_by(&answer, &names);
    let what = || format!("{} {} by {visitor:?}: wanted {expected}", row.method, row.path);
    (!is_right).then(|| format!("{}: {}", what(), answer.summary()))
}

fn rows() -> Vec<Row> {
    let packages = [packages::reads(), packages::facts(), edits::publishes(), edits::rows()];
    let people = [accounts::rows(), accounts::tokens(), accounts::hooks(), orgs::members(), orgs::teams()];
    let rest = [lists::rows(), admins::rows(), admins::registries(), syncs::rows(), missing::rows()];
    packages.into_iter().chain(people).chain(rest).flatten().collect()
}

#[tokio::test]
async fn everybody_is_told_at_every_endpoint_what_it_may() {
    let acme = start().await;
    let mut wrong = Vec::new();
    for (number, row) in rows().iter().enumerate() {
        for place in 0..VISITORS.len() {
            wrong.extend(ask(&acme, row, (number, place)).await);
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn what_is_told_elsewhere_is_tested_there() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/npm");
    for row in rows() {
        let Told::Elsewhere(test) = row.told else { continue };
        let (module, name) = test.split_once("::").expect("a module and a test");
        let text = std::fs::read_to_string(folder.join(module).with_extension("rs")).expect("a module");
        assert!(text.contains(&format!("\nasync fn {name}()")), "{} {}: {test}", row.method, row.path);
    }
}
