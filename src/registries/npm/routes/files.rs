//! The files of a version: `/{name}/{spec}/files…`. Source: contract npm §17.

use super::access::Access;
use super::action::Action;
use super::{Target, escape_path};
use crate::registries::blocks::Subject;
use crate::registries::npm::error::Error;
use crate::registries::npm::name::{PackageName, Spec};
use crate::registries::queries;

/// What is asked of the files of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    pub name: PackageName,
    pub spec: Spec,
    pub wish: Wish,
}

/// Which of them, and in which form. Paths have no slash at their ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// `/files`: the one that package.json names.
    Main,
    /// `/files/`, `/files?meta`, `/files/{path}/`: the list of what lies directly in it. The path of the one at the top is
    /// empty.
    Directory { path: Box<str> },
    /// `/files/{path}`: its bytes, or with `?meta` what is known of it.
    File { path: Box<str>, is_listed: bool },
    /// `PUT /files`: opens the tarball.
    Unpack,
}

/// Finds what lies under `/{name}/{spec}/files`. Its last segment is empty where the path ends with a slash.
pub fn find(name: &str, spec: &str, path: &[&str], query: &str) -> Result<Target, Error> {
    let (name, spec) = (PackageName::parse(name)?, Spec::parse(spec)?);
    let is_listed = queries::find(query, "meta").is_some();
    let of = |wish| Action::Files(Files { name: name.clone(), spec: spec.clone(), wish });
    let wish = match path.split_last() {
        None if is_listed => Wish::Directory { path: Box::default() },
        None => Wish::Main,
        Some((&"", above)) => Wish::Directory { path: above.join("/").into() },
        Some(_) => Wish::File { path: path.join("/").into(), is_listed },
    };
    let put = matches!(path, [] | [""]).then(|| of(Wish::Unpack));
    Ok(Target { put, ..Target::read(of(wish)) })
}

// === impl Files ===

impl Files {
    pub fn subject(&self) -> Subject<'_> {
        match &self.spec {
            Spec::Version(version) => Subject::release(self.name.as_str(), version.as_str()),
            Spec::Tag(_) | Spec::Range(..) => Subject::package(self.name.as_str()),
        }
    }

    /// Says who is let in: whether who opens tarballs may, is asked of admins.
    pub fn access(&self) -> Access<'_> {
        match self.wish {
            Wish::Unpack => Access::Known,
            Wish::Main | Wish::Directory { .. } | Wish::File { .. } => Access::Read(self.name.as_str()),
        }
    }

    pub fn name(&self) -> &'static str {
        match self.wish {
            Wish::Main | Wish::File { is_listed: false, .. } => "file",
            Wish::Directory { .. } | Wish::File { .. } => "files",
            Wish::Unpack => "unpack",
        }
    }
}

// === impl Wish ===

impl Wish {
    /// Prints what stands behind `/files`, as a client would ask for it again.
    pub fn rest(&self) -> String {
        match self {
            Self::Main | Self::Unpack => String::new(),
            Self::Directory { path } if path.is_empty() => "/".to_owned(),
            Self::Directory { path } => format!("/{}/", escape_path(path)),
            Self::File { path, is_listed } => {
                format!("/{}{}", escape_path(path), if *is_listed { "?meta" } else { "" })
            }
        }
    }
}
