use super::*;

const OURS: &str = "http://127.0.0.1:4870/npm/";
const USER: &str = "/home/joe/.npmrc";
const GLOBAL: &str = "/usr/etc/npmrc";

/// What each source says; `None` says nothing.
#[derive(Default)]
struct Said {
    environment: Vec<(&'static str, &'static str)>,
    user: Option<&'static str>,
    global: Option<&'static str>,
    npm: Option<&'static str>,
    npm_without_files: Option<&'static str>,
}

fn environment(variables: &[(&str, &str)]) -> BTreeMap<String, String> {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

impl Said {
    fn decide(&self) -> Found {
        let environment = environment(&self.environment);
        let file = |path: &str, text: Option<&str>| text.map(|text| (PathBuf::from(path), text.to_owned()));
        let ask_npm = |without| match without {
            Without::UserNpmrc => self.npm.map(str::to_owned),
            Without::BothNpmrcs => self.npm_without_files.map(str::to_owned),
        };
        let sources = Sources {
            environment: &environment,
            user_npmrc: file(USER, self.user),
            global_npmrc: file(GLOBAL, self.global),
            ask_npm: &ask_npm,
        };
        let (mount, listen) = (Mount::default(), Listen::default());
        decide(&sources, &|url| mount.leads_here(&listen, url, &|_| false))
    }

    fn chosen(&self) -> (String, Origin) {
        let found = self.decide();
        (found.url.to_string(), found.origin)
    }
}

fn all() -> Said {
    Said {
        environment: vec![
            ("NPM_CONFIG_REGISTRY", "https://upper.example"),
            ("npm_config_registry", "https://lower.example"),
        ],
        user: Some("registry=https://user.example"),
        global: Some("registry=https://global.example"),
        npm: Some("https://npm.example/"),
        npm_without_files: Some("https://default.example/"),
    }
}

#[test]
fn the_first_that_says_something_is_taken() {
    let variable = |name: &str| Origin::Environment(name.to_owned());
    let mut said = all();
    assert_eq!(said.chosen(), ("https://upper.example/".to_owned(), variable("NPM_CONFIG_REGISTRY")));
    said.environment.remove(0);
    assert_eq!(said.chosen(), ("https://lower.example/".to_owned(), variable("npm_config_registry")));
    said.environment = vec![("Npm_Config_Registry", "https://mixed.example")];
    assert_eq!(said.chosen(), ("https://mixed.example/".to_owned(), variable("Npm_Config_Registry")));
    said.environment = vec![("NPM_CONFIG_REGISTRY", "")];
    assert_eq!(said.chosen(), ("https://user.example/".to_owned(), Origin::UserNpmrc(USER.into())));
    said.user = Some("color=always");
    assert_eq!(said.chosen(), ("https://global.example/".to_owned(), Origin::GlobalNpmrc(GLOBAL.into())));
    said.global = None;
    assert_eq!(said.chosen(), ("https://npm.example/".to_owned(), Origin::Npm));
    said.npm = None;
    assert_eq!(said.chosen(), (YARN_ALIAS.to_owned(), Origin::YarnAlias));
}

#[test]
fn what_leads_back_to_us_is_passed_over_everywhere() {
    let ours = Said {
        environment: vec![("NPM_CONFIG_REGISTRY", OURS)],
        user: Some("registry=http://localhost:4870/npm"),
        global: Some("registry=http://[::1]:4870/npm/\n"),
        npm: Some(OURS),
        npm_without_files: Some("https://default.example/"),
    };
    let found = ours.decide();
    assert_eq!((found.url.to_string().as_str(), found.origin), ("https://default.example/", Origin::Npm));
    let origins: Vec<_> = found.passed_over.iter().map(|(origin, _)| origin.to_string()).collect();
    assert_eq!(origins, ["NPM_CONFIG_REGISTRY", USER, GLOBAL, "npm config get registry"]);
    assert!(found.passed_over.iter().all(|(_, flaw)| *flaw == Flaw::Ourselves));

    let only_ours = Said { npm_without_files: Some(OURS), ..ours };
    assert_eq!(only_ours.chosen().1, Origin::YarnAlias);
}

#[test]
fn another_server_on_this_machine_is_not_us() {
    let said = Said { user: Some("registry=http://127.0.0.1:4873/"), ..Said::default() };
    assert_eq!(said.chosen().0, "http://127.0.0.1:4873/");
}

#[test]
fn answers_that_are_no_url_are_passed_over() {
    for wrong in ["undefined", "registry.example", "ftp://registry.example/", "https://", "${REGISTRY}"] {
        let said = Said { environment: vec![("NPM_CONFIG_REGISTRY", wrong)], ..all() };
        let found = said.decide();
        assert_eq!(found.url.to_string(), "https://user.example/", "{wrong}");
        assert_eq!(found.passed_over, [(Origin::Environment("NPM_CONFIG_REGISTRY".to_owned()), Flaw::NoUrl)]);
    }
}

#[test]
fn variables_in_a_setting_are_put_in() {
    let said =
        Said { environment: vec![("HOST", "corp.example")], user: Some("registry=https://${HOST}/npm"), ..all() };
    assert_eq!(said.chosen().0, "https://corp.example/npm/");
    let said = Said {
        environment: vec![("HOST", "corp.example"), ("npm_config_registry", "https://${HOST}/env")],
        ..Said::default()
    };
    assert_eq!(said.chosen().0, "https://corp.example/env/");
}

#[test]
fn credentials_are_not_taken_over() {
    let said = Said {
        user: Some("registry=https://joe:hunter2@corp.example/npm?x=1#y\n//corp.example/npm/:_authToken=hunter2"),
        ..Said::default()
    };
    let found = said.decide();
    assert_eq!(found.url.as_url().as_str(), "https://corp.example/npm/");
    assert_eq!(found.into_upstream().credentials, None);
}

#[test]
fn a_registry_that_somebody_chose_may_be_private_and_the_alias_may_not() {
    assert!(all().decide().into_upstream().allow_private);
    assert!(!Said::default().decide().into_upstream().allow_private);
}

#[test]
fn the_files_are_where_npm_looks_for_them() {
    let user = |variables: &[(&str, &str)]| user_npmrc_path(&environment(variables));
    assert_eq!(user(&[("HOME", "/home/joe")]), Some(USER.into()));
    assert_eq!(user(&[("HOME", "/home/joe"), ("NPM_CONFIG_USERCONFIG", "/x/rc")]), Some("/x/rc".into()));
    assert_eq!(user(&[("HOME", "/home/joe"), ("npm_config_userconfig", "~/rc")]), Some("/home/joe/rc".into()));
    assert_eq!(user(&[]), None);

    let global = |variables: &[(&str, &str)], text: &str| global_npmrc_path(&environment(variables), text);
    assert_eq!(global(&[("NPM_CONFIG_GLOBALCONFIG", "/x/rc"), ("NPM_CONFIG_PREFIX", "/y")], ""), Some("/x/rc".into()));
    assert_eq!(global(&[("npm_config_prefix", "/usr")], "prefix=/other"), Some(GLOBAL.into()));
    assert_eq!(global(&[("HOME", "/home/joe")], "prefix=~/.npm"), Some("/home/joe/.npm/etc/npmrc".into()));
    assert_eq!(global(&[("HOME", "/home/joe")], ""), None);
}

/// A program that answers in npm's place.
#[expect(clippy::disallowed_methods, reason = "a stand-in for npm")]
fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script, "npm"]);
    command
}

