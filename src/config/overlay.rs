//! Where what is written here is kept for good.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::credentials::read_secret_or_variable;
use super::print::Printer;
use super::section::Section;
use super::values::{read_base_url, read_optional};
use crate::base::secret::{SafeUrl, Secret};

/// `[overlay]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlay {
    /// `postgres://…`; `None`: a file of SQLite below the data directory.
    pub database: Option<Secret>,
    /// 32 bytes that secrets in the database are sealed with; `None`: a file below the data directory holds them.
    pub key: Option<Secret>,
    /// Where published bytes are kept; `None`: below the data directory. Not looked at where there is an object store.
    pub blobs: Option<PathBuf>,
    /// How long what was last known stands while the database does not answer.
    pub grace: Duration,
    pub s3: Option<S3>,
}

/// `[overlay.s3]`: an S3-compatible object store for published bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3 {
    /// `None` for Amazon's own.
    pub endpoint: Option<SafeUrl>,
    pub region: String,
    pub bucket: String,
    /// What the names of all objects start with.
    pub prefix: String,
    pub access_key: Secret,
    pub secret_key: Secret,
}

// === impl Overlay ===

impl Default for Overlay {
    fn default() -> Self {
        Self { database: None, key: None, blobs: None, grace: Duration::from_secs(3600), s3: None }
    }
}

impl Overlay {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let database = read_secret_or_variable(section, "database", "database_env");
        if database.as_ref().is_some_and(|url| !is_postgres(url.reveal())) {
            section.complain("database", "must start with \"postgres://\"; without it, SQLite is used");
        }
        let key = read_secret_or_variable(section, "key", "key_env");
        if key.as_ref().is_some_and(|key| key.as_key().is_none()) {
            section.complain("key", "must be 32 bytes, as 64 hex digits or in base64");
        }
        let read = Self {
            database,
            key,
            blobs: section.value("blobs", None),
            grace: section.value("grace", Self::default().grace),
            s3: section.optional_section("s3", S3::read).flatten(),
        };
        if read.blobs.is_some() && read.s3.is_some() {
            section.complain("blobs", "must not stand beside the section s3");
        }
        read
    }

    /// Returns where it is below a data directory, unless it is elsewhere.
    pub fn directory(data: &Path) -> PathBuf {
        data.join("overlay")
    }

    pub(super) fn print(&self, out: &mut Printer) {
        let Self { database, key, blobs, grace, s3 } = self;
        out.section("[overlay]");
        out.key("database", database);
        out.key("key", key);
        out.key("blobs", blobs);
        out.key("grace", grace);
        if let Some(s3) = s3 {
            s3.print(out);
        }
    }
}

// === impl S3 ===

impl S3 {
    fn read(section: &mut Section<'_>) -> Option<Self> {
        let endpoint = section.value_with("endpoint", None, read_optional(read_base_url));
        let region = section.value("region", "us-east-1".to_owned());
        let bucket = section.value("bucket", String::new());
        let prefix = section.value("prefix", String::new());
        let access_key = read_secret_or_variable(section, "access_key", "access_key_env");
        let secret_key = read_secret_or_variable(section, "secret_key", "secret_key_env");
        for (key, is_missing) in
            [("bucket", bucket.is_empty()), ("access_key", access_key.is_none()), ("secret_key", secret_key.is_none())]
        {
            if is_missing && !section.is_mistaken(key) {
                section.complain(key, "is missing");
            }
        }
        Some(Self { endpoint, region, bucket, prefix, access_key: access_key?, secret_key: secret_key? })
    }

    fn print(&self, out: &mut Printer) {
        let Self { endpoint, region, bucket, prefix, access_key, secret_key } = self;
        out.section("[overlay.s3]");
        out.key("endpoint", endpoint);
        out.key("region", region);
        out.key("bucket", bucket);
        out.key("prefix", prefix);
        out.key("access_key", access_key);
        out.key("secret_key", secret_key);
    }
}

fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}
