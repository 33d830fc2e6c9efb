//! What the feed tells of packages.

use std::time::SystemTime;

use crate::overlay::users::UserId;

/// One line of the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Higher than all before it: whoever has read up to a number misses nothing that was below it.
    pub number: u64,
    pub at: SystemTime,
    pub mount: String,
    pub package: String,
    pub kind: EventKind,
    /// Of a block, which versions it means, in the dialect's own form.
    pub version: Option<String>,
    pub tag: Option<String>,
    /// Why it was blocked, or is not to be used.
    pub reason: Option<String>,
}

/// What the feed is to tell of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    pub kind: EventKind,
    pub version: Option<String>,
    pub tag: Option<String>,
    /// Why a version is not to be used.
    pub reason: Option<String>,
}

/// What has happened. Source: npm's contract, section 10.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventKind {
    VersionAdded,
    /// It has other bytes.
    VersionChanged,
    /// It is said why it is not to be used.
    VersionDeprecated,
    /// That is said no longer.
    VersionUndeprecated,
    VersionRemoved,
    TagAdded,
    TagChanged,
    TagRemoved,
    /// Its last version is gone.
    Unpublished,
    OwnerAdded {
        user: UserId,
    },
    OwnerRemoved {
        user: UserId,
    },
    Starred {
        user: UserId,
    },
    Unstarred {
        user: UserId,
    },
    /// Its document, or who may see it.
    PackageChanged,
    /// Versions of it are not served, or all; or for another reason than before. It need not be one that was published here.
    Blocked,
    Unblocked,
}

// === impl News ===

impl News {
    /// Tells of a package as a whole.
    pub fn of(kind: EventKind) -> Self {
        Self { kind, version: None, tag: None, reason: None }
    }

    /// Tells of one version.
    pub fn of_version(kind: EventKind, version: &str) -> Self {
        Self { version: Some(version.to_owned()), ..Self::of(kind) }
    }
}

// === impl EventKind ===

impl EventKind {
    const PLAIN: [Self; 12] = [
        Self::VersionAdded,
        Self::VersionChanged,
        Self::VersionDeprecated,
        Self::VersionUndeprecated,
        Self::VersionRemoved,
        Self::TagAdded,
        Self::TagChanged,
        Self::TagRemoved,
        Self::Unpublished,
        Self::PackageChanged,
        Self::Blocked,
        Self::Unblocked,
    ];
    /// Those that are about a user.
    const PERSONAL: [fn(UserId) -> Self; 4] = [
        |user| Self::OwnerAdded { user },
        |user| Self::OwnerRemoved { user },
        |user| Self::Starred { user },
        |user| Self::Unstarred { user },
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::VersionAdded => "version added",
            Self::VersionChanged => "version changed",
            Self::VersionDeprecated => "version deprecated",
            Self::VersionUndeprecated => "version undeprecated",
            Self::VersionRemoved => "version removed",
            Self::TagAdded => "tag added",
            Self::TagChanged => "tag changed",
            Self::TagRemoved => "tag removed",
            Self::Unpublished => "unpublished",
            Self::OwnerAdded { .. } => "owner added",
            Self::OwnerRemoved { .. } => "owner removed",
            Self::Starred { .. } => "starred",
            Self::Unstarred { .. } => "unstarred",
            Self::PackageChanged => "package changed",
            Self::Blocked => "blocked",
            Self::Unblocked => "unblocked",
        }
    }

    /// Returns the user that it is about.
    pub fn user(self) -> Option<UserId> {
        match self {
            Self::OwnerAdded { user } | Self::OwnerRemoved { user } => Some(user),
            Self::Starred { user } | Self::Unstarred { user } => Some(user),
            _ => None,
        }
    }

    pub(in crate::overlay) fn parse(text: &str, user: Option<UserId>) -> Option<Self> {
        let personal = user.into_iter().flat_map(|user| Self::PERSONAL.map(|make| make(user)));
        Self::PLAIN.into_iter().chain(personal).find(|kind| kind.as_str() == text)
    }
}
