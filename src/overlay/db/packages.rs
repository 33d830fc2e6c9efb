//! The rows of packages and of what belongs to them.

use std::collections::{BTreeMap, HashMap};

use super::sql::{Bound, LIVING, Link, Row, rows, values};
use super::teams::{read_permission, team_name};
use super::{Write, downloads};
use crate::overlay::blobs::Blob;
use crate::overlay::error::Error;
use crate::overlay::namespaces::NamespaceName;
use crate::overlay::packages::{
    Binding, Change, Edition, Effect, Event, EventKind, File, NewRelease, News, Owner, Package, Place, Release,
    SecondFactor, State,
};
use crate::overlay::teams::{Permission, TeamId};
use crate::overlay::users::{UserId, UserName};

/// Events that one statement writes.
const AT_ONCE: usize = 100;

/// Returns what a change is decided by; `None` when there is no such package.
pub async fn load_state(link: Link<'_>, mount: &str, name: &str) -> Result<Option<State>, Error> {
    let sql = "SELECT id, revision, stamp FROM packages WHERE mount = $1 AND name = $2";
    let Some(row) = link.first(sql, values![mount, name]).await? else { return Ok(None) };
    let id: u64 = row.get(0)?;
    let (revision, stamp) = (row.get(1)?, row.get(2)?);
    let mut state = State { id: Some(id), revision, stamp, tags: tags(link, id).await?, ..State::default() };
    let sql = "SELECT version, variant, removed_at IS NOT NULL FROM releases WHERE package = $1";
    for row in link.all(sql, values![id]).await? {
        let list = if row.get(2)? { &mut state.removed } else { &mut state.living };
        list.insert((row.get(0)?, row.get(1)?));
    }
    for row in link.all("SELECT account, level FROM owners WHERE package = $1", values![id]).await? {
        state.owners.insert(row.get(0)?, row.get(1)?);
    }
    for row in link.all("SELECT team, permission FROM bindings WHERE package = $1", values![id]).await? {
        state.teams.insert(row.get(0)?, read_permission(&row, 1)?);
    }
    Ok(Some(state))
}

/// Writes what a change does, counts the package's revision up, and returns its new stamp.
pub async fn apply(write: &Write, change: &Change<'_>, state: &State, effects: &[Effect<'_>]) -> Result<u64, Error> {
    let stamp = draw_stamp();
    let package = match state.id {
        Some(id) => {
            let sql = "UPDATE packages SET revision = revision + 1, modified_at = $2, stamp = $3 WHERE id = $1";
            write.link().run(sql, values![id, write.now, stamp]).await?;
            id
        }
        None => {
            let sql = "INSERT INTO packages (id, mount, name, revision, is_restricted, created_at, modified_at, stamp) \
                       VALUES ($1, $2, $3, 1, $4, $5, $5, $6)";
            let bound = values![write.number, change.mount, change.package, false, write.now, stamp];
            write.link().run(sql, bound).await?;
            write.number
        }
    };
    let is_closed = async || downloads::is_closed(write.link(), change.mount, change.package).await;
    let was_closed = if effects.iter().any(Effect::moves_audience) { Some(is_closed().await?) } else { None };
    for effect in effects {
        apply_one(write, package, effect).await?;
    }
    if let Some(was_closed) = was_closed
        && is_closed().await? != was_closed
    {
        downloads::count_in(write, change.mount, change.package, !was_closed).await?;
    }
    Ok(stamp)
}

/// Numbers have 63 bits here.
fn draw_stamp() -> u64 {
    rand::random::<u64>() >> 1
}

/// Writes that the packages of an owner say something else of it than before.
pub async fn touch_owned(write: &Write, owner: UserId) -> Result<(), Error> {
    let sql = "UPDATE packages SET revision = revision + 1, modified_at = $2, stamp = $3 \
               WHERE id IN (SELECT package FROM owners WHERE account = $1) RETURNING mount, name";
    let rows = write.link().all(sql, values![owner, write.now, draw_stamp()]).await?;
    for row in rows {
        let (mount, package): (String, String) = (row.get(0)?, row.get(1)?);
        announce(write, (&mount, &package), &[News::of(EventKind::PackageChanged)]).await?;
    }
    Ok(())
}

