//! What is not served, whoever has it: packages and versions that an operator has blocked, with the reason.
//!
//! All blocks are held in memory, so that a hit asks no database: they are read again when their head has moved, within
//! half a second on every node. Which versions a block means is the dialect's to say, in its own form; `*` means all.
//! The feed tells of each that is made or taken away; not of one that ends by itself.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;

use super::Overlay;
use super::audit::{Actor, Entry};
use super::db::{Head, blocks as rows};
use super::error::Error;
use super::packages::EventKind;
use super::rights::matches;

/// The longest reason, in bytes. Source: npm's contract, section 13.1.
const LONGEST_REASON: usize = 10_240;

/// What stands for every version.
pub const ALL_VERSIONS: &str = "*";

/// One block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Stays when the reason changes.
    pub id: u64,
    pub mount: String,
    /// A name; or a pattern, where it has a `*`: any run of characters.
    pub package: String,
    /// In the dialect's own form; [`ALL_VERSIONS`] for the whole package.
    pub versions: String,
    pub reason: String,
    /// Who has blocked it.
    pub operator: String,
    pub created_at: SystemTime,
    pub modified_at: SystemTime,
    pub expires_at: Option<SystemTime>,
}

/// A block to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewBlock<'a> {
    pub mount: &'a str,
    pub package: &'a str,
    pub versions: &'a str,
    pub reason: &'a str,
    pub expires_at: Option<SystemTime>,
}

/// All blocks there are, as of a revision of their head.
#[derive(Debug, Default)]
pub struct Blocked {
    /// `None`: nothing has been read yet.
    revision: Option<u64>,
    /// By mount, then name.
    named: HashMap<String, HashMap<String, Vec<Arc<Block>>>>,
    patterns: Vec<Arc<Block>>,
}

/// The blocks in memory.
pub(super) type Screen = ArcSwap<Blocked>;

impl Overlay {
    /// Blocks versions of a package; again, with another reason.
    ///
    /// # Errors
    /// [`Error::Malformed`], or the database's. Nothing was changed.
    pub async fn block(&self, new: NewBlock<'_>, actor: &Actor) -> Result<Block, Error> {
        if new.reason.len() > LONGEST_REASON || new.reason.contains('\0') {
            return Err(Error::Malformed { what: "reason", why: "is too long or has control characters" });
        }
        let write = self.db.write(self.clock.now()).await?;
        let block = rows::put(&write, &new, &actor.name).await?;
        let told = (new.versions, Some(new.reason));
        rows::announce(&write, (new.mount, new.package), EventKind::Blocked, told).await?;
        write.turn(Head::Blocks).await?;
        let (subject, detail) = (subject(new.mount, new.package), format!("{}: {}", new.versions, new.reason));
        write.commit(&Entry { actor, verb: "block", subject, detail }).await?;
        self.pulse.refresh(&self.db).await;
        Ok(block)
    }

    /// Takes a block away. `false`: there was none.
    ///
    /// # Errors
    /// The database's.
    pub async fn unblock(&self, mount: &str, package: &str, versions: &str, actor: &Actor) -> Result<bool, Error> {
        let write = self.db.write(self.clock.now()).await?;
        if rows::remove(&write, mount, package, versions).await? == 0 {
            return Ok(false);
        }
        rows::announce(&write, (mount, package), EventKind::Unblocked, (versions, None)).await?;
        write.turn(Head::Blocks).await?;
        let subject = subject(mount, package);
        write.commit(&Entry { actor, verb: "unblock", subject, detail: versions.to_owned() }).await?;
        self.pulse.refresh(&self.db).await;
        Ok(true)
    }

    /// Lists the blocks of a mount, or of all, by package and versions, expired ones among them.
    ///
    /// # Errors
    /// The database's.
    pub async fn blocks(&self, mount: Option<&str>) -> Result<Vec<Block>, Error> {
        rows::list(self.db.link(), mount).await
    }

