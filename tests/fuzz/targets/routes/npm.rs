use heliostat::registries::npm::routes::{Action, Audit, parse};
use heliostat_fuzz::{Asked, assert_below, assert_plain, segment};

pub fn check(asked: &Asked<'_>) {
    let Ok(action) = parse(&asked.method, asked.path, asked.query) else { return };
    if let Action::Packument { name, .. }
    | Action::Manifest { name, .. }
    | Action::Tarball { name, .. }
    | Action::DistTags { name }
    | Action::Attestations { name, .. }
    | Action::Write { name, .. }
    | Action::Unpublish { name }
    | Action::RemoveTarball { name, .. }
    | Action::Tag { name, .. }
    | Action::Untag { name, .. } = &action
    {
        assert_plain(name.as_str());
    }
    let Some(path) = print(&action) else { return };
    assert_below(&path);
    let again = asked.at(&path);
    assert_eq!(parse(&again.method, again.path, again.query).ok(), Some(action), "{path}");
}

/// Returns the one path of what is asked for, here or at an upstream; `None` for what is no one path's.
fn print(action: &Action) -> Option<String> {
    Some(match action {
        Action::Write { name, expected: None } => name.escaped().into_owned(),
        Action::Write { name, expected: Some(revision) } => format!("{}/-rev/{revision}", name.escaped()),
        Action::Unpublish { name } => format!("{}/-rev/1", name.escaped()),
        Action::RemoveTarball { name, version } => format!("{name}/-/{}/-rev/1", name.tarball_file(version)),
        Action::Tag { name, tag } | Action::Untag { name, tag } => {
            format!("-/package/{}/dist-tags/{}", name.escaped(), segment(tag))
        }
        Action::User { name } | Action::LogIn { name } => format!("-/user/org.couchdb.user:{}", segment(name)),
        Action::LogOut { token } => format!("-/user/token/{}", segment(token.reveal())),
        Action::WhoAmI => "-/whoami".to_owned(),
        Action::Profile | Action::EditProfile => "-/npm/v1/user".to_owned(),
        Action::Tokens | Action::IssueToken => "-/npm/v1/tokens".to_owned(),
        Action::RevokeToken { key } => format!("-/npm/v1/tokens/token/{}", segment(key)),
        Action::Root => String::new(),
        Action::Ping => "-/ping".to_owned(),
        Action::Packument { name, .. } => name.escaped().into_owned(),
        Action::Manifest { name, spec } => format!("{}/{}", name.escaped(), segment(spec.as_str())),
        Action::Tarball { name, version } => format!("{name}/-/{}", name.tarball_file(version)),
        Action::DistTags { name } => format!("-/package/{}/dist-tags", name.escaped()),
        Action::Keys => "-/npm/v1/keys".to_owned(),
        Action::Attestations { name, version } => format!("-/npm/v1/attestations/{}@{version}", name.escaped()),
        Action::Search => "-/v1/search".to_owned(),
        Action::Audit(Audit::Bulk) => "-/npm/v1/security/advisories/bulk".to_owned(),
        Action::Audit(Audit::Quick) => "-/npm/v1/security/audits/quick".to_owned(),
        Action::Audit(Audit::Full) => "-/npm/v1/security/audits".to_owned(),
        Action::Preflight | Action::Downloads { .. } => return None,
    })
}
