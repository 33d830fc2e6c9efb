//! The served document: upstream's, with every link pointing at this mount, in the forms that clients ask for.
//!
//! | form | for | compressed too |
//! |---|---|---|
//! | `full` | npm, yarn 4 | yes |
//! | `abbreviated` | pnpm, yarn 1, bun, corepack | yes |
//! | `index` | ourselves: where each version lies in the document and its forms | no |
//!
//! A version's manifest is a slice of a form; nothing is stored for it. Source: contract npm §4.2.

use std::borrow::Cow;
use std::io;

use bytes::Bytes;

use super::name::PackageName;
use super::wire::{self, FORMS_VERSION, Sinks};
use crate::base::clock::from_millis;
use crate::mirror::prepare::{Forms, Gzip, Shape};
use crate::registries::blocks::Barred;

pub const FULL: &str = "full";
pub const FULL_GZIP: &str = "full.gz";
pub const ABBREVIATED: &str = "abbreviated";
pub const ABBREVIATED_GZIP: &str = "abbreviated.gz";
pub const INDEX: &str = "index";

/// The media type of the abbreviated form; pnpm strips the document again under any other (contract npm §3).
pub const INSTALL: &str = "application/vnd.npm.install-v1+json";
pub const JSON: &str = "application/json";

/// Where each version lies in one package's document: all that a tarball's proofs need, at a fraction of the work that
/// the forms for clients take. A lockfile asks for tarballs only.
pub struct Indexed {
    name: PackageName,
    id: String,
}

/// One package's document, served below `base` without what is blocked of it.
#[derive(Clone)]
pub struct Served {
    name: PackageName,
    base: String,
    barred: Barred,
    /// The document of what was published here over it.
    ours: Option<Bytes>,
    id: String,
}

impl Served {
    /// `base` is where clients reach the mount, without a trailing slash.
    pub fn new(name: &PackageName, base: &str, barred: Barred) -> Self {
        let id = Self::id_at(base, &barred, None);
        Self { name: name.clone(), base: base.to_owned(), barred, ours: None, id }
    }

    /// Serves the document of a package of ours over it, in the state that the document is of.
    pub fn over(self, ours: Bytes, state: &str) -> Self {
        let id = Self::id_at(&self.base, &self.barred, Some(state));
        Self { ours: Some(ours), id, ..self }
    }

    /// Names the forms that are served below `base`, with ours in that state over them.
    pub fn id_at(base: &str, barred: &Barred, over: Option<&str>) -> String {
        match over {
            None => format!("packument {FORMS_VERSION} {base}{barred}"),
            Some(state) => format!("packument {FORMS_VERSION} {base}{barred} under {state}"),
        }
    }

    fn unite<'a>(&self, document: &'a [u8]) -> io::Result<Cow<'a, [u8]>> {
        match &self.ours {
            None => Ok(Cow::Borrowed(document)),
            Some(ours) => wire::unite(document, ours).map(Cow::Owned).map_err(io::Error::other),
        }
    }

    fn screen<'a>(&self, document: Cow<'a, [u8]>) -> io::Result<Cow<'a, [u8]>> {
        if self.barred.is_empty() {
            return Ok(document);
        }
        let reason = |version: &str| self.barred.find(version).map(|block| block.reason.as_str());
        wire::screen(&document, reason).map(Cow::Owned).map_err(io::Error::other)
    }
}

impl Shape for Served {
    fn id(&self) -> &str {
        &self.id
    }

    fn prepare(&self, document: &[u8], forms: &mut Forms<'_>) -> io::Result<()> {
        let document = &*self.screen(self.unite(document)?)?;
        let mut full = forms.open(FULL, JSON, Gzip::Too);
        let mut abbreviated = forms.open(ABBREVIATED, INSTALL, Gzip::Too);
        let mut index = forms.open(INDEX, "text/plain", Gzip::No);
        let sinks = Sinks { full: &mut full, abbreviated: &mut abbreviated, index: &mut index };
        let summary = wire::prepare(document, &self.name, &self.base, sinks).map_err(io::Error::other)?;
        // Source: contract npm §2.4.
        match summary.modified {
            // Neither a block nor a change of ours has a place in upstream's time: who has a copy from before or after it is
            // told by the entity tag.
            _ if self.ours.is_some() || !self.barred.is_empty() => forms.untimed(),
            Some(millis) => forms.modified(from_millis(millis)),
            None => {}
        }
        [full, abbreviated, index].into_iter().for_each(|form| forms.close(form));
        Ok(())
    }
}

impl Indexed {
    pub fn new(name: &PackageName) -> Self {
        Self { name: name.clone(), id: format!("index {FORMS_VERSION}") }
    }
}

impl Shape for Indexed {
    fn id(&self) -> &str {
        &self.id
    }

    fn prepare(&self, document: &[u8], forms: &mut Forms<'_>) -> io::Result<()> {
        let mut index = forms.open(INDEX, "text/plain", Gzip::No);
        let sinks = Sinks { full: &mut io::sink(), abbreviated: &mut io::sink(), index: &mut index };
        wire::prepare(document, &self.name, "", sinks).map_err(io::Error::other)?;
        forms.close(index);
        Ok(())
    }
}
