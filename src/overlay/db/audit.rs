//! The audit log's rows. They are written by [`super::Write::commit`] alone.

use super::sql::{Link, Row, values};
use crate::overlay::audit::{Actor, Line};
use crate::overlay::error::Error;

pub async fn list(link: Link<'_>, subject: Option<&str>, before: u64, limit: u64) -> Result<Vec<Line>, Error> {
    let sql = "SELECT number, at, actor, via, address, reason, verb, subject, detail FROM audit \
               WHERE number < $1 AND ($2 IS NULL OR subject = $2) ORDER BY number DESC LIMIT $3";
    link.all(sql, values![before, subject, limit]).await?.iter().map(read).collect()
}

fn read(row: &Row) -> Result<Line, Error> {
    let address = row.find::<String>(4)?.map(|text| text.parse()).transpose();
    let actor = Actor {
        name: row.get(2)?,
        via: row.get(3)?,
        address: address.map_err(|_| Error::Row("an address of the audit log"))?,
        reason: row.find(5)?,
    };
    let (verb, subject, detail) = (row.get(6)?, row.get(7)?, row.get(8)?);
    Ok(Line { number: row.get(0)?, at: row.get(1)?, actor, verb, subject, detail })
}
