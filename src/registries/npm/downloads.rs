//! How often packages were fetched. Of ours we count ourselves, and no upstream hears of them; of mirrored ones upstream is
//! asked, unless the mount counts for itself. Source: contract npm §10.4.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::header::RANGE;
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};
use time::{Duration, OffsetDateTime};

use super::Npm;
use super::artifacts::Tarball;
use super::error::Error;
use super::name::{PackageName, Version};
use super::replies::listed;
use super::routes::{Counted, Downloads, Form};
use crate::base::http::{Outcome, Reply, Request};
use crate::config;
use crate::mirror::Answer;
use crate::overlay::downloads::{self, Count, Day};
use crate::registries::gate::Visitor;
use crate::registries::times::print_day;

/// A longer answer is none, in bytes.
const MAX_ANSWER: u64 = 8 << 20;

/// Who knows how often a package was fetched.
enum Counts {
    Ours,
    Theirs,
    /// There is no such package, or the visitor may not know of it.
    Nobody,
}

impl Npm {
    /// Serves a tarball and counts it. What continues an earlier download is none. Source: contract npm §5.3.
    pub(super) async fn counted_tarball(
        &self,
        request: &Request<'_>,
        name: &PackageName,
        version: &Version,
    ) -> Result<Reply, Error> {
        let Tarball { reply, is_ours } = self.tarball(request, name, version).await?;
        if request.method == Method::GET && !request.headers.contains_key(RANGE) {
            let (overlay, mount) = (self.gate.overlay(), self.gate.mount());
            if is_ours || self.downloads == config::Downloads::Own {
                overlay.count_download(mount, name.as_str(), version.as_str());
            } else {
                overlay.count_download_in_sums(mount, name.as_str());
            }
        }
        Ok(reply)
    }

    /// `GET /downloads/…`.
    pub(super) async fn downloads(
        &self,
        request: &Request<'_>,
        visitor: &Visitor,
        asked: &Downloads,
    ) -> Result<Outcome, Error> {
        let days = asked.period.days(self.gate.overlay().today());
        let body = match &asked.of {
            Counted::Package(name) => match self.who_counts(visitor, name).await? {
                Counts::Ours => self.count_of(name, asked.form, days).await?,
                Counts::Theirs => return Ok(Outcome::Forward(self.pass_through(request, "downloads").await?)),
                Counts::Nobody => return Err(Error::not_found(name.as_str())),
            },
            Counted::Packages(names) => self.counts_of(visitor, asked, names, days).await?,
            Counted::All => self.sums(asked.form, downloads::Of::All, days).await?,
            Counted::Scope(scope) => self.sums(asked.form, downloads::Of::Scope(scope), days).await?,
        };
        Ok(listed(StatusCode::OK, &body).into())
    }

    async fn who_counts(&self, visitor: &Visitor, name: &PackageName) -> Result<Counts, Error> {
        if !self.gate.is_kept_from_upstream(name.as_str()).await? {
            let is_default = Arc::ptr_eq(self.sources.upstream(name), self.sources.default_upstream());
            return Ok(match self.downloads {
                config::Downloads::Own => Counts::Ours,
                // The default upstream hears of no package of another.
                _ if !is_default => Counts::Nobody,
                _ => Counts::Theirs,
            });
        }
        let is_there = self.gate.holds(name.as_str()).await?.is_some();
        let may_know = is_there && self.gate.sees(visitor, name.as_str()).await?;
        Ok(if may_know { Counts::Ours } else { Counts::Nobody })
    }

    async fn count_of(&self, name: &PackageName, form: Form, days: (Day, Day)) -> Result<Value, Error> {
        let counts = self.gate.overlay().downloads(self.gate.mount(), name.as_str(), days).await?;
        let mut body = match form {
            Form::Point => json!({ "downloads": counts.iter().map(|count| count.count).sum::<u64>() }),
            Form::Range => by_day(&counts),
        };
        tell_period(&mut body, days);
        body["package"] = json!(name.as_str());
        Ok(body)
    }

