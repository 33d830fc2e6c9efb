//! Answers that are made of upstream's documents: the list, the search, packages, the reference.

use std::io;
use std::sync::Arc;

use super::Nessemble;
use super::error::{Error, of_mirror};
use super::name::{Title, Version};
use super::replies::{self, Keeping};
use super::routes::Page;
use super::sources::MAX_PAGES;
use super::wire::{Links, Listed, Package, Reader};
use super::{proofs, wire};
use crate::base::digest::Digest;
use crate::base::http::{Reply, Request};
use crate::mirror::Resource;
use crate::mirror::fresh::Demand;
use crate::mirror::store::Entry;
use crate::registries::bodies;
use crate::registries::replies::{Document, Origin};

/// What the list is called where it cannot be had.
const LIST: &str = "the list of packages";

/// A package as its document describes it.
pub struct Described {
    pub package: Package,
    /// The key and the digest of the document that says so.
    pub place: Option<(Arc<str>, Digest)>,
    origin: Origin,
}

/// One page of the list, as it is kept.
#[derive(Clone)]
struct ListedPage {
    entry: Arc<Entry>,
    digest: Digest,
}

impl Nessemble {
    /// `GET /`. Source: contract nessemble §5.1.
    pub(super) async fn list(&self, request: &Request<'_>, page: Page) -> Result<Reply, Error> {
        let (packages, origin) = self.packages(&Demand::of(request.headers)).await?;
        let (base, screen) = (base(request), self.blocks.screen().await?);
        let body = bodies::apart(move || {
            let shown = screen.open(&packages, |listed| listed.title.as_str());
            printed(|out| wire::print_page(&shown, &page, &base, out))
        });
        Ok(origin.tell(replies::document(body.await?, Keeping::Short, false, self.clock.now())))
    }

    /// `GET /search/{term}`, and `/search` for all. Source: contract nessemble §5.3.
    pub(super) async fn search(&self, request: &Request<'_>, term: Option<&str>) -> Result<Reply, Error> {
        let (packages, origin) = self.packages(&Demand::of(request.headers)).await?;
        let (base, reader, term) = (base(request), reader(request), term.map(str::to_owned));
        let screen = self.blocks.screen().await?;
        let body = bodies::apart(move || {
            let shown = screen.open(&packages, |listed| listed.title.as_str());
            let found = wire::search(&shown, term.as_deref());
            printed(|out| wire::print_results(term.as_deref(), &found, &base, reader, out))
        });
        Ok(origin.tell(replies::document(body.await?, Keeping::Short, true, self.clock.now())))
    }

    /// `GET /package/{title}`, and of one version. What a kept archive says of itself goes before what nobody vouches
    /// for. Source: contract nessemble §5.4, §7.
    pub(super) async fn package(
        &self,
        request: &Request<'_>,
        title: &Title,
        version: Option<&Version>,
    ) -> Result<Reply, Error> {
        let Described { package, origin, .. } = self.describe(title, version, &Demand::of(request.headers)).await?;
        let kept = self.kept(title, &package.version).await?;
        let (base, reader, is_exact) = (base(request), reader(request), version.is_some());
        let body = bodies::apart(move || {
            let package = match kept {
                Some(found) => {
                    let bytes = bodies::read_all(found.body)?;
                    package.with_archive(&wire::open(&bytes)?, proofs::shasum(&bytes))
                }
                None => package,
            };
            printed(|out| wire::print_package(&package, &Links { base: &base, is_exact }, reader, out))
        });
        let keeping = if is_exact { Keeping::Hour } else { Keeping::Short };
        Ok(origin.tell(replies::document(body.await?, keeping, true, self.clock.now())))
    }

    /// `GET /reference`, and below it. Source: contract nessemble §5.7.
    pub(super) async fn reference(&self, request: &Request<'_>, path: &[String]) -> Result<Reply, Error> {
        let want = self.sources.reference(path)?;
        let Document { body, origin, .. } = self.document(&want, &Demand::of(request.headers), "this term").await?;
        Ok(origin.tell(replies::text(body.to_vec(), Keeping::Short, self.clock.now())))
    }

