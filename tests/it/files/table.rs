//! A table of cases: what an origin answers, what clients then ask, and where each answer must come from.
//!
//! A case is named by the section of RFC 9111 that it holds to (or another, where one is given). Each has a path of its
//! own; the origin answers its requests in the order of its script, the last answer for ever.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::support::heliostat::Heliostat;
use crate::support::http::{Answer, Ask};
use crate::support::resource::{Resource, Seen};
use crate::support::upstream::FakeUpstream;

/// What every request header is to reach the origin, so that `Vary` has something to select by.
const MOUNT: &str = "dialect = \"files\"\nname = \"t\"\nrequest_headers = [\"*\"]\nnegative_ttl = \"0s\"\n\
                     methods = [\"GET\", \"HEAD\", \"POST\", \"PUT\", \"DELETE\", \"OPTIONS\", \"FROB\"]";

type Pairs<'a> = &'a [(&'a str, &'a str)];

/// Where an answer must come from. Numbers count the origin's answers, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// The origin is asked, without conditions, and this answer of its is passed on.
    Origin(usize),
    /// Nobody is asked.
    Cache(usize),
    /// The origin is asked with conditions, and this is what comes of it.
    Validated(usize),
    /// Nobody is asked, and this status says so.
    Refused(u16),
    /// The origin is asked, and what comes of it is not looked at here.
    Passed,
}

/// Looks at an answer, and at the last request that the origin has seen; tells what is wrong.
type Check = Box<dyn Fn(&Answer, Option<&Seen>) -> Option<String> + Send>;

pub struct Case {
    section: &'static str,
    what: String,
    script: Vec<Resource>,
    steps: Vec<Step>,
}

struct Step {
    pause: Duration,
    method: &'static str,
    /// Below the case's own path.
    below: &'static str,
    headers: Vec<(String, String)>,
    from: From,
    checks: Vec<Check>,
}

/// Begins a case.
pub fn case(section: &'static str, what: impl Into<String>) -> Case {
    Case { section, what: what.into(), script: Vec::new(), steps: Vec::new() }
}

/// Returns a date so many seconds from now; negative ones have passed.
pub fn date(seconds: i64) -> String {
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let now = SystemTime::now();
    httpdate::fmt_http_date(if seconds < 0 { now - distance } else { now + distance })
}

// === impl Case ===

impl Case {
    /// Adds an answer of the origin: a 200 with these headers.
    pub fn says(self, headers: Pairs<'_>) -> Self {
        self.answers(200, headers)
    }

    /// Adds an answer of the origin.
    pub fn answers(mut self, status: u16, headers: Pairs<'_>) -> Self {
        // These have no body, and the others tell themselves apart by theirs.
        let bare = matches!(status, 204 | 304);
        let body = if bare { String::new() } else { body(self.script.len() + 1) };
        let resource = Resource::new("text/plain", body).status(status);
        self.script.push(headers.iter().fold(resource, |resource, (name, value)| match *name {
            "content-type" => Resource { content_type: (*value).to_owned(), ..resource },
            name => resource.header(name, value),
        }));
        self
    }

    /// Adds a GET.
    pub fn get(self, from: From) -> Self {
        self.ask("GET", "", &[], from)
    }

    /// Adds a GET with these headers.
    pub fn get_with(self, headers: Pairs<'_>, from: From) -> Self {
        self.ask("GET", "", headers, from)
    }

    /// Adds a request for something below the case's own path.
    pub fn ask(mut self, method: &'static str, below: &'static str, headers: Pairs<'_>, from: From) -> Self {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.steps.push(Step { pause: Duration::ZERO, method, below, headers, from, checks: Vec::new() });
        self
    }

    /// Waits before the last request.
    pub fn after(mut self, millis: u64) -> Self {
        self.last().pause = Duration::from_millis(millis);
        self
    }

    /// The last answer has this status.
    pub fn status(self, status: u16) -> Self {
        self.check(move |answer, _| {
            (answer.status != status).then(|| format!("status {}, not {status}", answer.status))
        })
    }

    /// The last answer has this header, or none of that name.
    pub fn header(self, name: &'static str, value: Option<&'static str>) -> Self {
        self.check(move |answer, _| {
            let found = answer.header(name);
            (found != value).then(|| format!("{name} is {found:?}, not {value:?}"))
        })
    }

    /// The origin's last request had this header, or none of that name.
    pub fn asked(self, name: &'static str, value: Option<&'static str>) -> Self {
        self.check(move |_, seen| {
            let found = seen.and_then(|seen| seen.headers.get(name));
            (found != value).then(|| format!("asked with {name} {found:?}, not {value:?}"))
        })
    }

    /// The last answer is as `check` wants it, which tells what is wrong.
    pub fn check(mut self, check: impl Fn(&Answer, Option<&Seen>) -> Option<String> + Send + 'static) -> Self {
        self.last().checks.push(Box::new(check));
        self
    }

    fn last(&mut self) -> &mut Step {
        self.steps.last_mut().expect("a request comes first")
    }
}

/// An origin that follows scripts, and a process that mirrors it at `/files/t`.
struct World {
    upstream: FakeUpstream,
    heliostat: Heliostat,
    scripts: Scripts,
}

