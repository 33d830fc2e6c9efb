//! Mirrors of binaries.

use super::*;
use crate::config::{Binary, Form};

const MOUNTS: &str = "[[mount]]\n[[mount]]\ndialect = \"files\"\nname = \"code\"\n[[mount.upstream]]\n\
                      url = \"https://code.example/\"\n[[mount]]\ndialect = \"files\"\nname = \"api\"\n\
                      [[mount.upstream]]\nurl = \"https://api.code.example/\"\n";

fn with(text: &str) -> String {
    format!("{MOUNTS}{text}")
}

#[test]
fn mirrors_of_binaries_are_read_in_all_their_forms() {
    let text = "[[binary]]\nname = \"node\"\ntype = \"index\"\nfiles = \"code\"\npath = \"/dist/\"\n\
                dist_url = \"https://code.example/dist\"\n\
                [[binary]]\nname = \"@acme/tool\"\ncategory = \"tool\"\ntype = \"releases\"\nfiles = \"code\"\n\
                lists = \"api\"\npath = \"repos/acme/tool/releases\"\n\
                [[binary]]\nname = \"builds\"\ntype = \"bucket\"\nfiles = \"code\"\n\
                [[binary]]\nname = \"sqlite\"\ntype = \"hosted\"\nfiles = \"code\"\npackage = \"sqlite\"\n\
                registry = \"npm\"\nabis = [115]\n";
    let expected = [
        Binary {
            path: "dist".to_owned(),
            dist_url: Some(url("https://code.example/dist/")),
            ..Binary::of("node", Form::Index, "code")
        },
        Binary {
            category: "tool".to_owned(),
            lists: "api".to_owned(),
            path: "repos/acme/tool/releases".to_owned(),
            ..Binary::of("@acme/tool", Form::Releases, "code")
        },
        Binary::of("builds", Form::Bucket, "code"),
        Binary {
            package: Some("sqlite".to_owned()),
            registry: Some("npm".to_owned()),
            abis: vec![115],
            ..Binary::of("sqlite", Form::Hosted, "code")
        },
    ];
    let config = read(&with(text)).unwrap();
    assert_eq!(config.binaries, expected);
    assert_eq!(read(&config.to_string()), Ok(config));
}

#[test]
fn every_mistake_of_a_mirror_of_binaries_is_told() {
    let text = "[[binary]]\nname = \"node\"\ntype = \"index\"\nfiles = \"code\"\n\
                [[binary]]\nname = \"node\"\ntype = \"releases\"\nfiles = \"npm\"\nlists = \"none\"\npackage = \"x\"\n\
                [[binary]]\nname = \"../x\"\ntype = \"ftp\"\nabis = [-1]\npath = \"a/../b\"\n\
                [[binary]]\nname = \"y\"\ntype = \"hosted\"\nfiles = \"code\"\nregistry = \"code\"\nurl = \"x\"\n";
    let mistakes = mistakes(&with(text));
    let keys: Vec<_> = mistakes.iter().map(|line| line.split(' ').next().unwrap()).collect();
    let expected = [
        "binary[1].name",
        "binary[1].files",
        "binary[1].lists",
        "binary[1].package",
        "binary[1].path",
        "binary[2].name",
        "binary[2].type",
        "binary[2].files:",
        "binary[2].path",
        "binary[2].abis[0]",
        "binary[3].package:",
        "binary[3].registry",
        "binary[3].url",
    ];
    let keys: std::collections::BTreeSet<_> = keys.iter().map(|key| key.trim_end_matches(':')).collect();
    let expected: std::collections::BTreeSet<_> = expected.iter().map(|key| key.trim_end_matches(':')).collect();
    assert_eq!(keys, expected, "{mistakes:#?}");
}
