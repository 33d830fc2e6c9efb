use heliostat::registries::npm::name::PackageName;
use heliostat::registries::npm::routes::{
    Account, Action, Audit, Binary, Block, Discover, Files, Hook, Orgs, ProxyCache, Registries, Sharing, Stars, Sync,
    TeamAt, Web, Write, parse,
};
use heliostat_fuzz::{Asked, assert_below, assert_plain, segment};

pub fn check(asked: &Asked<'_>) {
    let Ok(action) = parse(&asked.method, asked.path, asked.query) else { return };
    match &action {
        Action::Packument { name, .. }
        | Action::Manifest { name, .. }
        | Action::Tarball { name, .. }
        | Action::DistTags { name }
        | Action::Attestations { name, .. }
        | Action::Stars(Stars::SetOne { name, .. })
        | Action::ProxyCache(
            ProxyCache::Show { name, .. } | ProxyCache::Refresh { name } | ProxyCache::Purge { name },
        ) => assert_plain(name.as_str()),
        Action::Write(write) => assert_plain(write.package().as_str()),
        Action::Sharing(sharing) => assert_plain(sharing.package().as_str()),
        Action::Sync(sync) => assert_plain(sync.package().as_str()),
        Action::Discover(Discover::Dependents { name } | Discover::SetListed { name, .. }) => {
            assert_plain(name.as_str())
        }
        _ => {}
    }
    let Some(path) = print(&action) else { return };
    assert_below(&path);
    let again = asked.at(&path);
    assert_eq!(parse(&again.method, again.path, again.query).ok(), Some(action), "{path}");
}

/// Returns the one path of what is asked for, here or at an upstream; `None` for what is no one path's.
fn print(action: &Action) -> Option<String> {
    Some(match action {
        Action::Write(write) => print_write(write),
        Action::Discover(discover) => print_discover(discover),
        Action::Hook(hook) => print_hook(hook),
        Action::Registries(asked) => print_registries(asked),
        Action::ProxyCache(asked) => print_proxy_cache(asked),
        Action::Binary(asked) => print_binary(asked),
        Action::Files(files) => print_files(files),
        Action::Account(account) => print_account(account),
        Action::Block(block) => print_block(block),
        Action::Sharing(sharing) => print_sharing(sharing),
        Action::Sync(sync) => print_sync(sync),
        Action::Stars(stars) => print_stars(stars),
        Action::Orgs(orgs) => print_orgs(orgs),
        Action::Root => String::new(),
        Action::Ping => "-/ping".to_owned(),
        Action::Packument { name, .. } => name.escaped().into_owned(),
        Action::Manifest { name, spec } => format!("{}/{}", name.escaped(), segment(spec.as_str())),
        Action::Tarball { name, version } => format!("{name}/-/{}", name.tarball_file(version)),
        Action::DistTags { name } => format!("-/package/{}/dist-tags", name.escaped()),
        Action::Keys => "-/npm/v1/keys".to_owned(),
        Action::Attestations { name, version } => format!("-/npm/v1/attestations/{}@{version}", name.escaped()),
        Action::Audit(Audit::Bulk) => "-/npm/v1/security/advisories/bulk".to_owned(),
        Action::Audit(Audit::Quick) => "-/npm/v1/security/audits/quick".to_owned(),
        Action::Audit(Audit::Full) => "-/npm/v1/security/audits".to_owned(),
        Action::Preflight { .. } | Action::Downloads(_) => return None,
    })
}

fn print_write(write: &Write) -> String {
    match write {
        Write::Document { name, expected: None } => name.escaped().into_owned(),
        Write::Document { name, expected: Some(revision) } => format!("{}/-rev/{revision}", name.escaped()),
        Write::Unpublish { name } => format!("{}/-rev/1", name.escaped()),
        Write::RemoveTarball { name, version } => format!("{name}/-/{}/-rev/1", name.tarball_file(version)),
        Write::Tag { name, tag } | Write::Untag { name, tag } => {
            format!("-/package/{}/dist-tags/{}", name.escaped(), segment(tag))
        }
        Write::Tags { name, .. } => format!("-/package/{}/dist-tags", name.escaped()),
    }
}

