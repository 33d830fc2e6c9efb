//! Questions about advisories where scopes have upstreams of their own: each upstream is asked about the packages that come
//! from it, and hears of no others. Contract npm §11.
//!
//! | question | from | asked |
//! |---|---|---|
//! | bulk: names and versions | npm 7 and later, pnpm, yarn 4, bun | every upstream, about its own packages; answers are merged |
//! | quick, full: a lock tree | npm 6, yarn 1, older pnpm | the default upstream, after all others' packages were taken out |
//!
//! A scope's upstream that has no audits contributes nothing. The default one must answer, since a report without the public
//! advisories would be taken for a clean bill; when another one fails, the report comes without its advisories and says so
//! (`npm-notice`, and a warning in the log). Nothing is kept.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, HeaderValue};
use serde_json::value::RawValue;

use self::tree::Tree;
use super::Npm;
use super::error::{Error, of_mirror, set_notice};
use super::merge::JSON;
use super::name::PackageName;
use super::routes::Audit;
use crate::base::http::{Reply, Request};
use crate::mirror::{self, Answer, Question, Upstream};
use crate::registries::bodies;

mod tree;
mod weight;

/// Questions that are answered at once: each stands in memory several times over.
pub const ASKING: usize = 8;

/// How much longer than on the wire a compressed question may be.
const UNPACKED: u64 = 8;

/// A longer report is none, in bytes.
const MAX_REPORT: u64 = 16 << 20;

/// What errors call it.
const WHAT: &str = "an audit";

/// Names, each with JSON: versions in a question, advisories in an answer.
type ByName = BTreeMap<String, Box<RawValue>>;

/// The packages of one upstream that a question is about.
struct Share {
    upstream: Arc<Upstream>,
    asked: ByName,
}

/// What came of asking one upstream.
enum Said {
    Advisories(ByName),
    /// It has no audits.
    Nothing,
    Failed(mirror::Error),
}

impl Npm {
    /// Tells whether questions about advisories are about packages of several upstreams, or of ours.
    ///
    /// # Errors
    /// [`Error::NotFound`]: the mount passes nothing through. Or the overlay's.
    pub(super) async fn must_split(&self) -> Result<bool, Error> {
        self.may_pass_through()?;
        Ok(self.sources.scoped_upstreams().next().is_some() || self.gate.has_own().await?)
    }

    /// Answers a question about advisories.
    pub(super) async fn audit(&self, request: &Request<'_>, audit: Audit, body: Bytes) -> Result<Reply, Error> {
        self.may_pass_through()?;
        let _turn = self.asking.acquire().await.map_err(|_| Error::internal("nothing is audited any more"))?;
        let body = self.unpack(request, body).await?;
        match audit {
            Audit::Bulk => self.bulk(body).await,
            Audit::Quick => self.report(body, "-/npm/v1/security/audits/quick").await,
            Audit::Full => self.report(body, "-/npm/v1/security/audits").await,
        }
    }

    /// Uncompresses a question, within bounds: of its length, and of what it takes to read it.
    async fn unpack(&self, request: &Request<'_>, body: Bytes) -> Result<Bytes, Error> {
        let gzip = mirror::is_gzip(request.header(CONTENT_ENCODING));
        let is_packed = gzip.ok_or(Error::bad_request("the body is in an encoding that is not read here"))?;
        let limit = self.max_body.saturating_mul(UNPACKED);
        bodies::apart(move || {
            let body = if is_packed { uncompress(&body, limit)? } else { body };
            if weight::is_heavy(&body) { Err(Error::TooLarge) } else { Ok(body) }
        })
        .await
    }

    // === Names and versions ===

    async fn bulk(&self, body: Bytes) -> Result<Reply, Error> {
        let asked: ByName = bodies::apart(move || {
            let refused = |_| Error::bad_request("the body is no object of names and versions");
            serde_json::from_slice(&body).map_err(refused)
        })
        .await?;
        let asks_nothing = asked.is_empty();
        let shares = self.split(asked).await?;
        if asks_nothing || shares.is_empty() {
            return Ok(reply(Bytes::from_static(b"{}")));
        }
        let said = join_all(shares.iter().map(|share| self.ask_bulk(share))).await;
        let mut report = Report::default();
        for (share, said) in shares.into_iter().zip(said) {
            let is_default = Arc::ptr_eq(&share.upstream, self.sources.default_upstream());
            report.add(share, said, is_default)?;
        }
        report.finish()
    }

    /// Sorts names by the upstream that their packages come from. What is no name, or ours, is asked nowhere.
    async fn split(&self, asked: ByName) -> Result<Vec<Share>, Error> {
        let mut shares: Vec<Share> = Vec::new();
        for (name, versions) in asked {
            let Ok(package) = PackageName::parse(&name) else { continue };
            if self.gate.is_kept_from_upstream(&name).await? {
                continue;
            }
            let upstream = self.sources.upstream(&package);
            let share = match shares.iter_mut().find(|share| Arc::ptr_eq(&share.upstream, upstream)) {
                Some(share) => share,
                None => {
                    shares.push(Share { upstream: Arc::clone(upstream), asked: ByName::new() });
                    shares.last_mut().expect("one was just added")
                }
            };
            share.asked.insert(name, versions);
        }
        Ok(shares)
    }

