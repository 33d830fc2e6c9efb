//! One statement at a time, the same text for both databases: both know `$1`, `ON CONFLICT` and `RETURNING`.

use std::sync::Arc;
use std::time::SystemTime;

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, QueryResult, RuntimeErr, SqlErr,
    Statement, TryGetable, Value,
};

use crate::base::clock::{from_millis, millis};
use crate::base::digest::Digest;
use crate::overlay::error::Error;

/// Codes that say "not now": SQLite's busy and locked, with their extended forms; PostgreSQL's serialisation failures,
/// deadlocks, lock timeouts, connection faults (class 08) and shutdowns (class 57P).
/// Source: SQLite's result codes; PostgreSQL's manual, appendix A.
const NOT_NOW: [&str; 9] = ["5", "6", "261", "517", "773", "262", "40001", "40P01", "55P03"];
const NOT_NOW_CLASSES: [&str; 2] = ["08", "57P"];
/// Codes that say "no room".
const NO_ROOM: [&str; 2] = ["13", "53100"];

/// What is asked: the pool, or an open transaction.
#[derive(Clone, Copy)]
pub struct Link<'a>(Way<'a>);

#[derive(Clone, Copy)]
enum Way<'a> {
    Pool(&'a DatabaseConnection),
    Transaction(&'a DatabaseTransaction),
}

/// One row of an answer.
pub struct Row(QueryResult);

/// One value for a statement.
pub struct Bound(Value);

/// Of a row of packages: not everybody sees it.
pub(super) const CLOSED: &str =
    "(is_restricted OR EXISTS (SELECT 1 FROM bindings WHERE bindings.package = packages.id))";

/// Of a row of packages: it has a version that was not removed.
pub(super) const LIVING: &str =
    "EXISTS (SELECT 1 FROM releases WHERE releases.package = packages.id AND releases.removed_at IS NULL)";

/// What can be given to a statement.
pub trait Bind {
    fn bind(self) -> Bound;
}

/// What can be read from a row: how it is held, and what it means.
pub trait Column: Sized {
    type Held: TryGetable;

    fn read(held: Self::Held) -> Option<Self>;
}

/// Lists the values of a statement in the order of their numbers.
macro_rules! values {
    ($($value:expr),* $(,)?) => {
        vec![$($crate::overlay::db::sql::Bind::bind($value)),*]
    };
}
pub(super) use values;

/// Names the places of so many values of a statement, the first of which is `from`.
pub(super) fn places(from: usize, count: usize) -> String {
    (from..from + count).map(|place| format!("${place}")).collect::<Vec<_>>().join(", ")
}

/// Names the places of so many rows of values: `($1, $2), ($3, $4)`.
pub(super) fn rows(count: usize, columns: usize) -> String {
    (0..count).map(|row| format!("({})", places(row * columns + 1, columns))).collect::<Vec<_>>().join(", ")
}

// === impl Link ===

impl<'a> Link<'a> {
    pub(super) fn pool(pool: &'a DatabaseConnection) -> Self {
        Self(Way::Pool(pool))
    }

    pub(super) fn transaction(transaction: &'a DatabaseTransaction) -> Self {
        Self(Way::Transaction(transaction))
    }

    /// Returns all rows of an answer.
    pub(super) async fn all(self, sql: &str, values: Vec<Bound>) -> Result<Vec<Row>, Error> {
        let rows = match self.0 {
            Way::Pool(pool) => pool.query_all_raw(statement(pool, sql, values)?).await,
            Way::Transaction(transaction) => transaction.query_all_raw(statement(transaction, sql, values)?).await,
        };
        Ok(rows?.into_iter().map(Row).collect())
    }

    /// Returns the first row of an answer.
    pub(super) async fn first(self, sql: &str, values: Vec<Bound>) -> Result<Option<Row>, Error> {
        Ok(self.all(sql, values).await?.into_iter().next())
    }

    /// Ends a question that locks the rows of `open` that it finds, but for those that others have locked. SQLite has one
    /// writer: there is nobody else who could.
    pub(super) fn skip_locked(self) -> &'static str {
        if self.is_postgresql() { "FOR UPDATE OF open SKIP LOCKED" } else { "" }
    }

    /// Ends a question that locks the rows of `open` that it finds, in its order, and waits for those that others have
    /// locked.
    pub(super) fn for_update(self) -> &'static str {
        if self.is_postgresql() { "FOR UPDATE OF open" } else { "" }
    }

    fn is_postgresql(self) -> bool {
        let backend = match self.0 {
            Way::Pool(pool) => pool.get_database_backend(),
            Way::Transaction(transaction) => transaction.get_database_backend(),
        };
        backend == DbBackend::Postgres
    }

    /// Runs a statement, and returns how many rows it has changed.
    pub(super) async fn run(self, sql: &str, values: Vec<Bound>) -> Result<u64, Error> {
        let done = match self.0 {
            Way::Pool(pool) => pool.execute_raw(statement(pool, sql, values)?).await,
            Way::Transaction(transaction) => transaction.execute_raw(statement(transaction, sql, values)?).await,
        };
        Ok(done?.rows_affected())
    }
}