fn print_sharing(sharing: &Sharing) -> String {
    let of = |rest: &str| format!("-/package/{}/{rest}", sharing.package().escaped());
    match sharing {
        Sharing::Owners { .. } | Sharing::AddOwner { user: None, .. } => of("owners"),
        Sharing::AddOwner { user: Some(user), .. } | Sharing::RemoveOwner { user, .. } => {
            of(&format!("owners/{}", segment(user)))
        }
        Sharing::Collaborators { .. } => of("collaborators"),
        Sharing::Visibility { .. } => of("visibility"),
        Sharing::Access { .. } | Sharing::SetAccess { .. } => of("access"),
    }
}

fn print_sync(sync: &Sync) -> String {
    let name = sync.package().escaped();
    match sync {
        Sync::Ask { .. } => format!("-/package/{name}/syncs"),
        Sync::Status { id, .. } => format!("-/package/{name}/syncs/{}", segment(id)),
        Sync::Log { id, .. } => format!("-/package/{name}/syncs/{}/log", segment(id)),
        Sync::AskOld { .. } => format!("{name}/sync"),
        Sync::OldLog { id, .. } => format!("{name}/sync/log/{}", segment(id)),
    }
}

fn print_stars(stars: &Stars) -> String {
    match stars {
        Stars::Mine | Stars::Set { .. } => "-/user/v1/star".to_owned(),
        Stars::SetOne { name, .. } => format!("-/user/package/{}/star", name.escaped()),
        Stars::Of { user } => format!("-/user/{}/stars", segment(user)),
        Stars::View => "-/_view/starredByUser".to_owned(),
    }
}

fn print_block(block: &Block) -> String {
    let print = |name: &PackageName, versions: Option<&str>| match versions {
        None => format!("-/package/{}/blocks", name.escaped()),
        Some(versions) => format!("-/package/{}/blocks/{}", name.escaped(), segment(versions)),
    };
    match block {
        Block::Show { name } => print(name, None),
        Block::Put { name, versions } | Block::Remove { name, versions } => print(name, versions.as_deref()),
    }
}

fn print_account(account: &Account) -> String {
    match account {
        Account::User { name, .. } | Account::LogIn { name } => format!("-/user/org.couchdb.user:{}", segment(name)),
        Account::EditUser { name, expected } => format!("-/user/org.couchdb.user:{}/-rev/{expected}", segment(name)),
        Account::LogOut { token } => format!("-/user/token/{}", segment(token.reveal())),
        Account::WhoAmI => "-/whoami".to_owned(),
        Account::Profile | Account::EditProfile => "-/npm/v1/user".to_owned(),
        Account::Tokens | Account::IssueToken => "-/npm/v1/tokens".to_owned(),
        Account::Web(Web::Begin) => "-/v1/login".to_owned(),
        Account::Web(Web::Page { id } | Web::End { id }) => {
            format!("-/v1/login/request/session/{}", segment(id.reveal()))
        }
        Account::Web(Web::Done { id }) => format!("-/v1/login/done/session/{}", segment(id.reveal())),
        Account::BoundTokens | Account::IssueBoundToken => "-/npm/v1/tokens/gat".to_owned(),
        Account::RevokeToken { key } => format!("-/npm/v1/tokens/token/{}", segment(key)),
    }
}

fn print_discover(discover: &Discover) -> String {
    match discover {
        Discover::Changes(_) => "-/_changes".to_owned(),
        Discover::ChangesByTime { .. } => "-/all/changes".to_owned(),
        Discover::All { since: None } => "-/all".to_owned(),
        Discover::All { since: Some(_) } => "-/all/since".to_owned(),
        Discover::Names => "-/short".to_owned(),
        Discover::Versions { .. } => "-/allversions".to_owned(),
        Discover::OfUsers { users } => {
            let users: Vec<String> = users.iter().map(|user| segment(user).to_string()).collect();
            format!("-/by-user/{}", users.join("%7C"))
        }
        Discover::OfUser { user } => format!("-/users/{}/packages", segment(user)),
        Discover::Search(_) => "-/v1/search".to_owned(),
        Discover::SetListed { name, .. } => format!("-/v1/search/sync/{}", name.escaped()),
        Discover::Dependents { name } => format!("-/package/{}/dependents", name.escaped()),
    }
}