    async fn ask_bulk(&self, share: &Share) -> Said {
        let body = serde_json::to_vec(&share.asked).map(Bytes::from);
        let Ok(body) = body else { return Said::Failed(mirror::Error::Died) };
        match self.ask(&share.upstream, "-/npm/v1/security/advisories/bulk", body).await {
            Ok(Some(answer)) => match serde_json::from_slice(&answer) {
                Ok(advisories) => Said::Advisories(advisories),
                Err(_) => Said::Failed(senseless(&share.upstream)),
            },
            Ok(None) => Said::Nothing,
            Err(error) => Said::Failed(error),
        }
    }

    // === Lock trees ===

    async fn report(&self, body: Bytes, path: &str) -> Result<Reply, Error> {
        let read = move || {
            let tree = Tree::parse(&body).ok_or(Error::bad_request("the body is no lock tree"))?;
            let names = tree.names();
            Ok::<_, Error>((tree, names))
        };
        let (tree, names) = bodies::apart(read).await?;
        let mut kept = HashSet::new();
        for name in names {
            if self.gate.is_kept_from_upstream(&name).await? {
                kept.insert(name);
            }
        }
        let mut scopes = self.sources.scopes();
        scopes.extend(self.gate.own_scopes());
        let strip = move || tree.without(&scopes, &kept).ok_or(Error::internal("a lock tree that cannot be printed"));
        let tree = bodies::apart(strip).await?;
        let answer = self.ask(self.sources.default_upstream(), path, tree.into()).await;
        let answer = answer.map_err(|error| of_mirror(error, WHAT))?;
        Ok(reply(answer.ok_or_else(|| Error::not_found(WHAT))?))
    }

    /// Asks one upstream; `None` when it has no audits.
    async fn ask(&self, upstream: &Arc<Upstream>, path: &str, body: Bytes) -> Result<Option<Bytes>, mirror::Error> {
        let url = upstream.join(path).map_err(|_| mirror::Error::Died)?;
        let question = Question { upstream: Arc::clone(upstream), url, body, max_answer_bytes: MAX_REPORT };
        let Answer { status, body } = self.mirror.ask(&question).await?;
        match status.as_u16() {
            200 => Ok(Some(body)),
            // Source: contract npm §11, §18.2.
            404 | 405 | 410 | 501 => Ok(None),
            429 | 500.. => {
                let cause: Arc<dyn std::error::Error + Send + Sync> = Arc::new(Failed(status));
                let host = upstream.url.host_str().unwrap_or_default().to_owned();
                Err(mirror::Error::Unreachable { host, retry_after: None, cause: Some(cause) })
            }
            status => Err(mirror::Error::Refused { status }),
        }
    }
}

/// A status by which an upstream says that it cannot answer now.
#[derive(Debug, thiserror::Error)]
#[error("status {0}")]
struct Failed(StatusCode);

/// A report that is put together.
#[derive(Default)]
struct Report {
    advisories: ByName,
    answered: bool,
    failed: Option<mirror::Error>,
    /// Scopes whose upstreams failed.
    missing: Vec<String>,
}

// === impl Report ===

impl Report {
    /// Adds what one upstream said of the packages it was asked about, and nothing that it was not asked.
    ///
    /// # Errors
    /// The default upstream failed, or has no audits.
    fn add(&mut self, share: Share, said: Said, is_default: bool) -> Result<(), Error> {
        match said {
            Said::Nothing if is_default => return Err(Error::not_found(WHAT)),
            Said::Nothing => {}
            Said::Advisories(advisories) => {
                self.answered = true;
                let is_asked = |(name, value): &(String, Box<RawValue>)| {
                    share.asked.contains_key(name) && value.get().starts_with('[')
                };
                self.advisories.extend(advisories.into_iter().filter(is_asked));
            }
            Said::Failed(error) if is_default => return Err(of_mirror(error, WHAT)),
            Said::Failed(error) => {
                let host = share.upstream.url.host_str().unwrap_or_default();
                tracing::warn!(
                    host,
                    error = &error as &dyn std::error::Error,
                    "report without this upstream's advisories"
                );
                let scopes =
                    share.asked.keys().filter_map(|name| name.split_once('/')).map(|(scope, _)| scope.to_owned());
                self.missing.extend(scopes);
                self.failed = Some(error);
            }
        }
        Ok(())
    }

    /// # Errors
    /// None of those who were asked has audits, or the only ones that have failed.
    fn finish(mut self) -> Result<Reply, Error> {
        match self.failed {
            Some(error) if !self.answered => return Err(of_mirror(error, WHAT)),
            None if !self.answered => return Err(Error::not_found(WHAT)),
            _ => {}
        }
        let body =
            serde_json::to_vec(&self.advisories).map_err(|_| Error::internal("a report that cannot be printed"))?;
        let mut reply = reply(body.into());
        self.missing.sort_unstable();
        self.missing.dedup();
        if !self.missing.is_empty() {
            let scopes = self.missing.join(", ");
            set_notice(&format!("no advisories on packages of {scopes}: their registry does not answer"), &mut reply);
        }
        Ok(reply)
    }
}

fn uncompress(body: &Bytes, limit: u64) -> Result<Bytes, Error> {
    mirror::uncompress(body, limit).map_err(|error| match error {
        mirror::Error::TooLarge { .. } => Error::TooLarge,
        _ => Error::bad_request("the body cannot be uncompressed"),
    })
}

fn reply(body: Bytes) -> Reply {
    let mut reply = Reply::bytes(StatusCode::OK, JSON, body);
    reply.set(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

fn senseless(upstream: &Upstream) -> mirror::Error {
    let host = upstream.url.host_str().unwrap_or_default().to_owned();
    mirror::Error::Senseless { host, detail: "a report that is none" }
}