    /// Describes a version; without one, that which is meant then, whichever upstream shows. Source: contract §5.4.
    pub(super) async fn describe(
        &self,
        title: &Title,
        version: Option<&Version>,
        demand: &Demand,
    ) -> Result<Described, Error> {
        let barred = self.blocks.of(title.as_str()).await?;
        let mut shown = self.described(title, version, demand).await?;
        shown.package.versions.retain(|version, _| barred.find(version.as_str()).is_none());
        if shown.package.versions.is_empty() {
            return Err(barred.nothing_left(title.as_str()));
        }
        let meant = shown.package.default_version();
        if version.is_some() || *meant == shown.package.version {
            return Ok(shown);
        }
        let mut meant = self.described(title, Some(meant), demand).await?;
        meant.package.versions.retain(|version, _| barred.find(version.as_str()).is_none());
        Ok(meant)
    }

    pub(super) async fn described(
        &self,
        title: &Title,
        version: Option<&Version>,
        demand: &Demand,
    ) -> Result<Described, Error> {
        let want = self.sources.package(title, version)?;
        let Document { place, body, origin } = self.document(&want, demand, title.as_str()).await?;
        let (title, version) = (title.clone(), version.cloned());
        let parsed = bodies::apart(move || Ok::<_, Error>(wire::parse_package(&body, &title, version.as_ref())?));
        Ok(Described { package: parsed.await?, place, origin })
    }

    /// Returns all packages, and how the first page of their list came.
    pub(super) async fn packages(&self, demand: &Demand) -> Result<(Arc<[Listed]>, Origin), Error> {
        let (pages, origin) = self.pages(demand).await?;
        let digests: Vec<_> = pages.iter().flat_map(|page| *page.digest.as_bytes()).collect();
        let weight = pages.iter().map(|page| page.entry.size).sum::<u64>() as usize;
        let merge = move || {
            let pages = pages.iter().map(ListedPage::parse).collect::<Result<Vec<_>, _>>()?;
            Ok::<_, Error>((wire::merge(pages).into(), weight))
        };
        Ok((self.lists.work_out(Digest::of(&digests), merge).await?, origin))
    }

    /// Returns every page of the list, and how the first one came: together they are no longer than one document may be.
    /// Source: contract nessemble §8.
    async fn pages(&self, demand: &Demand) -> Result<(Vec<ListedPage>, Origin), Error> {
        let endless = || Error::BadGateway { what: LIST.to_owned(), cause: None };
        let (mut pages, mut number, mut left) = (Vec::new(), 1, self.sources.shelf.max_document_bytes);
        let (mut page, origin) = self.page(number, demand).await?;
        loop {
            left = left.checked_sub(page.entry.size).ok_or_else(endless)?;
            // A link back leads nowhere new.
            let next = self.next_of(&page).await?.filter(|next| *next > number);
            pages.push(page);
            let Some(next) = next else { return Ok((pages, origin)) };
            if next > MAX_PAGES {
                return Err(endless());
            }
            (page, number) = (self.page(next, demand).await?.0, next);
        }
    }

    async fn page(&self, number: u64, demand: &Demand) -> Result<(ListedPage, Origin), Error> {
        let found = self.mirror.document(&self.sources.page(number)?, demand).await;
        let found = found.map_err(|error| of_mirror(error, LIST))?;
        let origin = Origin::of(&found);
        let entry = found.entry.ok_or_else(|| Error::internal("a document that is not kept"))?;
        let digest = entry.digest.ok_or_else(|| Error::internal("a document without its digest"))?;
        Ok((ListedPage { entry, digest }, origin))
    }

    /// Returns the number of the page that follows one.
    async fn next_of(&self, page: &ListedPage) -> Result<Option<u64>, Error> {
        let (digest, page) = (page.digest, page.clone());
        self.nexts.work_out(digest, move || Ok((page.parse()?.next, 1))).await
    }

    async fn document(&self, want: &Arc<Resource>, demand: &Demand, what: &str) -> Result<Document, Error> {
        let found = self.mirror.document(want, demand).await.map_err(|error| of_mirror(error, what))?;
        Ok(Document::read(found).await?)
    }
}

fn printed(print: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    print(&mut out)?;
    Ok(out)
}

/// Returns where this client reaches the mount: links go on below `/v1` if it does.
fn base(request: &Request<'_>) -> String {
    let is_versioned = request.path.strip_prefix("/v1").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    format!("{}{}", request.base, if is_versioned { "/v1" } else { "" })
}

fn reader(request: &Request<'_>) -> Reader {
    Reader::of(request.header(http::header::USER_AGENT))
}

// === impl ListedPage ===

impl ListedPage {
    /// Reads the page. Blocks.
    fn parse(&self) -> Result<wire::ListPage, Error> {
        Ok(wire::parse_page(&bodies::read_all(self.entry.body()?)?)?)
    }
}