    /// Answers about several packages: upstream is asked about those that are its own.
    async fn counts_of(
        &self,
        visitor: &Visitor,
        asked: &Downloads,
        names: &[Box<str>],
        days: (Day, Day),
    ) -> Result<Value, Error> {
        let (mut found, mut theirs) = (Map::new(), Vec::new());
        for text in names {
            let mut counts = Value::Null;
            if let Ok(name) = PackageName::parse(text) {
                match self.who_counts(visitor, &name).await? {
                    Counts::Ours => counts = self.count_of(&name, asked.form, days).await?,
                    Counts::Theirs => theirs.push(name),
                    Counts::Nobody => {}
                }
            }
            found.insert(text.to_string(), counts);
        }
        if self.passthrough && !theirs.is_empty() {
            for (name, counts) in self.ask_counts(asked, &theirs, days).await? {
                found.insert(name, counts);
            }
        }
        Ok(Value::Object(found))
    }

    /// Asks upstream about packages of its own; what it does not know is left out, and so is all if it fails.
    async fn ask_counts(
        &self,
        asked: &Downloads,
        names: &[PackageName],
        days: (Day, Day),
    ) -> Result<BTreeMap<String, Value>, Error> {
        let upstream = self.sources.default_upstream();
        let list: Vec<&str> = names.iter().map(PackageName::as_str).collect();
        let path = format!("downloads/{}/{}:{}/{}", asked.form.as_str(), print(days.0), print(days.1), list.join(","));
        let url = upstream.join(&path).map_err(|_| Error::internal("a path that is no URL"))?;
        let body = match self.mirror.knock(upstream, &url, MAX_ANSWER).await {
            Ok(Answer { status: StatusCode::OK, body }) => body,
            Ok(Answer { status, .. }) => {
                tracing::debug!(status = status.as_u16(), "upstream has no downloads");
                return Ok(BTreeMap::new());
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "downloads without those of this upstream");
                return Ok(BTreeMap::new());
            }
        };
        let read: Option<BTreeMap<String, Value>> = match names {
            // Of one package it tells without its name around it.
            [name] => serde_json::from_slice(&body).ok().map(|counts| BTreeMap::from([(name.to_string(), counts)])),
            _ => serde_json::from_slice(&body).ok(),
        };
        let mut counts = read.unwrap_or_default();
        counts.retain(|name, _| list.contains(&name.as_str()));
        Ok(counts)
    }

    /// Adds up what this mount has served of what everybody sees: the same for whoever asks.
    async fn sums(&self, form: Form, of: downloads::Of<'_>, days: (Day, Day)) -> Result<Value, Error> {
        let sums = self.gate.overlay().all_downloads(self.gate.mount(), of, days).await?;
        let mut body = match form {
            Form::Point => json!({ "downloads": sums.iter().map(|(_, count)| count).sum::<u64>() }),
            Form::Range => {
                json!({ "downloads": sums.into_iter().map(|(day, count)| print_count(day, count)).collect::<Vec<_>>() })
            }
        };
        tell_period(&mut body, days);
        Ok(body)
    }
}

/// Prints counts by day, of all versions and of each. Days without any are left out.
fn by_day(counts: &[Count]) -> Value {
    let mut days: BTreeMap<Day, u64> = BTreeMap::new();
    let mut versions: Map<String, Value> = Map::new();
    for Count { day, version, count } in counts {
        *days.entry(*day).or_default() += count;
        // Of days long ago versions are not told apart.
        if version.is_empty() {
            continue;
        }
        let of_version = versions.entry(version.clone()).or_insert_with(|| json!([]));
        of_version.as_array_mut().into_iter().for_each(|list| list.push(print_count(*day, *count)));
    }
    let days: Vec<Value> = days.into_iter().map(|(day, count)| print_count(day, count)).collect();
    json!({ "downloads": days, "versions": versions })
}

fn print_count(day: Day, count: u64) -> Value {
    json!({ "day": print(day), "downloads": count })
}

fn tell_period(body: &mut Value, (from, to): (Day, Day)) {
    body["start"] = json!(print(from));
    body["end"] = json!(print(to));
}

fn print(day: Day) -> String {
    print_day(OffsetDateTime::UNIX_EPOCH.saturating_add(Duration::days(i64::try_from(day).unwrap_or(i64::MAX / 2))))
}
