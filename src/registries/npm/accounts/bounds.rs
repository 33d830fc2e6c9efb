//! What a token is bound to: npm's words and cnpm's for it, as rights. Pure. Source: contract npm §8.5.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::overlay::rights::{NAMESPACES, Rights};
use crate::overlay::tokens::Token;
use crate::registries::npm::error::Error;
use crate::registries::npm::name::PackageName;

/// How many of a kind may be named.
const MOST: usize = 50;

/// What npm says. Nothing of it: the token may do what its user may.
#[derive(Default, Deserialize)]
pub struct Bounds {
    #[serde(default)]
    packages: Names,
    /// With or without their `@`.
    #[serde(default)]
    scopes: Names,
    #[serde(default)]
    packages_all: bool,
    packages_and_scopes_permission: Option<String>,
    #[serde(default)]
    orgs: Names,
    orgs_permission: Option<String>,
}

/// Some names: a list, or a text with commas.
#[derive(Default, Deserialize)]
#[serde(untagged)]
pub enum Names {
    #[default]
    None,
    Text(String),
    List(Vec<String>),
}

/// What may be done to what is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Permission {
    None,
    Read,
    Write,
}

// === impl Bounds ===

impl Bounds {
    /// Binds to packages and scopes; without any, to all packages.
    pub fn of(packages: Names, scopes: Names) -> Self {
        let packages_all = packages.is_empty() && scopes.is_empty();
        Self { packages, scopes, packages_all, ..Self::default() }
    }

    /// Returns the rights at a mount; `None` where nothing is bound.
    ///
    /// # Errors
    /// [`Error::Unprocessable`]: a name is none, there are too many, or a permission is not known.
    pub fn rights(&self, mount: &str) -> Result<Option<Rights>, Error> {
        let (packages, scopes, orgs) = (self.packages.read()?, self.scopes.read()?, self.orgs.read()?);
        let of_packages = Permission::read(self.packages_and_scopes_permission.as_deref())?;
        let of_orgs = Permission::read(self.orgs_permission.as_deref())?;
        let is_any_named = !(packages.is_empty() && scopes.is_empty() && orgs.is_empty());
        if !is_any_named && !self.packages_all && of_packages != Permission::None {
            return Ok(None);
        }
        let mut rights = Vec::new();
        if let Some(action) = of_packages.action() {
            let all = self.packages_all.then(|| format!("{action}:{mount}/*"));
            rights.extend(all);
            for package in packages {
                rights.push(format!("{action}:{mount}/{}", check(package)?));
            }
            for scope in scopes {
                rights.push(format!("{action}:{mount}/@{}/*", check_scope(scope)?));
            }
        }
        if let Some(action) = of_orgs.action() {
            for org in orgs {
                rights.push(format!("{action}:{NAMESPACES}/{}", check_scope(org)?));
            }
        }
        Ok(Some(Rights::parse(&rights.join(","))?))
    }

    /// Tells whether what is named may be read only. Without names it is the whole token that reads.
    pub fn is_read_only(&self) -> bool {
        self.packages_and_scopes_permission.as_deref() == Some("read-only")
    }
}

// === impl Names ===

impl Names {
    fn is_empty(&self) -> bool {
        self.split().next().is_none()
    }

    fn read(&self) -> Result<Vec<&str>, Error> {
        let names: Vec<&str> = self.split().collect();
        if names.len() <= MOST {
            return Ok(names);
        }
        Err(Error::Unprocessable("a token may name 50 packages, scopes and organisations each".into()))
    }

    fn split(&self) -> impl Iterator<Item = &str> {
        let texts = match self {
            Self::None => &[][..],
            Self::Text(text) => std::slice::from_ref(text),
            Self::List(texts) => texts,
        };
        texts.iter().flat_map(|text| text.split(',')).map(str::trim).filter(|name| !name.is_empty())
    }
}

// === impl Permission ===

impl Permission {
    /// Reads npm's word. Without one, who names something may write to it, as far as the token is not read-only.
    fn read(word: Option<&str>) -> Result<Self, Error> {
        match word {
            None | Some("read-write") => Ok(Self::Write),
            Some("read-only") => Ok(Self::Read),
            Some("no-access") => Ok(Self::None),
            Some(_) => Err(Error::Unprocessable("a token has read-only, read-write or no access".into())),
        }
    }

