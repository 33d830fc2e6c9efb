//! `mix.lock` and `rebar.lock`: terms of Elixir and Erlang, in which releases of Hex are marked as such.

use super::{Releases, add};

/// The repository that everybody means: what comes from another is not asked of this one's mirror.
const PUBLIC: &str = "hexpm";

/// Reads `"name": {:hex, :name, "1.0.0", "<checksum>", [:mix], [<dependencies>], "<repository>", "<checksum>"}`, each on a
/// line of its own. What older versions have not written is missing at the end.
pub fn read_mix(text: &str) -> Releases {
    let mut releases = Releases::new();
    for line in text.lines() {
        let Some((_, package)) = line.split_once("{:hex, :") else { continue };
        let Some((name, rest)) = package.split_once(',') else { continue };
        let Some(version) = quoted(rest) else { continue };
        let repository = rest.rsplit_once(']').and_then(|(_, end)| quoted(end));
        if repository.is_none_or(|repository| repository == PUBLIC) {
            add(&mut releases, name.trim_matches('"'), version);
        }
    }
    releases
}

/// Reads `{<<"name">>,{pkg,<<"name">>,<<"1.0.0">>},0}`, wherever the lines end.
pub fn read_rebar(text: &str) -> Releases {
    let mut releases = Releases::new();
    let text: String = text.chars().filter(|character| !character.is_ascii_whitespace()).collect();
    for package in text.split("{pkg,").skip(1) {
        let mut strings = package.split("<<\"").skip(1).filter_map(|text| text.split('"').next());
        if let (Some(name), Some(version)) = (strings.next(), strings.next()) {
            add(&mut releases, name, version);
        }
    }
    releases
}

/// Returns what stands between the first two quotes.
fn quoted(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once('"')?;
    Some(rest.split_once('"')?.0)
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub const MIX: &str = r#"%{
  "decimal": {:hex, :decimal, "2.1.1", "0123", [:mix], [], "hexpm", "4567"},
  "jason": {:hex, :jason, "1.4.1", "0123", [:mix], [{:decimal, "~> 1.0 or ~> 2.0", [hex: :decimal, repo: "hexpm", optional: true]}], "hexpm", "4567"},
  "old": {:hex, :old, "0.1.0", "0123", [:rebar3], []},
  "other": {:hex, :"Real-Name", "1.0.0-rc.1", "0123", [:make, :mix], [{:hex, "~> 1.0", [hex: :hex]}], "hexpm"},
  "private": {:hex, :private, "1.0.0", "0123", [:mix], [], "hexpm:acme", "4567"},
  "sources": {:git, "https://host.example/x.git", "0123", [tag: "v1.0.0"]},
}
"#;

    pub const REBAR: &str = "{\"1.2.0\",\n[{<<\"cowboy\">>,{pkg,<<\"cowboy\">>,<<\"2.9.0\">>},0},\n {<<\"alias\">>,\n\
        \x20 {pkg,<<\"cowlib\">>,<<\"2.11.0\">>},\n  1},\n {<<\"sources\">>,\n  {git,\"https://host.example/x.git\",\n\
        \x20      {ref,\"0123\"}},\n  0}]}.\n[\n{pkg_hash,[\n {<<\"cowboy\">>, <<\"01\">>}]},\n{pkg_hash_ext,[\n\
        \x20{<<\"cowboy\">>, <<\"02\">>}]}\n].\n";

    fn printed(releases: &Releases) -> Vec<String> {
        releases.iter().flat_map(|(name, all)| all.iter().map(move |version| format!("{name}@{version}"))).collect()
    }

    #[test]
    fn both_name_their_releases_of_hex() {
        let expected = ["Real-Name@1.0.0-rc.1", "decimal@2.1.1", "jason@1.4.1", "old@0.1.0"];
        assert_eq!(printed(&read_mix(MIX)), expected);
        assert_eq!(printed(&read_rebar(REBAR)), ["cowboy@2.9.0", "cowlib@2.11.0"]);
        assert_eq!(printed(&read_rebar("[].\n")), Vec::<String>::new());
    }
}
