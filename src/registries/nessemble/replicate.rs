//! Brings a package up to what its registry has now: its document, that of each version, and the archives.
//!
//! The list of packages tells neither versions nor dates: it shows new packages and other descriptions, and a new version
//! of a package shows nowhere but in its own document. So those that are listed are asked for in turn, a few at each look.
//! Registries allow few requests a minute ([`super::pace`]): the lag is one of hours where there are many packages.
//!
//! Source: contract nessemble §5.1 (the list), §7 (rate), §8 (sync).

use std::collections::BTreeMap;
use std::io;

use async_trait::async_trait;

use super::documents::Described;
use super::error::Error;
use super::metered::Metered;
use super::name::{Title, Version};

use super::Nessemble;
use super::wire::{Listed, Package};
use crate::base::digest::Digest;
use crate::mirror::fresh::Demand;
use crate::registries::listed;
use crate::registries::replica::{Change, Failure, Names, Order, Poll, Position, Replica, Report, Run};
use crate::registries::roll::{Roll, Said};
use crate::registries::round::{Goods, Round, Shop, Stock};

/// The one feed: the list of packages.
const FEED: &str = "packages";

/// Packages that are asked for at each look, though the list tells nothing new of them.
const IN_TURN: usize = 4;

/// Gets what a version has: its own document, and the archive.
struct Shelves<'a> {
    nessemble: &'a Nessemble,
    title: &'a Title,
    /// What is held is to be proved anew.
    is_forced: bool,
}

#[async_trait]
impl Replica for Metered {
    async fn sync(&self, order: &Order, run: &Run<'_>) -> Result<Report, Failure> {
        let title = Title::parse(&order.package).map_err(|error| Failure::Refused(error.to_string()))?;
        self.desk.sync(&title, order, run).await
    }

    fn spell(&self, text: &str) -> Result<String, Error> {
        let title = Title::parse(text).map_err(|error| Error::BadRequest(error.to_string().into()))?;
        Ok(title.to_string())
    }

    async fn feeds(&self) -> Result<Vec<String>, Failure> {
        Ok(vec![FEED.to_owned()])
    }

    async fn poll(&self, _feed: &str, position: Option<&Position>) -> Result<Poll, Failure> {
        let packages = self.desk.listing(&Demand::NONE.strict()).await.map_err(|error| Failure::from(&error))?;
        changes(&packages, position).map_err(|error| Failure::from(&Error::from(error)))
    }

    async fn names(&self, after: Option<&str>) -> Result<Names, Failure> {
        // One state of the list, from its first page to its last.
        let demand = if after.is_some() { Demand::NONE } else { Demand::NONE.strict() };
        let packages = self.desk.listing(&demand).await.map_err(|error| Failure::from(&error))?;
        Ok(listed::page(packages.iter().map(|listed| listed.title.as_str()), after))
    }
}

impl Nessemble {
    async fn sync(&self, title: &Title, order: &Order, run: &Run<'_>) -> Result<Report, Failure> {
        let (mirror, blocks, upstream) = (&self.mirror, &self.blocks, self.sources.name_upstream());
        let round = Round { mirror, blocks, package: title.as_str(), upstream, order, run };
        round.admit().await?;
        let stock = self.stock(title).await;
        round.follow(stock, &Shelves { nessemble: self, title, is_forced: order.wish.force }).await
    }

    /// Asks upstream what it has of a package.
    async fn stock(&self, title: &Title) -> Result<Stock, Error> {
        self.pace.wait().await;
        let Described { package, place, .. } = self.described(title, None, &Demand::NONE.strict()).await?;
        let mut stock = Stock { digest: place.map(|(_, digest)| digest), ..Stock::default() };
        stock.documents.push(self.sources.package(title, None)?.key.clone());
        let Package { description, author, license, tags, .. } = &package;
        let about = format!("{description}\n{author}\n{license}\n{tags:?}");
        stock.roll.note("", Said::of(b"", None, about.as_bytes()));
        for (version, date) in package.versions.iter().rev() {
            stock.roll.note(version.to_string(), Said::of(b"", None, format!("{date:?}").as_bytes()));
            stock.versions.push(version.to_string());
        }
        Ok(stock)
    }

    async fn listing(&self, demand: &Demand) -> Result<std::sync::Arc<[Listed]>, Error> {
        self.pace.wait().await;
        Ok(self.packages(demand).await?.0)
    }
}

