//! What is followed, and by whom it may be asked for.

use super::*;
use crate::base::cron::Cron;

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

#[test]
fn a_schedule_says_when_and_what() {
    let text = "[[schedule]]\nname = \"nightly\"\ncron = \"15 3 * * *\"\nmount = \"hex\"\nwhat = \"packages\"\npackages = [\"jason\"]\n";
    let schedule = Schedule {
        name: "nightly".to_owned(),
        cron: Cron::parse("15 3 * * *").unwrap(),
        mount: "hex".to_owned(),
        what: What::Packages,
        packages: vec!["jason".to_owned()],
    };
    assert_eq!(read(text).unwrap().schedules, [schedule]);
}

#[test]
fn all_that_is_wrong_with_schedules_is_told() {
    let told = mistakes(
        "[[schedule]]\nname = \"a\"\ncron = \"0 0 30 2 *\"\n\
         [[schedule]]\nname = \"b\"\ncron = \"* * * * *\"\nmount = \"none\"\nwhat = \"packages\"\n\
         [[schedule]]\nname = \"b\"\ncron = \"* * * * *\"\nmount = \"npm\"\nwhat = \"listed\"\n",
    );
    let keys: Vec<_> = told.iter().filter_map(|mistake| mistake.split([' ', ':']).next()).collect();
    let expected = ["[0].cron", "[0].mount", "[0].what", "[1].packages", "[1].mount", "[2].name", "[2].what"];
    assert_eq!(keys, expected.map(|key| format!("schedule{key}")), "{told:#?}");
    assert!(told[0].ends_with("not \"0 0 30 2 *\": there is no such time"), "{}", told[0]);
}
