//! The mirrors of binaries that there are, and how a directory of one is listed at upstream.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Mutex;

use super::hosted::Targets;
use super::listing::{Listing, Malformed, escape};
use super::tree::{Documents, Tree, read, unusable};
use super::{bucket, hosted, index, releases};
use crate::base::clock::Clock;
use crate::config::{Binary, Form};
use crate::mirror::fresh::Demand;
use crate::overlay::binaries::Directory;
use crate::registries::bodies;
use crate::registries::failure::Error;
use crate::registries::missed::Missed;

/// Pages of one listing, at most.
const MAX_PAGES: usize = 500;

/// For how long what was missing is not looked for again.
const BELIEVED: std::time::Duration = std::time::Duration::from_secs(60);

/// All mirrors, in the order of the configuration.
#[derive(Default)]
pub struct Catalogue {
    depots: Vec<Arc<Depot>>,
}

/// What the mounts have that mirrors are read through, by the names of the mounts.
#[derive(Default)]
pub struct Sources {
    pub trees: HashMap<String, Arc<dyn Tree>>,
    pub documents: HashMap<String, Arc<dyn Documents>>,
}

/// One mirror.
pub struct Depot {
    pub rules: Binary,
    /// What its bytes come through.
    pub tree: Arc<dyn Tree>,
    lists: Arc<dyn Tree>,
    documents: Option<Arc<dyn Documents>>,
    /// What no listing had of late.
    pub(super) missed: Missed,
    /// Held while a directory is listed because somebody has asked: who comes meanwhile finds it listed.
    pub(super) listing: Mutex<()>,
}

// === impl Catalogue ===

impl Catalogue {
    /// Puts the mirrors together. One whose mounts are not there is left out: the configuration has none such.
    pub fn new(binaries: &[Binary], sources: &Sources) -> Self {
        let depot = |rules: &Binary| {
            let tree = |name: &String| sources.trees.get(name).cloned();
            let document = |name| sources.documents.get(name).cloned();
            Some(Arc::new(Depot {
                tree: tree(&rules.files)?,
                lists: tree(&rules.lists)?,
                documents: rules.registry.as_ref().and_then(document),
                rules: rules.clone(),
                missed: Missed::new(Clock::default(), BELIEVED),
                listing: Mutex::new(()),
            }))
        };
        Self { depots: binaries.iter().filter_map(depot).collect() }
    }

    pub fn all(&self) -> &[Arc<Depot>] {
        &self.depots
    }

    pub fn find(&self, name: &str) -> Option<&Arc<Depot>> {
        self.depots.iter().find(|depot| depot.rules.name == name)
    }

    /// Returns a mirror, then those that are listed under its name as well.
    pub fn family(&self, name: &str) -> Vec<Arc<Depot>> {
        let Some(first) = self.find(name) else { return Vec::new() };
        let others = self.depots.iter().filter(|depot| depot.rules.category == name && depot.rules.name != name);
        [first].into_iter().chain(others).cloned().collect()
    }
}

// === impl Depot ===

impl Depot {
    /// Returns the rows of a directory.
    pub fn at<'a>(&'a self, path: &'a str) -> Directory<'a> {
        Directory { mirror: &self.rules.name, path }
    }

    /// Asks upstream what a directory holds; `None` where it has no such directory. What lists all of the tree at once is
    /// all told.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn list(&self, directory: &str, demand: &Demand) -> Result<Option<Listing>, Error> {
        let listing = match self.rules.form {
            Form::Index => self.list_index(directory, demand).await?,
            Form::Bucket => self.list_bucket(directory, demand).await?,
            Form::Releases => self.list_releases(demand).await?,
            Form::Hosted => self.list_hosted(demand).await?,
        };
        Ok(listing.filter(|listing| listing.has(directory)))
    }

    /// Returns where something lies below the upstream of the listings.
    fn below(&self, path: &str) -> String {
        match self.rules.path.as_str() {
            "" => path.to_owned(),
            start => format!("{start}/{path}"),
        }
    }

    async fn list_index(&self, directory: &str, demand: &Demand) -> Result<Option<Listing>, Error> {
        let place = self.below(&escape(directory));
        let Some(page) = read(&*self.lists, &place, "", demand).await? else { return Ok(None) };
        let (root, directory) = (self.lists.root().clone(), directory.to_owned());
        let read = move || -> Result<_, Error> {
            let mut listing = Listing::of(&directory);
            for entry in index::parse(&String::from_utf8_lossy(&page), &root, &place) {
                listing.add_entry(&directory, entry);
            }
            Ok(listing)
        };
        bodies::apart(read).await.map(Some)
    }

    async fn list_bucket(&self, directory: &str, demand: &Demand) -> Result<Option<Listing>, Error> {
        let (prefix, mut listing, mut next) = (self.below(directory), Listing::of(directory), None);
        for _ in 0..MAX_PAGES {
            let query = bucket::query(&prefix, next.as_ref());
            let Some(xml) = read(&*self.lists, "", &query, demand).await? else { return Ok(None) };
            let page = bodies::apart(move || Ok::<_, Error>(bucket::parse(&String::from_utf8_lossy(&xml)))).await?;
            let page = page.map_err(|error| malformed(&prefix, error))?;
            let leads_to = page.next.clone();
            page.add_to(&mut listing, &prefix, directory);
            // One that leads to itself would go on for ever.
            if leads_to.is_none() || leads_to == next {
                break;
            }
            next = leads_to;
        }
        // A store has no directories: one that holds nothing is none.
        Ok(Some(listing).filter(|listing| directory.is_empty() || !listing.is_empty()))
    }

    async fn list_releases(&self, demand: &Demand) -> Result<Option<Listing>, Error> {
        let (mut listing, mut before) = (Listing::of(""), Vec::new());
        for number in 1..=MAX_PAGES {
            let (place, root) = (self.rules.path.as_str(), self.tree.root().clone());
            let Some(json) = read(&*self.lists, place, &releases::query(number), demand).await? else {
                return Ok(None);
            };
            let read = move || {
                let tags = releases::parse(&json, &root, &mut listing);
                Ok::<_, Error>((tags, listing))
            };
            let (tags, read) = bodies::apart(read).await?;
            listing = read;
            let tags = tags.map_err(|error| malformed(place, error))?;
            // A server that knows no pages gives the same again.
            if tags.is_empty() || tags == before {
                break;
            }
            before = tags;
        }
        Ok(Some(listing))
    }

    async fn list_hosted(&self, demand: &Demand) -> Result<Option<Listing>, Error> {
        let Some((documents, package)) = self.documents.as_ref().zip(self.rules.package.as_deref()) else {
            return Err(Error::internal("a mirror of a package that has no package"));
        };
        let document: Bytes = match documents.document(package, demand).await {
            Err(Error::NotFound { .. } | Error::Gone { .. }) => return Ok(None),
            document => document?,
        };
        let (targets, root) = (self.targets(), self.tree.root().clone());
        let read = move || {
            let mut listing = Listing::of("");
            Ok::<_, Error>(hosted::parse(&document, &targets, &root, &mut listing).map(|_| listing))
        };
        bodies::apart(read).await?.map(Some).map_err(|error| malformed(package, error))
    }

    fn targets(&self) -> Targets {
        Targets {
            platforms: self.rules.platforms.clone(),
            architectures: self.rules.architectures.clone(),
            libcs: self.rules.libcs.clone(),
            abis: self.rules.abis.clone(),
        }
    }
}

fn malformed(place: &str, error: Malformed) -> Error {
    unusable(place, Some(Arc::new(error)))
}