/// Puts a statement together. No text has the one character that PostgreSQL cannot hold, on either database: whoever sends
/// one is told so, wherever that is.
fn statement(link: &impl ConnectionTrait, sql: &str, values: Vec<Bound>) -> Result<Statement, Error> {
    let has_nul = |Bound(value): &Bound| matches!(value, Value::String(Some(text)) if text.contains('\0'));
    if values.iter().any(has_nul) {
        return Err(Error::Malformed { what: "text", why: "has a NUL character" });
    }
    let values = values.into_iter().map(|Bound(value)| value);
    Ok(Statement::from_sql_and_values(link.get_database_backend(), sql, values))
}

// === impl Row ===

impl Row {
    /// Returns the value of a column, counted from 0, that is never empty.
    pub(super) fn get<T: Column>(&self, column: usize) -> Result<T, Error> {
        T::read(self.0.try_get_by_index(column)?).ok_or(Error::Row("a value has no such form"))
    }

    /// Returns the value of a column that may be empty.
    pub(super) fn find<T: Column>(&self, column: usize) -> Result<Option<T>, Error>
    where
        Option<T::Held>: TryGetable,
    {
        let held: Option<T::Held> = self.0.try_get_by_index(column)?;
        held.map(|held| T::read(held).ok_or(Error::Row("a value has no such form"))).transpose()
    }
}

// === impl Column ===

impl Column for String {
    type Held = Self;

    fn read(held: Self) -> Option<Self> {
        Some(held)
    }
}

impl Column for bool {
    type Held = Self;

    fn read(held: Self) -> Option<Self> {
        Some(held)
    }
}

impl Column for Vec<u8> {
    type Held = Self;

    fn read(held: Self) -> Option<Self> {
        Some(held)
    }
}

impl Column for u64 {
    type Held = i64;

    fn read(held: i64) -> Option<Self> {
        Self::try_from(held).ok()
    }
}

impl Column for SystemTime {
    type Held = i64;

    fn read(held: i64) -> Option<Self> {
        u64::try_from(held).ok().map(from_millis)
    }
}

impl Column for Digest {
    type Held = Vec<u8>;

    fn read(held: Vec<u8>) -> Option<Self> {
        held.try_into().ok().map(Self::from_bytes)
    }
}

// === impl Bind ===

impl Bind for &str {
    fn bind(self) -> Bound {
        Bound(self.into())
    }
}

impl Bind for Option<&str> {
    fn bind(self) -> Bound {
        Bound(self.map(str::to_owned).into())
    }
}

impl Bind for bool {
    fn bind(self) -> Bound {
        Bound(self.into())
    }
}

impl Bind for &[u8] {
    fn bind(self) -> Bound {
        Bound(self.into())
    }
}

impl Bind for Option<&[u8]> {
    fn bind(self) -> Bound {
        Bound(self.map(<[u8]>::to_vec).into())
    }
}

/// Numbers have a sign in both databases, and 63 bits beside it: enough for whatever we count.
impl Bind for u64 {
    fn bind(self) -> Bound {
        Bound(i64::try_from(self).unwrap_or(i64::MAX).into())
    }
}

impl Bind for Option<u64> {
    fn bind(self) -> Bound {
        Bound(self.map(|number| i64::try_from(number).unwrap_or(i64::MAX)).into())
    }
}

impl Bind for SystemTime {
    fn bind(self) -> Bound {
        millis(self).bind()
    }
}

impl Bind for Option<SystemTime> {
    fn bind(self) -> Bound {
        self.map(millis).bind()
    }
}

impl Bind for Option<Digest> {
    fn bind(self) -> Bound {
        self.as_ref().map(|digest| digest.as_bytes().as_slice()).bind()
    }
}

impl Bind for Digest {
    fn bind(self) -> Bound {
        self.as_bytes().as_slice().bind()
    }
}

// === impl Error ===

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        let kind = match &error {
            DbErr::ConnectionAcquire(_) => Self::Unavailable,
            DbErr::Conn(below) | DbErr::Exec(below) | DbErr::Query(below) => kind_of(below),
            _ => Self::Failed,
        };
        kind(Arc::new(error))
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        kind_of_sqlx(&error)(Arc::new(error))
    }
}

/// Tells whether a row could not be written because of another, which is there only once.
pub(in crate::overlay) fn is_clash(error: &Error) -> bool {
    let Error::Failed(cause) = error else { return false };
    let error: &(dyn std::error::Error + 'static) = &**cause;
    let found = error.downcast_ref::<DbErr>().and_then(DbErr::sql_err);
    matches!(found, Some(SqlErr::UniqueConstraintViolation(_)))
}

fn kind_of(error: &RuntimeErr) -> fn(crate::overlay::error::Cause) -> Error {
    match error {
        RuntimeErr::SqlxError(error) => kind_of_sqlx(error),
        RuntimeErr::Internal(_) => Error::Failed,
    }
}

fn kind_of_sqlx(error: &sqlx::Error) -> fn(crate::overlay::error::Cause) -> Error {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolTimedOut => Error::Unavailable,
        sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => Error::Unavailable,
        sqlx::Error::Database(error) => match error.code().as_deref() {
            Some(code) if NO_ROOM.contains(&code) => Error::Full,
            Some(code) if is_not_now(code) => Error::Unavailable,
            _ => Error::Failed,
        },
        _ => Error::Failed,
    }
}

fn is_not_now(code: &str) -> bool {
    NOT_NOW.contains(&code) || NOT_NOW_CLASSES.iter().any(|class| code.len() == 5 && code.starts_with(class))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_numbered_row_by_row() {
        assert_eq!(places(4, 2), "$4, $5");
        assert_eq!(rows(2, 3), "($1, $2, $3), ($4, $5, $6)");
    }
}