    /// Returns the blocks that a package is under now. Asks no database while nothing is blocked anywhere.
    ///
    /// # Errors
    /// The database's: nobody can say whether it is blocked.
    pub async fn blocks_of(&self, mount: &str, package: &str) -> Result<Vec<Arc<Block>>, Error> {
        let revision = self.pulse.heads(&self.db).await?.blocks;
        let held = self.screen.load();
        let now = self.clock.now();
        if held.is_as_of(revision) {
            Ok(held.of(mount, package, now))
        } else {
            Ok(self.read_blocks(revision).await?.of(mount, package, now))
        }
    }

    /// Returns all blocks there are now, for who asks about many packages.
    ///
    /// # Errors
    /// The database's.
    pub async fn blocked(&self) -> Result<Arc<Blocked>, Error> {
        let revision = self.pulse.heads(&self.db).await?.blocks;
        let held = self.screen.load_full();
        if held.is_as_of(revision) { Ok(held) } else { self.read_blocks(revision).await }
    }

    async fn read_blocks(&self, revision: u64) -> Result<Arc<Blocked>, Error> {
        let read = Arc::new(Blocked::new(revision, rows::list(self.db.link(), None).await?));
        self.replace(&read);
        Ok(read)
    }

    /// Holds blocks that were read, unless others were read since.
    fn replace(&self, read: &Arc<Blocked>) {
        self.screen.rcu(|held| Arc::clone(if held.revision > read.revision { held } else { read }));
    }
}

fn subject(mount: &str, package: &str) -> String {
    format!("{mount}/{package}")
}

// === impl Blocked ===

impl Blocked {
    /// Sorts blocks that were read after their head was seen at `revision`: they are as of that, or later.
    fn new(revision: u64, blocks: Vec<Block>) -> Self {
        let mut blocked = Self { revision: Some(revision), ..Self::default() };
        for block in blocks.into_iter().map(Arc::new) {
            if block.package.contains('*') {
                blocked.patterns.push(block);
            } else {
                let names = blocked.named.entry(block.mount.clone()).or_default();
                names.entry(block.package.clone()).or_default().push(block);
            }
        }
        blocked
    }

    fn is_as_of(&self, revision: u64) -> bool {
        self.revision.is_some_and(|held| held >= revision)
    }

    /// Tells whether anything is blocked at a mount.
    pub fn concerns(&self, mount: &str) -> bool {
        self.named.contains_key(mount) || self.patterns.iter().any(|block| block.mount == mount)
    }

    /// Returns the blocks that a package is under at a time.
    pub fn of(&self, mount: &str, package: &str, now: SystemTime) -> Vec<Arc<Block>> {
        let named = self.named.get(mount).and_then(|names| names.get(package)).into_iter().flatten();
        let is_meant = |block: &&Arc<Block>| block.mount == mount && matches(&block.package, package);
        let all = named.chain(self.patterns.iter().filter(is_meant));
        all.filter(|block| block.expires_at.is_none_or(|expires_at| now < expires_at)).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::from_millis;

    fn block(id: u64, package: &str, expires_at: Option<u64>) -> Block {
        Block {
            id,
            mount: "npm".to_owned(),
            package: package.to_owned(),
            versions: ALL_VERSIONS.to_owned(),
            reason: String::new(),
            operator: String::new(),
            created_at: from_millis(0),
            modified_at: from_millis(0),
            expires_at: expires_at.map(from_millis),
        }
    }

    #[test]
    fn a_package_is_under_the_blocks_of_its_name_and_of_patterns() {
        let all = vec![block(1, "x", None), block(2, "@evil/*", None), block(3, "x", Some(10)), block(4, "*", Some(5))];
        let blocked = Blocked::new(1, all);
        for (mount, package, at, expected) in [
            ("npm", "x", 4, [1, 3, 4].as_slice()),
            ("npm", "x", 5, &[1, 3]),
            ("npm", "x", 10, &[1]),
            ("npm", "@evil/y", 5, &[2]),
            ("npm", "@evil", 5, &[]),
            ("npm", "X", 5, &[]),
            ("hex", "x", 4, &[]),
        ] {
            let found: Vec<_> = blocked.of(mount, package, from_millis(at)).iter().map(|block| block.id).collect();
            assert_eq!(found, expected, "{mount}/{package} at {at}");
        }
    }
}
