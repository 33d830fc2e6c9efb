//! The messages of the registry, proto2. A required field that is missing reads as empty, which no proof takes.
//!
//! Source: contract hex §2; hex_core's `proto/`, whose field numbers these are.

use bytes::Bytes;
use prost::{Enumeration, Message};

/// The envelope of every resource.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Signed {
    #[prost(bytes = "bytes", required, tag = "1")]
    pub payload: Bytes,
    #[prost(bytes = "bytes", optional, tag = "2")]
    pub signature: Option<Bytes>,
}

/// Every package of a repository.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Names {
    #[prost(message, repeated, tag = "1")]
    pub packages: Vec<NamesPackage>,
    #[prost(string, required, tag = "2")]
    pub repository: String,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub struct NamesPackage {
    #[prost(string, required, tag = "1")]
    pub name: String,
    /// No longer written; where it is, it tells this list from that of versions.
    #[prost(string, repeated, tag = "2")]
    pub repository: Vec<String>,
    #[prost(message, optional, tag = "3")]
    pub updated_at: Option<Timestamp>,
}

/// A time since 1970.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Timestamp {
    #[prost(int64, required, tag = "1")]
    pub seconds: i64,
    #[prost(int32, required, tag = "2")]
    pub nanos: i32,
}

/// Every version of every package of a repository.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Versions {
    #[prost(message, repeated, tag = "1")]
    pub packages: Vec<VersionsPackage>,
    #[prost(string, required, tag = "2")]
    pub repository: String,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub struct VersionsPackage {
    #[prost(string, required, tag = "1")]
    pub name: String,
    #[prost(string, repeated, tag = "2")]
    pub versions: Vec<String>,
    /// Places in `versions`, from 0.
    #[prost(int32, repeated, tag = "3")]
    pub retired: Vec<i32>,
    /// Places in `versions`, from 0.
    #[prost(int32, repeated, tag = "5")]
    pub with_advisories: Vec<i32>,
}

/// One package and its releases.
#[derive(Clone, PartialEq, Message)]
pub struct Package {
    #[prost(message, repeated, tag = "1")]
    pub releases: Vec<Release>,
    #[prost(string, required, tag = "2")]
    pub name: String,
    #[prost(string, required, tag = "3")]
    pub repository: String,
    #[prost(message, repeated, tag = "4")]
    pub advisories: Vec<SecurityAdvisory>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub struct Release {
    #[prost(string, required, tag = "1")]
    pub version: String,
    /// SHA-256 over what lies in the tarball.
    #[prost(bytes = "bytes", required, tag = "2")]
    pub inner_checksum: Bytes,
    #[prost(message, repeated, tag = "3")]
    pub dependencies: Vec<Dependency>,
    #[prost(message, optional, tag = "4")]
    pub retired: Option<RetirementStatus>,
    /// SHA-256 of the tarball. Optional in the schema; no client does without.
    #[prost(bytes = "bytes", optional, tag = "5")]
    pub outer_checksum: Option<Bytes>,
    /// Places in the package's advisories, from 0.
    #[prost(uint32, repeated, packed = "false", tag = "6")]
    pub advisory_indexes: Vec<u32>,
    #[prost(message, optional, tag = "7")]
    pub published_at: Option<Timestamp>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub struct Dependency {
    #[prost(string, required, tag = "1")]
    pub package: String,
    #[prost(string, required, tag = "2")]
    pub requirement: String,
    #[prost(bool, optional, tag = "3")]
    pub optional: Option<bool>,
    /// Where it differs from the package's name.
    #[prost(string, optional, tag = "4")]
    pub app: Option<String>,
    /// Where it differs from the package's repository.
    #[prost(string, optional, tag = "5")]
    pub repository: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub struct RetirementStatus {
    #[prost(enumeration = "RetirementReason", required, tag = "1")]
    pub reason: i32,
    #[prost(string, optional, tag = "2")]
    pub message: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum RetirementReason {
    Other = 0,
    Invalid = 1,
    Security = 2,
    Deprecated = 3,
    Renamed = 4,
}

#[derive(Clone, PartialEq, Message)]
pub struct SecurityAdvisory {
    #[prost(string, required, tag = "1")]
    pub id: String,
    #[prost(string, required, tag = "2")]
    pub summary: String,
    #[prost(string, required, tag = "3")]
    pub html_url: String,
    #[prost(enumeration = "Severity", optional, tag = "4")]
    pub severity: Option<i32>,
    #[prost(float, optional, tag = "5")]
    pub cvss_score: Option<f32>,
    #[prost(string, required, tag = "6")]
    pub api_url: String,
    #[prost(string, repeated, tag = "7")]
    pub aliases: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum Severity {
    None = 0,
    Low = 1,
    Medium = 2,
    High = 3,
    Critical = 4,
}

/// What a client's resolver is to stay away from. Source: contract hex §5.1.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Policy {
    #[prost(string, required, tag = "1")]
    pub repository: String,
    #[prost(string, required, tag = "2")]
    pub name: String,
    #[prost(string, optional, tag = "3")]
    pub description: Option<String>,
    /// One that is not known counts as private.
    #[prost(enumeration = "Visibility", required, tag = "4")]
    pub visibility: i32,
    #[prost(message, repeated, tag = "5")]
    pub repositories: Vec<RepositoryPolicy>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum Visibility {
    Private = 0,
    Public = 1,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub struct RepositoryPolicy {
    #[prost(string, required, tag = "1")]
    pub repository: String,
    #[prost(message, optional, tag = "2")]
    pub restriction: Option<Restriction>,
    #[prost(message, repeated, tag = "3")]
    pub overrides: Vec<Override>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub struct Restriction {
    #[prost(enumeration = "Severity", optional, tag = "1")]
    pub advisory_min_severity: Option<i32>,
    #[prost(enumeration = "RetirementReason", repeated, tag = "2")]
    pub retirement_reasons: Vec<i32>,
    /// `7d`, `2w`, `1mo`.
    #[prost(string, optional, tag = "3")]
    pub cooldown: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub struct Override {
    #[prost(enumeration = "OverrideAction", required, tag = "1")]
    pub action: i32,
    #[prost(message, required, tag = "2")]
    pub r#ref: PackageRef,
    #[prost(string, optional, tag = "3")]
    pub advisory_id: Option<String>,
    #[prost(enumeration = "RetirementReason", optional, tag = "4")]
    pub retirement_reason: Option<i32>,
    #[prost(string, optional, tag = "5")]
    pub comment: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum OverrideAction {
    Allow = 0,
    Deny = 1,
    Advisory = 2,
    Retirement = 3,
    Cooldown = 4,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub struct PackageRef {
    #[prost(string, required, tag = "1")]
    pub package: String,
    #[prost(string, optional, tag = "2")]
    pub requirement: Option<String>,
}