async fn apply_one(write: &Write, package: u64, effect: &Effect<'_>) -> Result<(), Error> {
    let link = write.link();
    let (sql, bound): (&str, Vec<Bound>) = match effect {
        Effect::Put(new) => return put(write, package, new).await,
        Effect::Remove { version, variant } => return remove(write, package, version, variant).await,
        Effect::Own { user, level } => return own(write, package, *user, level).await,
        Effect::Star { user } => return star(write, package, *user).await,
        Effect::Bind { team, permission } => return bind(write, package, *team, *permission).await,
        Effect::Manifest { version, variant, manifest } => (
            "UPDATE releases SET manifest = $4, modified_at = $5 \
             WHERE package = $1 AND version = $2 AND variant = $3",
            values![package, *version, *variant, *manifest, write.now],
        ),
        Effect::Tag { tag, version } => (
            "INSERT INTO tags (package, tag, version) VALUES ($1, $2, $3) \
             ON CONFLICT (package, tag) DO UPDATE SET version = $3",
            values![package, tag.as_str(), version.as_str()],
        ),
        Effect::Untag { tag } => ("DELETE FROM tags WHERE package = $1 AND tag = $2", values![package, tag.as_str()]),
        Effect::Disown { user } => ("DELETE FROM owners WHERE package = $1 AND account = $2", values![package, *user]),
        Effect::Unstar { user } => ("DELETE FROM stars WHERE package = $1 AND account = $2", values![package, *user]),
        Effect::Document { version, variant, document } => (
            "UPDATE releases SET document = $4 WHERE package = $1 AND version = $2 AND variant = $3",
            values![package, *version, *variant, *document],
        ),
        Effect::Restrict(is_restricted) => {
            ("UPDATE packages SET is_restricted = $2 WHERE id = $1", values![package, *is_restricted])
        }
        Effect::Unbind { team } => ("DELETE FROM bindings WHERE package = $1 AND team = $2", values![package, *team]),
        Effect::Ask(factor) => {
            ("UPDATE packages SET second_factor = $2 WHERE id = $1", values![package, factor.as_str()])
        }
    };
    link.run(sql, bound).await.map(drop)
}

/// Writes a release over whatever was there, and its files.
async fn put(write: &Write, package: u64, new: &NewRelease<'_>) -> Result<(), Error> {
    let (link, NewRelease { version, variant, manifest, publisher, files, .. }) = (write.link(), new);
    // What takes the place of bytes that are there keeps the time at which it was first published.
    let sql = "INSERT INTO releases (package, version, variant, manifest, publisher, published_at, modified_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $6) ON CONFLICT (package, version, variant) DO UPDATE SET \
               manifest = $4, document = NULL, publisher = $5, modified_at = $6, removed_at = NULL, \
               published_at = CASE WHEN releases.removed_at IS NULL THEN releases.published_at ELSE $6 END";
    link.run(sql, values![package, *version, *variant, *manifest, *publisher, write.now]).await?;
    drop_files(link, package, version, variant).await?;
    for File { kind, blob } in files {
        super::blobs::claim(link, blob).await?;
        let sql = "INSERT INTO files (package, version, variant, kind, digest) VALUES ($1, $2, $3, $4, $5)";
        link.run(sql, values![package, *version, *variant, kind.as_str(), blob.digest]).await?;
    }
    Ok(())
}

/// Leaves of a release that it was there.
async fn remove(write: &Write, package: u64, version: &str, variant: &str) -> Result<(), Error> {
    drop_files(write.link(), package, version, variant).await?;
    let sql = "UPDATE releases SET manifest = NULL, document = NULL, removed_at = $4, modified_at = $4 \
               WHERE package = $1 AND version = $2 AND variant = $3";
    write.link().run(sql, values![package, version, variant, write.now]).await.map(drop)
}

async fn drop_files(link: Link<'_>, package: u64, version: &str, variant: &str) -> Result<(), Error> {
    let sql = "DELETE FROM files WHERE package = $1 AND version = $2 AND variant = $3";
    link.run(sql, values![package, version, variant]).await.map(drop)
}

async fn own(write: &Write, package: u64, user: UserId, level: &str) -> Result<(), Error> {
    let link = write.link();
    link.run("DELETE FROM owners WHERE package = $1 AND account = $2", values![package, user]).await?;
    let sql = "INSERT INTO owners (package, account, level) SELECT $1, id, $3 FROM users WHERE id = $2";
    found(link.run(sql, values![package, user, level]).await?, user)
}

async fn star(write: &Write, package: u64, user: UserId) -> Result<(), Error> {
    let link = write.link();
    link.run("DELETE FROM stars WHERE package = $1 AND account = $2", values![package, user]).await?;
    let sql = "INSERT INTO stars (package, account) SELECT $1, id FROM users WHERE id = $2";
    found(link.run(sql, values![package, user]).await?, user)
}

async fn bind(write: &Write, package: u64, team: TeamId, permission: Permission) -> Result<(), Error> {
    let sql = "INSERT INTO bindings (package, team, permission) SELECT $1, id, $3 FROM teams WHERE id = $2 \
               ON CONFLICT (package, team) DO UPDATE SET permission = $3";
    match write.link().run(sql, values![package, team, permission.as_str()]).await? {
        0 => Err(Error::absent("team", team)),
        _ => Ok(()),
    }
}

