//! `heliostat purge`: forgets what is kept of a package, or one thing.

use clap::Args;

use super::{Place, check_mount, with_store};

/// Forget what is kept of a package, or under one key, so that it is fetched again
///
/// Keys stand in the log and in the list of incidents: npm@1f2e3d4c/tarball/left-pad/1.3.0. What is
/// made of a document goes with it. The first digest of each release stays remembered. May be used
/// while the server runs.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
    /// Name of the mount, such as npm
    mount: String,
    /// Name of the package, such as left-pad or @acme/tool
    #[arg(required_unless_present = "key", conflicts_with = "key")]
    package: Option<String>,
    /// One thing only, by its key
    #[arg(long)]
    key: Option<String>,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments { place, mount, package, key } = arguments;
    let config = place.load()?;
    check_mount(&config, mount)?;
    match (key, package) {
        (Some(key), _) => {
            check_key(mount, key)?;
            let purged = with_store(&config, async |store| Ok(store.purge_key(key).await?))?;
            println!("{purged} entries under {key} removed from {mount}");
        }
        (None, package) => {
            let package = package.as_deref().unwrap_or_default();
            let purged = with_store(&config, async |store| Ok(store.purge_package(mount, package).await?))?;
            println!("{purged} entries of {package} removed from {mount}");
        }
    }
    Ok(())
}

/// Refuses a key of another mount: a slip must not empty what nobody meant.
fn check_key(mount: &str, key: &str) -> anyhow::Result<()> {
    let rest = key.strip_prefix(mount).and_then(|rest| rest.chars().next());
    if matches!(rest, Some('@' | '/')) {
        return Ok(());
    }
    anyhow::bail!("{key:?} is no key of {mount}: those start with {mount}@")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_belongs_to_the_mount_that_it_starts_with() {
        for (key, belongs) in [
            ("npm@1f2e3d4c/keys", true),
            ("npm/x", true),
            ("npm", false),
            ("npm-2@1f2e3d4c/keys", false),
            ("other@1f2e3d4c/keys", false),
            ("", false),
        ] {
            assert_eq!(check_key("npm", key).is_ok(), belongs, "{key}");
        }
    }
}
