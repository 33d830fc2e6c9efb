//! The rows of upstreams, and of the scopes they serve.

use url::Url;

use super::Write;
use super::sql::{Link, Row, values};
use crate::overlay::error::Error;
use crate::overlay::upstreams::{Route, Target, Upstream, UpstreamId};

/// In the order in which [`read`] takes them.
const COLUMNS: &str = "id, mount, name, url, kind, user_prefix, change_stream, created_at, modified_at";
const ROUTES: &str = "id, mount, scope, target, upstream";

/// An upstream as its row has it: what it is shown is sealed.
pub type Sealed = (Upstream, Option<Vec<u8>>);

pub async fn insert(write: &Write, new: &Upstream, token: Option<&[u8]>) -> Result<(), Error> {
    let sql = format!("INSERT INTO upstreams ({COLUMNS}, token) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)");
    let mut bound = values![new.id, &*new.mount, &*new.name, new.url.as_str(), &*new.kind, &*new.user_prefix];
    bound.extend(values![new.change_stream.as_deref(), new.created_at, new.modified_at, token]);
    write.link().run(&sql, bound).await.map(drop)
}

pub async fn update(write: &Write, edited: &Upstream, token: Option<&[u8]>) -> Result<(), Error> {
    let sql = "UPDATE upstreams SET name = $2, url = $3, kind = $4, user_prefix = $5, change_stream = $6, \
               modified_at = $7, token = $8 WHERE id = $1";
    let mut bound = values![edited.id, &*edited.name, edited.url.as_str(), &*edited.kind, &*edited.user_prefix];
    bound.extend(values![edited.change_stream.as_deref(), edited.modified_at, token]);
    write.link().run(sql, bound).await.map(drop)
}

/// Takes an upstream away, and with it what is bound to it; returns those scopes.
pub async fn delete(write: &Write, id: UpstreamId) -> Result<Vec<String>, Error> {
    let rows = write.link().all("DELETE FROM routes WHERE upstream = $1 RETURNING scope", values![id]).await?;
    write.link().run("DELETE FROM upstreams WHERE id = $1", values![id]).await?;
    rows.iter().map(|row| row.get(0)).collect()
}

pub async fn find(link: Link<'_>, mount: &str, id: UpstreamId) -> Result<Option<Sealed>, Error> {
    let sql = format!("SELECT {COLUMNS}, token FROM upstreams WHERE mount = $1 AND id = $2");
    link.first(&sql, values![mount, id]).await?.map(|row| read(&row)).transpose()
}

/// Tells whether another upstream of a mount has a name.
pub async fn is_taken(write: &Write, mount: &str, name: &str, by_other_than: UpstreamId) -> Result<bool, Error> {
    let sql = "SELECT 1 FROM upstreams WHERE mount = $1 AND name = $2 AND id <> $3";
    Ok(write.link().first(sql, values![mount, name, by_other_than]).await?.is_some())
}

/// Lists the upstreams of all mounts, in the order in which they were made.
pub async fn list(link: Link<'_>) -> Result<Vec<Sealed>, Error> {
    let sql = format!("SELECT {COLUMNS}, token FROM upstreams ORDER BY id");
    link.all(&sql, values![]).await?.iter().map(read).collect()
}

fn read(row: &Row) -> Result<Sealed, Error> {
    let url: String = row.get(3)?;
    let upstream = Upstream {
        id: row.get(0)?,
        mount: row.get(1)?,
        name: row.get(2)?,
        url: Url::parse(&url).map_err(|_| Error::Row("where an upstream is"))?,
        kind: row.get(4)?,
        user_prefix: row.get(5)?,
        change_stream: row.find(6)?,
        token: None,
        created_at: row.get(7)?,
        modified_at: row.get(8)?,
    };
    Ok((upstream, row.find(9)?))
}

// === Routes ===

/// Binds a scope, anew where it is bound already: then it keeps its identifier.
pub async fn bind(write: &Write, mount: &str, scope: &str, target: Target) -> Result<Route, Error> {
    let sql = format!(
        "INSERT INTO routes ({ROUTES}) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (mount, scope) DO UPDATE SET target = $4, upstream = $5 RETURNING {ROUTES}"
    );
    let (word, upstream) = match target {
        Target::Upstream(id) => ("upstream", Some(id)),
        Target::Own => ("own", None),
        Target::Default => ("default", None),
    };
    let row = write.link().first(&sql, values![write.number, mount, scope, word, upstream]).await?;
    read_route(&row.ok_or(Error::Row("a route is missing"))?)
}

/// Unbinds a scope, and returns it; `None`: there was none.
pub async fn unbind(write: &Write, mount: &str, id: u64) -> Result<Option<String>, Error> {
    let sql = "DELETE FROM routes WHERE mount = $1 AND id = $2 RETURNING scope";
    write.link().first(sql, values![mount, id]).await?.map(|row| row.get(0)).transpose()
}

/// Lists the routes of all mounts, in the order of their scopes.
pub async fn routes(link: Link<'_>) -> Result<Vec<Route>, Error> {
    let sql = format!("SELECT {ROUTES} FROM routes ORDER BY mount, scope");
    link.all(&sql, values![]).await?.iter().map(read_route).collect()
}

fn read_route(row: &Row) -> Result<Route, Error> {
    let target = match (row.get::<String>(3)?.as_str(), row.find(4)?) {
        ("upstream", Some(id)) => Target::Upstream(id),
        ("own", None) => Target::Own,
        ("default", None) => Target::Default,
        _ => return Err(Error::Row("where a scope comes from")),
    };
    Ok(Route { id: row.get(0)?, mount: row.get(1)?, scope: row.get(2)?, target })
}
