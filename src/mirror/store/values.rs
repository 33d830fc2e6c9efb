//! How our values are held by SQLite.

use std::time::SystemTime;

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

use crate::base::clock::{from_millis, millis};
use crate::base::digest::Digest;

/// A digest: 32 bytes.
pub(super) struct Blob(pub(super) Digest);

/// A time: milliseconds since 1970.
pub(super) struct Millis(pub(super) SystemTime);

/// A number of bytes or things. SQLite's numbers have a sign and no more than 63 bits beside it: enough for either.
pub(super) struct Count(pub(super) u64);

impl ToSql for Blob {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Blob(self.0.as_bytes())))
    }
}

impl FromSql for Blob {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let bytes = value.as_blob()?;
        let wrong = |_| FromSqlError::InvalidBlobSize { expected_size: 32, blob_size: bytes.len() };
        Ok(Self(Digest::from_bytes(bytes.try_into().map_err(wrong)?)))
    }
}

impl ToSql for Millis {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok((millis(self.0) as i64).into())
    }
}

impl FromSql for Millis {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Ok(Self(from_millis(Count::column_result(value)?.0)))
    }
}

impl ToSql for Count {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(i64::try_from(self.0).unwrap_or(i64::MAX).into())
    }
}

impl FromSql for Count {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let number = value.as_i64()?;
        u64::try_from(number).map(Self).map_err(|_| FromSqlError::OutOfRange(number))
    }
}
