//! What is followed, and by whom it may be asked for.

use super::*;

#[test]
fn a_mount_says_what_follows_its_upstreams() {
    let text = "[[mount]]\nsync = \"listed\"\nsync_names = [\"left-pad\", \"@acme/*\"]\nsync_who = \"admin\"\n";
    let in_step = read(text).unwrap().mounts.remove(0).in_step;
    let names = vec!["left-pad".to_owned(), "@acme/*".to_owned()];
    assert_eq!(in_step, InStep { mode: Mode::Listed, names, who: Who::Admin });
}

#[test]
fn names_belong_to_a_list_and_a_list_has_names() {
    let complaint = |line: &str| {
        vec![format!(
            "mount[0].sync_names (test.toml:{line}): must be given where sync is \"listed\", and nowhere else"
        )]
    };
    assert_eq!(mistakes("[[mount]]\nsync = \"listed\"\n"), complaint("1"));
    assert_eq!(mistakes("[[mount]]\nsync = \"all\"\nsync_names = [\"x\"]\n"), complaint("3"));
}

#[test]
fn files_have_no_list_to_follow() {
    let text = "[[mount]]\ndialect = \"files\"\nname = \"node\"\nsync = \"all\"\n[[mount.upstream]]\nurl = \"https://a.example\"\n";
    let told = mistakes(text);
    assert_eq!(told, ["mount[0].sync (test.toml:4): must be \"demand\": a tree of files has no list to follow"]);
}

#[test]
fn changes_are_told_by_registries_of_npms_kind_alone() {
    let upstream = "[[mount.upstream]]\nurl = \"https://a.example\"\nchanges = \"https://b.example/changes\"\n";
    let upstreams =
        read(&format!("[[mount]]\n{upstream}changes_type = \"cnpmjsorg\"\n")).unwrap().mounts.remove(0).upstreams;
    assert_eq!(upstreams[0].changes, Some(url("https://b.example/changes")));
    assert_eq!(upstreams[0].changes_type, ChangesType::Cnpmjsorg);
    let told = mistakes(&format!("[[mount]]\ndialect = \"niso\"\n{upstream}"));
    assert_eq!(told, ["mount[0].upstream (test.toml:3): upstream[0].changes is for mounts of npm"]);
}

#[test]
fn times_and_numbers_of_tasks_are_more_than_nothing() {
    let told = mistakes("[sync]\ntasks = 0\nattempts = 0\nsilence = \"0s\"\n");
    let zero = |key: &str, line: u32| format!("sync.{key} (test.toml:{line}): must be more than zero");
    assert_eq!(told, [zero("attempts", 3), zero("silence", 4)]);
}