/// By path: the answers, and how many were given.
type Scripts = Arc<Mutex<BTreeMap<String, (Vec<Resource>, usize)>>>;

/// Runs all cases one after the other, prints a table of them, and fails if one did.
pub async fn run(title: &str, mount: &str, cases: Vec<Case>) {
    let (world, count) = (World::start(mount).await, cases.len());
    let mut table = format!("RFC 9111, {title}\n");
    let mut passed = 0;
    for (number, case) in cases.into_iter().enumerate() {
        let (section, what) = (case.section, case.what.clone());
        let wrong = world.run(number, case).await.err();
        passed += usize::from(wrong.is_none());
        let verdict = wrong.map_or_else(|| "pass".to_owned(), |wrong| format!("FAIL {wrong}"));
        let _ = writeln!(table, "  {section:<12} {what:<84} {verdict}");
    }
    let _ = writeln!(table, "  {passed} of {count} pass");
    // All at once, since other tables are printed at the same time.
    let _ = std::io::stderr().write_all(table.as_bytes());
    assert_eq!(passed, count, "{table}");
}

// === impl World ===

impl World {
    async fn start(mount: &str) -> Self {
        let (upstream, scripts) = (FakeUpstream::start(), Scripts::default());
        let theirs = Arc::clone(&scripts);
        upstream.answer_with(Arc::new(move |seen: &Seen| {
            let mut scripts = theirs.lock().unwrap_or_else(PoisonError::into_inner);
            let (script, given) = scripts.get_mut(&seen.path)?;
            *given += 1;
            script.get(*given - 1).or(script.last()).cloned()
        }));
        let url = upstream.url();
        let mount = format!("{MOUNT}\n{mount}\n[[mount.upstream]]\nurl = \"{url}/tree\"\nallow_private = true\n");
        let heliostat = Heliostat::builder().mount(&mount).start().await;
        Self { upstream, heliostat, scripts }
    }

    async fn run(&self, number: usize, case: Case) -> Result<(), String> {
        let name = format!("case-{number}");
        for below in ["", "/other"] {
            let mut script = case.script.clone();
            script.iter_mut().for_each(|resource| resource.place(&name, &self.upstream.url()));
            let mut scripts = self.scripts.lock().unwrap_or_else(PoisonError::into_inner);
            scripts.insert(format!("/tree/{name}{below}"), (script, 0));
        }
        for (index, step) in case.steps.iter().enumerate() {
            self.take(&name, step).await.map_err(|wrong| format!("request {}: {wrong}", index + 1))?;
        }
        Ok(())
    }

    async fn take(&self, name: &str, step: &Step) -> Result<(), String> {
        tokio::time::sleep(step.pause).await;
        let path = format!("/tree/{name}{}", step.below);
        let before = self.upstream.count(&path);
        let ask = Ask::new(step.method, &format!("/files/t/{name}{}", step.below));
        let ask = step.headers.iter().fold(ask, |ask, (name, value)| ask.header(name, value));
        let answer = self.heliostat.ask(&ask).await;
        // A body is sent before it is kept.
        self.settle().await;
        let seen = self.upstream.seen(&path);
        judge(step, &answer, &seen[before..])?;
        step.checks.iter().find_map(|check| check(&answer, seen.last())).map_or(Ok(()), Err)
    }

    async fn settle(&self) {
        let start = Instant::now();
        while self.heliostat.metric("heliostat_fills_in_flight", &[]).await > 0.0 {
            assert!(start.elapsed() < Duration::from_secs(10), "a fill does not end");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// Tells whether an answer came from where it must; `asked` is what the origin was asked for it.
fn judge(step: &Step, answer: &Answer, asked: &[Seen]) -> Result<(), String> {
    let conditional = |seen: &Seen| seen.headers.has("if-none-match") || seen.headers.has("if-modified-since");
    let (wanted_requests, number) = match step.from {
        From::Cache(number) => (0, number),
        From::Origin(number) | From::Validated(number) => (1, number),
        From::Refused(status) if answer.status == status && asked.is_empty() => return Ok(()),
        From::Passed if !asked.is_empty() => return Ok(()),
        From::Refused(_) | From::Passed => return Err(format!("{} asked, {}", asked.len(), answer.summary())),
    };
    if asked.len() != wanted_requests || !answer.completed() {
        return Err(format!("{} requests to the origin, not {wanted_requests}: {}", asked.len(), answer.summary()));
    }
    if asked.first().is_some_and(|seen| conditional(seen) != matches!(step.from, From::Validated(_))) {
        return Err(format!("asked with {:?}", asked[0].headers));
    }
    let bare = step.method == "HEAD" || matches!(answer.status, 204 | 206 | 304);
    if !bare && answer.text() != body(number) {
        return Err(format!("not answer {number}: {}", answer.summary()));
    }
    Ok(())
}

/// The body of the origin's answer of that number.
fn body(number: usize) -> String {
    format!("answer {number} of the origin")
}

// === impl Resource ===

impl Resource {
    /// Puts the case's path and the origin's URL into headers that lead somewhere.
    fn place(&mut self, name: &str, origin: &str) {
        for (_, value) in &mut self.headers {
            *value = value.replace("{case}", &format!("/tree/{name}")).replace("{origin}", origin);
        }
    }
}
