use heliostat::registries::niso::name::{PackageName, Slash};
use heliostat::registries::niso::routes::{Action, parse};
use heliostat_fuzz::{Asked, assert_below, assert_plain, segment};

pub fn check(asked: &Asked<'_>) {
    let Ok(action) = parse(&asked.method, asked.path, asked.query) else { return };
    if let Action::Archive { spec, arch, .. } | Action::Chunks { spec, arch, .. } = &action {
        assert_plain(spec.as_str());
        assert_plain(arch.as_str());
    }
    for slash in [Slash::Raw, Slash::Escaped] {
        let path = print(&action, slash);
        assert_below(&path);
        let again = asked.at(&path);
        assert_eq!(parse(&again.method, again.path, again.query).ok().as_ref(), Some(&action), "{path}");
    }
}

fn print(action: &Action, slash: Slash) -> String {
    let package = |name: &PackageName, rest: &str| {
        assert_plain(name.as_str());
        format!("v1/packages/{}/{rest}", name.in_path(slash))
    };
    match action {
        Action::List(_) => "v1/packages".to_owned(),
        Action::Versions { name } => package(name, "versions"),
        Action::Manifest { name, spec, .. } => package(name, &format!("{}/manifest", segment(spec.as_str()))),
        Action::Archive { name, spec, arch } => package(name, &format!("{}/{arch}", segment(spec.as_str()))),
        Action::Tags { name } => package(name, "tags"),
        Action::Chunks { name, spec, arch } => package(name, &format!("{}/{arch}/chunks", segment(spec.as_str()))),
        Action::Chunk { hash } => format!("v1/chunks/{hash}"),
        Action::Health => "health".to_owned(),
    }
}