#[async_trait]
impl Shop for Shelves<'_> {
    async fn goods(&self, version: &str) -> Result<Goods, Error> {
        let Self { nessemble, title, is_forced } = self;
        let version = Version::parse(version).map_err(|_| Error::bad_request("it is no version"))?;
        let sources = &nessemble.sources;
        let documents = vec![sources.package(title, Some(&version))?.key.clone()];
        // A version's document and its archive never change: what is here is not asked for again.
        if !is_forced && nessemble.kept(title, &version).await?.is_some() {
            let archive = sources.archive_key(title, &version);
            return Ok(Goods { artifacts: Vec::new(), documents: documents.into_iter().chain([archive]).collect() });
        }
        self.pace().await;
        let described = nessemble.described(title, Some(&version), &Demand::NONE.strict()).await?;
        Ok(Goods { artifacts: vec![sources.archive(&described.package, described.place)?], documents })
    }

    async fn pace(&self) {
        self.nessemble.pace.wait().await;
    }
}

/// Tells what has changed in the list, and whose turn it is to be asked for.
fn changes(packages: &[Listed], position: Option<&Position>) -> io::Result<Poll> {
    let mut roll = Roll::default();
    for Listed { title, description, tags } in packages {
        roll.note(title.to_string(), Said::of(b"", None, format!("{description}\n{tags:?}").as_bytes()));
    }
    let digest = Digest::of(&roll.pack()?);
    let (cursor, last) = position.map_or(("", ""), |at| at.cursor.split_once(' ').unwrap_or((&at.cursor, "")));
    let listed_at = position.map(|at| Position { cursor: cursor.to_owned(), memory: at.memory.clone() });
    let mut poll = listed::poll(digest, &roll, listed_at.as_ref(), |_| Default::default())?;
    let turn = if position.is_some() { in_turn(packages, last) } else { Vec::new() };
    let last = turn.last().map_or(last, |title| title.as_str()).to_owned();
    let known: BTreeMap<_, _> = poll.changes.iter().map(|change| (change.package.clone(), ())).collect();
    let turn = turn.into_iter().map(Title::to_string).filter(|title| !known.contains_key(title));
    poll.changes.extend(turn.map(|package| Change { package, expects: Default::default() }));
    poll.position.cursor = format!("{} {last}", poll.position.cursor);
    Ok(poll)
}

/// Returns those who come after the last one whose turn it was, beginning anew behind the end.
fn in_turn<'a>(packages: &'a [Listed], last: &str) -> Vec<&'a Title> {
    let titles = || packages.iter().map(|listed| &listed.title);
    let (before, after): (Vec<_>, Vec<_>) = titles().partition(|title| title.as_str() <= last);
    after.into_iter().chain(before).take(IN_TURN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packages(titles: &[(&str, &str)]) -> Vec<Listed> {
        let listed = |(title, description): &(&str, &str)| Listed {
            title: Title::parse(title).unwrap(),
            description: (*description).to_owned(),
            tags: Vec::new(),
        };
        titles.iter().map(listed).collect()
    }

    fn names(poll: &Poll) -> Vec<&str> {
        poll.changes.iter().map(|change| change.package.as_str()).collect()
    }

    #[test]
    fn what_is_new_in_the_list_is_told_and_the_others_in_turn() {
        let six = packages(&[("a", ""), ("b", ""), ("c", ""), ("d", ""), ("e", ""), ("f", "")]);
        let start = changes(&six, None).unwrap();
        assert!(start.changes.is_empty());
        let one = changes(&six, Some(&start.position)).unwrap();
        assert_eq!(names(&one), ["a", "b", "c", "d"]);
        let two = changes(&six, Some(&one.position)).unwrap();
        assert_eq!(names(&two), ["e", "f", "a", "b"]);
        let now = packages(&[("a", ""), ("b", ""), ("c", "other"), ("d", ""), ("e", ""), ("new", "")]);
        let three = changes(&now, Some(&two.position)).unwrap();
        assert_eq!(names(&three), ["c", "f", "new", "d", "e"]);
        assert_eq!(names(&changes(&now, Some(&two.position)).unwrap()), names(&three));
    }

    #[test]
    fn few_have_their_turn_once() {
        let two = packages(&[("a", ""), ("b", "")]);
        let start = changes(&two, None).unwrap();
        let first = changes(&two, Some(&start.position)).unwrap();
        assert_eq!(names(&first), ["a", "b"]);
        assert_eq!(names(&changes(&two, Some(&first.position)).unwrap()), ["a", "b"]);
        assert!(changes(&[], Some(&start.position)).unwrap().changes.len() == 2, "they are gone");
    }
}
