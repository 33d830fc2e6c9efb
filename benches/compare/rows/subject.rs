//! What a row asks for, made ready: in every cache, the same bytes everywhere, and known by its hash.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::Arena;
use crate::fixtures;
use crate::load::Plan;
use crate::peers::{Kind, Peer};
use crate::wire::{self, Answer, sha256};

pub const ABBREVIATED: &str = "application/vnd.npm.install-v1+json";
/// What npm 11 sends for a full document, and what stands for "no preference".
pub const FULL: &str = "application/json";

/// A resource of the origin, as a client asks for it.
#[derive(Clone, Copy, Debug)]
pub enum Subject {
    Document {
        name: &'static str,
        accept: &'static str,
        coding: &'static str,
    },
    Tarball {
        name: &'static str,
    },
    /// What has one path and the same bytes everywhere.
    Plain {
        path: &'static str,
    },
}

/// A subject as one server has it.
pub struct Ready {
    pub plan: Plan,
    /// SHA-256 of the body; `None` where a server writes a document of its own.
    pub digest: Option<String>,
    /// The validator that this server gave.
    pub etag: String,
}

impl Subject {
    /// Warms the caches of `kinds` and checks that all hold the same.
    ///
    /// # Errors
    /// When a server does not answer, or answers other bytes.
    pub fn prepare(&self, arena: &Arena<'_>, kinds: &[Kind], connections: usize) -> Result<BTreeMap<Kind, Ready>> {
        let model = self.model(arena)?;
        let mut ready = BTreeMap::new();
        for peer in arena.peers.iter().filter(|peer| kinds.contains(&peer.kind)) {
            let mut made =
                self.prepare_one(peer, &model, connections).with_context(|| format!("{self:?} at {}", peer.kind))?;
            made.plan.seconds = arena.options.seconds;
            ready.insert(peer.kind, made);
        }
        Ok(ready)
    }

    fn headers(&self) -> Vec<(&'static str, &'static str)> {
        match self {
            Self::Document { accept, coding, .. } => vec![("Accept", accept), ("Accept-Encoding", coding)],
            Self::Tarball { .. } | Self::Plain { .. } => vec![("Accept", "*/*")],
        }
    }

    fn path(&self, kind: Kind) -> String {
        match self {
            Self::Document { name, coding, .. } => kind.document_path(name, &format!("{name}-{coding}")),
            Self::Tarball { name } => kind.tarball_path(name),
            Self::Plain { path } => (*path).to_owned(),
        }
    }

    /// Returns the bytes that all are to serve: Heliostat's where it takes part, else the origin's.
    fn model(&self, arena: &Arena<'_>) -> Result<Answer> {
        let origin = arena.site.origin;
        let ours = match arena.peer(Kind::Heliostat) {
            Some(peer) => wire::get(peer.address, &self.path(Kind::Heliostat), &self.headers())?,
            // The origin's paths are verdaccio's: both are plain registries.
            None => wire::get(origin.address, &self.path(Kind::Verdaccio), &self.headers())?,
        };
        let theirs = wire::get(origin.address, &self.path(Kind::Verdaccio), &self.headers())?;
        match self {
            Self::Tarball { .. } | Self::Plain { .. } if ours.body != theirs.body => {
                bail!("the origin has other bytes")
            }
            Self::Tarball { .. } | Self::Plain { .. } => {}
            Self::Document { name, coding, .. } => {
                check_document(&ours, &theirs, name)?;
                origin.put_twin(&format!("{name}-{coding}"), &ours)?;
            }
        }
        Ok(ours)
    }

    /// Asks twice: the first fills the cache, the second shows what it holds.
    fn prepare_one(&self, peer: &Peer, model: &Answer, connections: usize) -> Result<Ready> {
        let path = self.path(peer.kind);
        wire::get(peer.address, &path, &self.headers())?;
        let answer = wire::get(peer.address, &path, &self.headers())?;
        let digest = sha256(&answer.body);
        let own_words = peer.kind == Kind::Verdaccio && matches!(self, Self::Document { .. });
        if !own_words && digest != sha256(&model.body) {
            bail!("the body is not the one that is to be compared");
        }
        if own_words {
            check_versions(&answer.plain()?, &model.plain()?)?;
        }
        let headers = self.headers().into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Ok(Ready {
            plan: Plan {
                address: peer.address,
                path,
                headers,
                ranges: Vec::new(),
                connections,
                seconds: 0.0,
                status: 200,
                // A body in chunks says no length: 0 leaves it unchecked.
                length: answer.head.length().unwrap_or(0),
                hashed: if own_words { 0 } else { 2 },
            },
            digest: (!own_words).then_some(digest),
            etag: answer.head.get("etag").unwrap_or_default().to_owned(),
        })
    }
}

/// Checks that a document says what the origin's says, tarball URLs aside.
pub fn check_document(ours: &Answer, theirs: &Answer, name: &str) -> Result<()> {
    let (ours, theirs) = (ours.plain()?, theirs.plain()?);
    let place = format!("/{name}/-/{name}-{}.tgz", fixtures::VERSION);
    let (our_base, their_base) = (base_of(&ours, &place)?, base_of(&theirs, &place)?);
    let their_text = String::from_utf8(theirs)?.replace(&format!("\"{their_base}/"), &format!("\"{our_base}/"));
    if ours != their_text.as_bytes() {
        // An abbreviated form that was derived may order members in its own way; its releases may not differ.
        check_versions(&ours, their_text.as_bytes())?;
    }
    Ok(())
}

/// Returns what stands before `place` in the one tarball URL that ends so.
fn base_of(document: &[u8], place: &str) -> Result<String> {
    let text = std::str::from_utf8(document)?;
    let end = text.find(place).context("the document does not name the first tarball")?;
    let start = text[..end].rfind('"').context("a URL outside a string")? + 1;
    Ok(text[start..end].to_owned())
}

fn check_versions(ours: &[u8], theirs: &[u8]) -> Result<()> {
    let (ours, theirs) = (integrities(ours)?, integrities(theirs)?);
    if ours != theirs {
        bail!("{} releases instead of {}, or other hashes", ours.len(), theirs.len());
    }
    Ok(())
}

fn integrities(document: &[u8]) -> Result<BTreeMap<String, Value>> {
    let document: Value = serde_json::from_slice(document)?;
    let versions = document["versions"].as_object().context("a document without versions")?;
    Ok(versions.iter().map(|(version, manifest)| (version.clone(), manifest["dist"]["integrity"].clone())).collect())
}