    /// Names the right. Who may write to a package may hand it over, too, if its user may.
    fn action(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Read => Some("pull"),
            Self::Write => Some("admin"),
        }
    }
}

/// Reads a package's name, which is to match itself alone.
fn check(name: &str) -> Result<&str, Error> {
    if PackageName::parse(name).is_ok() && !name.contains('*') {
        return Ok(name);
    }
    Err(Error::Unprocessable("a token names packages as they are called, without wildcards".into()))
}

fn check_scope(scope: &str) -> Result<&str, Error> {
    let name = scope.strip_prefix('@').unwrap_or(scope);
    check(&format!("@{name}/x")).map(|_| name)
}

/// Says what a token is bound to, in cnpm's words; `None` for one that may do what its user may.
pub fn print(token: &Token, mount: &str) -> Option<Value> {
    if token.rights.rule() {
        return None;
    }
    let (mut packages, mut scopes, mut orgs) = (Vec::new(), Vec::new(), Vec::new());
    for pattern in token.rights.patterns() {
        match pattern.split_once('/') {
            Some((place, name)) if place == NAMESPACES => orgs.push(name),
            Some((place, name)) if place == mount && name.starts_with('@') && name.ends_with("/*") => {
                scopes.push(name.trim_end_matches("/*"));
            }
            Some((place, name)) if place == mount && name != "*" => packages.push(name),
            _ => {}
        }
    }
    Some(json!({ "allowedPackages": packages, "allowedScopes": scopes, "orgs": orgs }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights(wish: Value) -> Result<Option<String>, Error> {
        let bounds: Bounds = serde_json::from_value(wish).unwrap();
        Ok(bounds.rights("npm")?.map(|rights| rights.to_string()))
    }

    #[test]
    fn a_token_is_bound_to_what_is_named() {
        for (wish, expected) in [
            (json!({}), None),
            (json!({ "packages": [], "scopes": null, "orgs": "" }), None),
            (json!({ "packages_and_scopes_permission": "read-only" }), None),
            (json!({ "packages_and_scopes_permission": "no-access" }), Some("")),
            (json!({ "packages": ["tool", "@acme/x"] }), Some("admin:npm/tool,admin:npm/@acme/x")),
            (
                json!({ "packages": "tool, other", "packages_and_scopes_permission": "read-only" }),
                Some("pull:npm/tool,pull:npm/other"),
            ),
            (json!({ "scopes": ["@acme", "b"] }), Some("admin:npm/@acme/*,admin:npm/@b/*")),
            (json!({ "packages_all": true, "orgs": ["acme"] }), Some("admin:npm/*,admin:@/acme")),
            (json!({ "orgs": "@acme", "orgs_permission": "read-only" }), Some("pull:@/acme")),
            (json!({ "orgs": "acme", "orgs_permission": "no-access" }), Some("")),
            (json!({ "packages": "x", "packages_and_scopes_permission": "no-access" }), Some("")),
        ] {
            assert_eq!(rights(wish.clone()).unwrap().as_deref(), expected, "{wish}");
        }
    }

    #[test]
    fn a_wish_that_is_not_understood_makes_no_wider_token() {
        let many: Vec<String> = (0..51).map(|index| format!("p{index}")).collect();
        for wish in [
            json!({ "packages": "*" }),
            json!({ "packages": ["@acme/*"] }),
            json!({ "packages": "_x" }),
            json!({ "scopes": ["@ac*me"] }),
            json!({ "scopes": "@acme/x" }),
            json!({ "orgs": "@" }),
            json!({ "packages": many }),
            json!({ "packages_and_scopes_permission": "read-write-stage-only" }),
            json!({ "orgs": "acme", "orgs_permission": "all" }),
        ] {
            assert!(matches!(rights(wish.clone()), Err(Error::Unprocessable(_))), "{wish}");
        }
        for wish in [json!({ "packages": 5 }), json!({ "packages_all": "x" }), json!({ "scopes": [null] })] {
            assert!(serde_json::from_value::<Bounds>(wish.clone()).is_err(), "{wish}");
        }
    }
}
