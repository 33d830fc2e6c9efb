//! What a client wants to have here: packages by their names, or all that a lockfile has. Pure.

use serde::Deserialize;

use super::Synced;
use crate::overlay::tasks::Wish;
use crate::registries::failure::Error;
use crate::registries::{lockfiles, wishes};

/// Packages that are asked for at once, at most.
const MAX_PACKAGES: usize = 10_000;

/// What is asked for, and of which mount.
#[derive(Debug)]
pub struct Asked<'a> {
    pub mount: &'a Synced,
    /// By the names of packages, as they were written.
    pub wishes: Vec<(String, Wish)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    mount: Option<String>,
    /// Names, each alone or with `@` and a version, a tag or a range.
    packages: Option<Vec<String>>,
    /// The whole text of one.
    lockfile: Option<String>,
    /// Whether what they need comes too.
    #[serde(default)]
    deps: bool,
}

/// Reads what is asked for.
///
/// # Errors
/// [`Error::Unprocessable`], [`Error::NotFound`].
pub fn read<'a>(body: &[u8], mounts: &'a [Synced]) -> Result<Asked<'a>, Error> {
    let body: Body = serde_json::from_slice(body)
        .map_err(|error| Error::Unprocessable(format!("the body cannot be read: {error}").into()))?;
    let skip_dependencies = !body.deps;
    let (dialect, wishes) = match (&body.packages, &body.lockfile) {
        (Some(packages), None) => (None, packages.iter().map(|text| wishes::read(text, skip_dependencies)).collect()),
        (None, Some(text)) => {
            let lockfile = lockfiles::read(text).map_err(|error| Error::Unprocessable(error.to_string().into()))?;
            (Some(lockfile.kind.dialect()), wishes::of_lockfile(lockfile, skip_dependencies))
        }
        _ => return Err(Error::Unprocessable("either packages or a lockfile is to be named".into())),
    };
    if !(1..=MAX_PACKAGES).contains(&wishes.len()) {
        return Err(Error::Unprocessable("1 to 10000 packages can be asked for at once".into()));
    }
    Ok(Asked { mount: choose(mounts, body.mount.as_deref(), dialect)?, wishes })
}

/// Finds the mount that is meant: by its name, or as the only one of its dialect.
fn choose<'a>(mounts: &'a [Synced], name: Option<&str>, dialect: Option<&str>) -> Result<&'a Synced, Error> {
    let speaks = |mount: &&Synced| dialect.is_none_or(|dialect| mount.dialect == dialect);
    match name {
        Some(name) => {
            let mount = mounts.iter().find(|mount| mount.name == name);
            let mount = mount.ok_or_else(|| Error::not_found(format!("the mount {name}")))?;
            if speaks(&mount) {
                Ok(mount)
            } else {
                Err(Error::Unprocessable("this lockfile is of another dialect".into()))
            }
        }
        None => {
            let mut fitting = mounts.iter().filter(speaks);
            match (fitting.next(), fitting.next()) {
                (Some(mount), None) => Ok(mount),
                (None, _) => Err(Error::Unprocessable("there is no mount of this dialect".into())),
                (Some(_), Some(_)) => Err(Error::Unprocessable("there are several mounts: name one".into())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::config::Who;

    fn mounts() -> Vec<Synced> {
        let mount = |(name, dialect): (&str, _)| Synced { name: name.to_owned(), dialect, who: Who::User };
        [("npm", "npm"), ("hex", "hex"), ("other", "hex")].map(mount).into()
    }

    fn asked(body: &Value) -> Result<(String, Vec<(String, Wish)>), u16> {
        let mounts = mounts();
        let asked = read(body.to_string().as_bytes(), &mounts);
        asked.map(|asked| (asked.mount.name.clone(), asked.wishes)).map_err(|error| error.status().as_u16())
    }

    #[test]
    fn packages_are_wanted_whole_or_in_some_versions() {
        let packages = ["a", "a@1.0.0", "@s/n@^2 || latest", "@s/n", "ä@1", "a@"];
        let (mount, wishes) = asked(&json!({ "mount": "npm", "packages": packages })).unwrap();
        let shown = |(name, wish): &(String, Wish)| {
            let some: Vec<&str> = wish.versions.iter().chain(&wish.ranges).map(String::as_str).collect();
            format!("{name} {} {} {}", wish.all, wish.versions.len(), some.join(","))
        };
        let shown: Vec<String> = wishes.iter().map(shown).collect();
        let expected =
            ["a true 0 ", "a false 1 1.0.0", "@s/n false 0 ^2 || latest", "@s/n true 0 ", "ä false 0 1", "a true 0 "];
        assert_eq!((mount.as_str(), shown), ("npm", expected.map(str::to_owned).into()));
        assert!(wishes.iter().all(|(_, wish)| wish.skip_dependencies));
        let (_, wishes) = asked(&json!({ "mount": "npm", "packages": ["a"], "deps": true })).unwrap();
        assert!(!wishes[0].1.skip_dependencies);
    }

    #[test]
    fn a_lockfile_finds_its_mount() {
        let lockfile = |packages: Value| json!({ "lockfileVersion": 3, "packages": packages }).to_string();
        let text = lockfile(json!({ "": {}, "node_modules/a": { "version": "1.0.0" } }));
        let (mount, wishes) = asked(&json!({ "lockfile": text })).unwrap();
        let wish = Wish { versions: ["1.0.0".to_owned()].into(), skip_dependencies: true, ..Wish::default() };
        assert_eq!((mount.as_str(), wishes), ("npm", vec![("a".to_owned(), wish)]));
        let mix = "%{\n  \"jason\": {:hex, :jason, \"1.4.1\", \"01\", [:mix], [], \"hexpm\", \"02\"},\n}\n";
        assert_eq!(asked(&json!({ "lockfile": mix, "mount": "other" })).unwrap().0, "other");
        for (body, status) in [
            (json!({ "lockfile": mix }), 422),
            (json!({ "lockfile": mix, "mount": "npm" }), 422),
            (json!({ "lockfile": lockfile(json!({})) }), 422),
            (json!({ "lockfile": "what?" }), 422),
            (json!({ "lockfile": text, "packages": ["a"] }), 422),
            (json!({ "mount": "npm" }), 422),
            (json!({ "packages": ["a"] }), 422),
            (json!({ "mount": "npm", "packages": [] }), 422),
            (json!({ "mount": "npm", "packages": vec!["a"; 10_001] }), 422),
            (json!({ "mount": "npm", "packages": "a" }), 422),
            (json!({ "mount": "npm", "packages": ["a"], "dependencies": true }), 422),
            (json!({ "mount": "absent", "packages": ["a"] }), 404),
        ] {
            assert_eq!(asked(&body).unwrap_err(), status, "{body}");
        }
    }
}