fn found(count: u64, user: UserId) -> Result<(), Error> {
    if count == 0 { Err(Error::absent("user", user)) } else { Ok(()) }
}

/// Writes the lines of the feed.
pub async fn announce(write: &Write, (mount, package): (&str, &str), events: &[News]) -> Result<(), Error> {
    let mut number = write.number_changes(events.len() as u64).await?;
    for some in events.chunks(AT_ONCE) {
        let mut bound = Vec::new();
        for News { kind, version, tag, reason } in some {
            bound.extend(values![number, write.now, mount, package, kind.as_str()]);
            bound.extend(values![version.as_deref(), tag.as_deref(), kind.user(), reason.as_deref()]);
            number += 1;
        }
        let columns = "number, at, mount, package, kind, version, tag, account, reason";
        let sql = format!("INSERT INTO changes ({columns}) VALUES {}", rows(some.len(), 9));
        write.link().run(&sql, bound).await?;
    }
    Ok(())
}

pub async fn find_file(link: Link<'_>, release: Place<'_>, kind: &str) -> Result<Option<File>, Error> {
    let sql = "SELECT blobs.digest, blobs.size, blobs.copy FROM packages \
               JOIN files ON files.package = packages.id JOIN blobs ON blobs.digest = files.digest \
               WHERE packages.mount = $1 AND packages.name = $2 AND files.version = $3 AND files.variant = $4 \
               AND files.kind = $5";
    let Place { mount, package, version, variant } = release;
    let row = link.first(sql, values![mount, package, version, variant, kind]).await?;
    row.map(|row| {
        let blob = Blob { digest: row.get(0)?, size: row.get(1)?, copy: row.get(2)? };
        Ok(File { kind: kind.to_owned(), blob })
    })
    .transpose()
}

pub async fn find_document(link: Link<'_>, release: Place<'_>) -> Result<Option<Vec<u8>>, Error> {
    let sql = "SELECT releases.document FROM packages JOIN releases ON releases.package = packages.id \
               WHERE packages.mount = $1 AND packages.name = $2 AND releases.version = $3 AND releases.variant = $4";
    let Place { mount, package, version, variant } = release;
    let row = link.first(sql, values![mount, package, version, variant]).await?;
    row.map(|row| row.find(0)).transpose().map(Option::flatten)
}

/// Finds a package with all that belongs to it. To be asked of a snapshot.
pub async fn find(link: Link<'_>, mount: &str, name: &str) -> Result<Option<Package>, Error> {
    let sql = "SELECT id, revision, is_restricted, created_at, modified_at, second_factor, stamp \
               FROM packages \
               WHERE mount = $1 AND name = $2";
    let Some(row) = link.first(sql, values![mount, name]).await? else { return Ok(None) };
    let id = row.get(0)?;
    Ok(Some(Package {
        mount: mount.to_owned(),
        name: name.to_owned(),
        edition: Edition { revision: row.get(1)?, stamp: row.get(6)? },
        is_restricted: row.get(2)?,
        second_factor: read_second_factor(&row, 5)?,
        created_at: row.get(3)?,
        modified_at: row.get(4)?,
        releases: releases(link, id).await?,
        tags: tags(link, id).await?,
        owners: owners(link, id).await?,
        bindings: bindings(link, id).await?,
        stars: stars(link, id).await?,
    }))
}

async fn releases(link: Link<'_>, package: u64) -> Result<Vec<Release>, Error> {
    let sql = "SELECT files.version, files.variant, files.kind, blobs.digest, blobs.size, blobs.copy FROM files \
               JOIN blobs ON blobs.digest = files.digest WHERE files.package = $1 ORDER BY files.kind";
    let mut files: HashMap<(String, String), Vec<File>> = HashMap::new();
    for row in link.all(sql, values![package]).await? {
        let blob = Blob { digest: row.get(3)?, size: row.get(4)?, copy: row.get(5)? };
        let file = File { kind: row.get(2)?, blob };
        files.entry((row.get(0)?, row.get(1)?)).or_default().push(file);
    }
    let sql = "SELECT version, variant, manifest, publisher, published_at, modified_at, removed_at FROM releases \
               WHERE package = $1 ORDER BY published_at, version, variant";
    let read = |row: &Row| {
        let (version, variant): (String, String) = (row.get(0)?, row.get(1)?);
        let files = files.remove(&(version.clone(), variant.clone())).unwrap_or_default();
        Ok(Release {
            version,
            variant,
            manifest: row.find(2)?.unwrap_or_default(),
            publisher: row.find(3)?,
            published_at: row.get(4)?,
            modified_at: row.get(5)?,
            removed_at: row.find(6)?,
            files,
        })
    };
    link.all(sql, values![package]).await?.iter().map(read).collect()
}