#[test]
fn npm_is_asked_outside_of_any_project_and_without_what_was_asked_before() {
    let set = [("NPM_CONFIG_REGISTRY", OURS), ("Npm_Config_GlobalConfig", GLOBAL), ("npm_config_userconfig", USER)];
    let ask = |without| {
        let script = "echo warning; echo \"$PWD $*\" $(env | grep -i ^npm_config_ | LC_ALL=C sort); echo";
        let mut npm = shell(script);
        npm.envs(set);
        ask_npm(npm, &environment(&set), without, PATIENCE).unwrap()
    };
    let asked = "/ config get registry --global --no-update-notifier";
    let user = "npm_config_userconfig=/nonexistent/user-npmrc";
    let answer = ask(Without::UserNpmrc);
    assert_eq!(answer, format!("{asked} Npm_Config_GlobalConfig={GLOBAL} {user}"));
    let answer = ask(Without::BothNpmrcs);
    let global = "npm_config_globalconfig=/nonexistent/global-npmrc";
    assert_eq!(answer, format!("{asked} {global} {user}"));
}

#[test]
fn a_silent_npm_is_not_waited_for_and_nothing_of_it_is_left() {
    let directory = tempfile::tempdir().unwrap();
    let pid_file = directory.path().join("pid");
    let npm = shell(&format!("sleep 600 & echo $! > {}; wait", pid_file.display()));
    let start = std::time::Instant::now();
    assert_eq!(ask_npm(npm, &BTreeMap::new(), Without::UserNpmrc, Duration::from_secs(1)), None);
    assert!(start.elapsed() < Duration::from_secs(10));
    let pid = fs::read_to_string(&pid_file).unwrap();
    let state = || fs::read_to_string(Path::new(&format!("/proc/{}/stat", pid.trim()))).unwrap_or_default();
    // Killed, it may wait for a moment until its new parent takes note.
    let is_gone = || state().is_empty() || state().contains(") Z ");
    let gone = (0..100_000).any(|_| {
        std::thread::yield_now();
        is_gone()
    });
    assert!(gone, "{}", state());
}

#[test]
fn no_npm_is_no_answer() {
    let ask = |npm| ask_npm(npm, &BTreeMap::new(), Without::UserNpmrc, PATIENCE);
    assert_eq!(ask(shell("exit 1")), None);
    #[expect(clippy::disallowed_methods, reason = "a program that is not there")]
    let missing = Command::new("/nonexistent/npm");
    assert_eq!(ask(missing), None);
}

#[test]
fn this_machine_is_known_by_its_addresses() {
    assert!(is_local(&Host::Domain("localhost")));
    assert!(is_local(&Host::Ipv4([127, 0, 0, 1].into())));
    // Addresses for documentation, which no machine has (RFC 5737).
    assert!(!is_local(&Host::Ipv4([192, 0, 2, 1].into())));
}
