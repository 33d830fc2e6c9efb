//! Sync tasks: `/-/package/{name}/syncs…`, and as older clients have them `/{name}/sync…`. Source: contract npm §12.1.

use super::Target;
use super::access::Access;
use super::action::{Action, Reads};
use crate::registries::npm::error::Error;
use crate::registries::npm::name::PackageName;
use crate::registries::paths::no_route;
use crate::registries::queries;

/// What is asked of sync tasks. A task is named with the package that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sync {
    /// `PUT /-/package/{name}/syncs`.
    Ask { name: PackageName },
    /// `/-/package/{name}/syncs/{id}`.
    Status { name: PackageName, id: Box<str> },
    /// `/-/package/{name}/syncs/{id}/log`.
    Log { name: PackageName, id: Box<str> },
    /// `PUT /{name}/sync`. `asks_upstream`: the client wants upstream to be brought up to its own upstream first.
    AskOld { name: PackageName, skip_dependencies: bool, asks_upstream: bool },
    /// `/{name}/sync/log/{id}`.
    OldLog { name: PackageName, id: Box<str> },
}

/// Finds what lies under `/-/package/{name}/syncs`.
pub fn find(name: PackageName, rest: &[&str]) -> Result<Target, Error> {
    match rest {
        [] => Ok(Target { put: Some(Sync::Ask { name }.into()), ..Target::default() }),
        [id] => Ok(Target::read(Sync::Status { name, id: (*id).into() })),
        [id, "log"] => Ok(Target::read(Sync::Log { name, id: (*id).into() })),
        _ => Err(no_route()),
    }
}

/// Returns what `PUT /{name}/sync` asks for. What else older clients may say there, is for who publishes by syncing.
pub fn ask_old(name: PackageName, query: &str) -> Action {
    let says = |name| queries::find(query, name).is_some_and(|value| value == "true");
    Sync::AskOld { name, skip_dependencies: says("nodeps"), asks_upstream: says("sync_upstream") }.into()
}

/// Finds `/{name}/sync/log/{id}`. Whatever a client has read before, the answer is one line.
pub fn find_old_log(name: PackageName, id: &str) -> Target {
    Target::read(Sync::OldLog { name, id: id.into() })
}

// === impl Sync ===

impl Sync {
    pub fn package(&self) -> &PackageName {
        match self {
            Self::Ask { name } | Self::Status { name, .. } | Self::Log { name, .. } => name,
            Self::AskOld { name, .. } | Self::OldLog { name, .. } => name,
        }
    }

    /// Says who is let in: whether who asks may ask for a task, is judged with what the mount wants.
    pub fn access(&self) -> Access<'_> {
        Access::Read(self.package().as_str())
    }

    pub fn reads(&self) -> Reads<'_> {
        if matches!(self, Self::Ask { .. }) { Reads::Body } else { Reads::Nothing }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::Ask { .. } => "sync",
            Self::Status { .. } => "sync_status",
            Self::Log { .. } => "sync_log",
            Self::AskOld { .. } => "old_sync",
            Self::OldLog { .. } => "old_sync_log",
        }
    }
}

impl From<Sync> for Action {
    fn from(sync: Sync) -> Self {
        Self::Sync(sync)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registries::npm::name::Spec;
    use crate::registries::npm::routes::Write;
    use crate::registries::npm::routes::tests::send;

    fn name() -> PackageName {
        PackageName::parse("@s/n").unwrap()
    }

    #[test]
    fn both_forms_of_tasks_are_found_by_method_and_path() {
        let old = |skip_dependencies, asks_upstream| Sync::AskOld { name: name(), skip_dependencies, asks_upstream };
        let id = || "66f0".into();
        for (method, target, expected) in [
            ("PUT", "/-/package/@s%2fn/syncs", Sync::Ask { name: name() }),
            ("GET", "/-/package/@s/n/syncs/66f0", Sync::Status { name: name(), id: id() }),
            ("HEAD", "/-/package/@s%2fn/syncs/66f0/log", Sync::Log { name: name(), id: id() }),
            ("PUT", "/@s/n/sync", old(false, false)),
            ("PUT", "/@s%2fn/sync/?nodeps=true", old(true, false)),
            ("PUT", "/@s%2fn/sync?sync_upstream=true&nodeps=false&publish=true", old(false, true)),
            ("GET", "/@s%2fn/sync/log/66f0?offset=7", Sync::OldLog { name: name(), id: id() }),
            ("GET", "/@s/n/sync/log/66f0/", Sync::OldLog { name: name(), id: id() }),
        ] {
            let action = send(method, target).unwrap();
            assert_eq!(action, Action::Sync(expected), "{method} {target}");
            assert_eq!(action.access(), Access::Read("@s/n"), "{method} {target}");
        }
    }

    #[test]
    fn a_tag_of_that_name_is_read_here_and_set_elsewhere() {
        let read = Action::Manifest { name: name(), spec: Spec::parse("sync").unwrap() };
        assert_eq!(send("GET", "/@s/n/sync").ok(), Some(read));
        let set = Write::Tag { name: name(), tag: "sync".into() };
        assert_eq!(send("PUT", "/-/package/@s%2fn/dist-tags/sync").ok(), Some(set.into()));
    }

    #[test]
    fn what_is_no_task_is_refused() {
        for (method, target, expected) in [
            ("GET", "/-/package/n/syncs", 405),
            ("POST", "/-/package/n/syncs", 405),
            ("PUT", "/-/package/n/syncs/66f0", 405),
            ("GET", "/-/package/n/syncs/66f0/x", 404),
            ("GET", "/n/sync/log", 404),
            ("GET", "/n/sync/log/66f0/x", 404),
            ("PUT", "/n/sync/log/66f0", 405),
            ("PUT", "/.n/sync", 400),
        ] {
            let error = send(method, target).unwrap_err();
            assert_eq!(error.status().as_u16(), expected, "{method} {target}");
        }
    }
}