async fn tags(link: Link<'_>, package: u64) -> Result<BTreeMap<String, String>, Error> {
    let rows = link.all("SELECT tag, version FROM tags WHERE package = $1", values![package]).await?;
    rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

async fn owners(link: Link<'_>, package: u64) -> Result<Vec<Owner>, Error> {
    let sql = "SELECT users.id, users.name, users.email, owners.level FROM owners \
               JOIN users ON users.id = owners.account WHERE owners.package = $1 ORDER BY users.folded";
    let read =
        |row: &Row| Ok(Owner { user: row.get(0)?, name: user_name(row, 1)?, email: row.find(2)?, level: row.get(3)? });
    link.all(sql, values![package]).await?.iter().map(read).collect()
}

async fn bindings(link: Link<'_>, package: u64) -> Result<Vec<Binding>, Error> {
    let sql = "SELECT teams.id, namespaces.name, teams.name, bindings.permission FROM bindings \
               JOIN teams ON teams.id = bindings.team JOIN namespaces ON namespaces.id = teams.namespace \
               WHERE bindings.package = $1 ORDER BY namespaces.name, teams.name";
    let read = |row: &Row| {
        let namespace: String = row.get(1)?;
        let namespace = NamespaceName::parse(&namespace).map_err(|_| Error::Row("a namespace's name"))?;
        Ok(Binding { team: row.get(0)?, namespace, name: team_name(row, 2)?, permission: read_permission(row, 3)? })
    };
    link.all(sql, values![package]).await?.iter().map(read).collect()
}

async fn stars(link: Link<'_>, package: u64) -> Result<Vec<UserName>, Error> {
    let sql = "SELECT users.name FROM stars JOIN users ON users.id = stars.account \
               WHERE stars.package = $1 ORDER BY users.folded";
    link.all(sql, values![package]).await?.iter().map(|row| user_name(row, 0)).collect()
}

fn read_second_factor(row: &Row, column: usize) -> Result<SecondFactor, Error> {
    let factor: String = row.get(column)?;
    SecondFactor::parse(&factor).ok_or(Error::Row("a second factor"))
}

pub(super) fn user_name(row: &Row, column: usize) -> Result<UserName, Error> {
    let name: String = row.get(column)?;
    UserName::parse(&name).map_err(|_| Error::Row("a user's name"))
}

pub async fn list(link: Link<'_>, mount: &str, after: &str, limit: u64) -> Result<Vec<(String, u64)>, Error> {
    let sql = format!(
        "SELECT name, revision FROM packages WHERE mount = $1 AND name > $2 AND {LIVING} ORDER BY name LIMIT $3"
    );
    let rows = link.all(&sql, values![mount, after, limit]).await?;
    rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

pub async fn list_owned(link: Link<'_>, mount: &str, user: UserId) -> Result<Vec<String>, Error> {
    let sql = format!(
        "SELECT packages.name FROM owners JOIN packages ON packages.id = owners.package \
         WHERE owners.account = $1 AND packages.mount = $2 AND {LIVING} ORDER BY packages.name"
    );
    link.all(&sql, values![user, mount]).await?.iter().map(|row| row.get(0)).collect()
}

pub async fn list_starred(link: Link<'_>, mount: &str, user: UserId) -> Result<Vec<String>, Error> {
    let sql = "SELECT packages.name FROM stars JOIN packages ON packages.id = stars.package \
               WHERE stars.account = $1 AND packages.mount = $2 ORDER BY packages.name";
    link.all(sql, values![user, mount]).await?.iter().map(|row| row.get(0)).collect()
}

pub async fn events(link: Link<'_>, mount: &str, after: u64, limit: u64) -> Result<Vec<Event>, Error> {
    let sql = "SELECT number, at, mount, package, kind, version, tag, account, reason FROM changes \
               WHERE mount = $1 AND number > $2 ORDER BY number LIMIT $3";
    link.all(sql, values![mount, after, limit]).await?.iter().map(read_event).collect()
}

pub(super) fn read_event(row: &Row) -> Result<Event, Error> {
    let kind: String = row.get(4)?;
    // A newer program on the same database may know of more.
    let kind = EventKind::parse(&kind, row.find(7)?).unwrap_or(EventKind::PackageChanged);
    let (mount, package, version, tag) = (row.get(2)?, row.get(3)?, row.find(5)?, row.find(6)?);
    Ok(Event { number: row.get(0)?, at: row.get(1)?, mount, package, kind, version, tag, reason: row.find(8)? })
}