fn print_orgs(orgs: &Orgs) -> String {
    let team = |TeamAt { org, team }: &TeamAt, rest: &str| format!("-/team/{}/{}{rest}", segment(org), segment(team));
    match orgs {
        Orgs::Create => "-/org".to_owned(),
        Orgs::Show { org } | Orgs::Remove { org } => format!("-/org/{}", segment(org)),
        Orgs::Members { org } | Orgs::SetMember { org } | Orgs::RemoveMember { org, user: None } => {
            format!("-/org/{}/user", segment(org))
        }
        Orgs::RemoveMember { org, user: Some(user) } | Orgs::ChangeMember { org, user } => {
            format!("-/org/{}/user/{}", segment(org), segment(user))
        }
        Orgs::TeamsOf { org, user } => format!("-/org/{}/user/{}/team", segment(org), segment(user)),
        Orgs::Packages { org } => format!("-/org/{}/package", segment(org)),
        Orgs::PackagesOf { user: Some(user) } => format!("-/user/{}/package", segment(user)),
        Orgs::PackagesOf { user: None } => "-/-/package".to_owned(),
        Orgs::Teams { org } | Orgs::CreateTeam { org } => format!("-/org/{}/team", segment(org)),
        Orgs::Team(at) | Orgs::RemoveTeam(at) => team(at, ""),
        Orgs::TeamMembers(at) | Orgs::Join(at) | Orgs::Leave { team: at, user: None } => team(at, "/user"),
        Orgs::Leave { team: at, user: Some(user) } => team(at, &format!("/user/{}", segment(user))),
        Orgs::TeamPackages(at) | Orgs::Grant(at) | Orgs::Revoke(at) => team(at, "/package"),
    }
}

fn print_hook(hook: &Hook) -> String {
    match hook {
        Hook::List { .. } => "-/npm/v1/hooks".to_owned(),
        Hook::Add => "-/npm/v1/hooks/hook".to_owned(),
        Hook::Show { id } | Hook::Edit { id } | Hook::Remove { id } => format!("-/npm/v1/hooks/hook/{id}"),
    }
}

fn print_registries(asked: &Registries) -> String {
    match asked {
        Registries::List { .. } | Registries::Add => "-/registry".to_owned(),
        Registries::Show { id } | Registries::Edit { id } | Registries::Remove { id } => {
            format!("-/registry/{}", segment(id))
        }
        Registries::Scopes { id } => format!("-/registry/{}/scopes", segment(id)),
        Registries::Sync { id } => format!("-/registry/{}/sync", segment(id)),
        Registries::Bind => "-/scope".to_owned(),
        Registries::Unbind { id } => format!("-/scope/{}", segment(id)),
    }
}

fn print_proxy_cache(asked: &ProxyCache) -> String {
    match asked {
        ProxyCache::List { .. } | ProxyCache::PurgeAll => "-/proxy-cache".to_owned(),
        ProxyCache::Show { name, .. } | ProxyCache::Refresh { name } | ProxyCache::Purge { name } => {
            format!("-/proxy-cache/{}", name.escaped())
        }
    }
}

fn print_binary(asked: &Binary) -> String {
    let segments = |path: &str| path.split('/').map(segment).collect::<Vec<_>>().join("/");
    match asked {
        Binary::List => "-/binary/".to_owned(),
        Binary::Directory { name, path, .. } => format!("-/binary/{}/{}", segments(name), segments(path)),
        Binary::File { name, path, file, .. } => {
            format!("-/binary/{}/{}{}", segments(name), segments(path), segment(file))
        }
        Binary::Sync { name } => format!("-/binary/{}/sync", segments(name)),
        Binary::Log { name, id } => format!("-/binary/{}/syncs/{}/log", segments(name), segment(id)),
    }
}

fn print_files(Files { name, spec, wish }: &Files) -> String {
    let rest = wish.rest();
    // How it is shown stands in the query.
    let path = rest.split_once('?').map_or(rest.as_str(), |(path, _)| path);
    format!("{}/{}/files{path}", name.escaped(), segment(spec.as_str()))
}
