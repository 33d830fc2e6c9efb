//! Accounts by real clients: logging in both ways, tokens, profiles and second factors.

use crate::client::Npm;
use crate::dialogue::Dialogue;
use crate::publishing::{PASSWORD, Publisher, World};
use crate::support::http::Ask;
use crate::support::totp::Authenticator;
use crate::tools::{self, Tools};

const BOTH: [Npm; 2] = [Npm::V11, Npm::V12];

#[tokio::test]
async fn npm_logs_in_by_a_browser() {
    let Some(tools) = tools::ready() else { return };
    for world in World::each().await {
        for npm in BOTH {
            let joe = world.publisher(&tools, npm, "joe").await;
            joe.npm(&["logout"]);
            assert!(!joe.try_npm(&["whoami"]).0);
            // npm 12 has one word for both.
            let commands: &[&str] = if joe.npm.alias == Npm::V12.alias { &["login"] } else { &["login", "adduser"] };
            for command in commands {
                let mut login = start(&joe, &[command, "--auth-type=web"]);
                let page = format!("/npm/-/v1/login{}", login.hear("/npm/-/v1/login").await.trim());
                let form = [("name", "joe"), ("password", PASSWORD), ("do", "login")];
                let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
                assert_eq!(world.heliostat.ask(&Ask::post(&page, form)).await.status, 200);
                let said = login.end().await.unwrap_or_else(|why| panic!("{}: {why}", joe.npm.name));
                assert!(said.contains("Logged in on"), "{said}");
                assert_eq!(joe.npm(&["whoami"]), "joe");
            }
        }
    }
}

#[tokio::test]
async fn npm_logs_in_and_makes_an_account_by_name_and_password() {
    let Some(tools) = tools::ready() else { return };
    for world in World::each().await {
        for (npm, name) in BOTH.into_iter().zip(["ann", "bob"]) {
            let joe = world.publisher(&tools, npm, "joe").await;
            if joe.npm.alias == Npm::V12.alias {
                // It makes no accounts but by a browser.
                world.register(name).await;
            } else {
                let mut made = start(&joe, &["adduser", "--auth-type=legacy"]);
                made.answer("sername:", name).await;
                made.answer("assword:", PASSWORD).await;
                made.answer("public", &format!("{name}@host.example")).await;
                made.end().await.unwrap_or_else(|why| panic!("{}: {why}", joe.npm.name));
                assert_eq!(joe.npm(&["whoami"]), name);
            }
            joe.npm(&["logout"]);
            for (password, is_right) in [("wrong password", false), (PASSWORD, true)] {
                let mut login = start(&joe, &["login", "--auth-type=legacy"]);
                login.answer("sername:", name).await;
                login.answer("assword:", password).await;
                assert_eq!(login.end().await.is_ok(), is_right, "{}", joe.npm.name);
                assert_eq!(joe.try_npm(&["whoami"]).0, is_right);
            }
        }
    }
}

#[tokio::test]
async fn npm_makes_tokens_that_are_bound_lists_and_revokes_them() {
    let Some(tools) = tools::ready() else { return };
    for world in World::each().await {
        for npm in BOTH {
            make_tokens(&world, &tools, npm).await;
        }
    }
}

async fn make_tokens(world: &World, tools: &Tools, npm: Npm) {
    let (tool, other) = (format!("@acme/{}", npm.alias), format!("@acme/{}-other", npm.alias));
    let joe = world.publisher(tools, npm, "joe").await;
    let password = format!("--password={PASSWORD}");
    let create = |more: &[&str]| {
        let said = joe.npm(&[&["token", "create", "--json", password.as_str()], more].concat());
        serde_json::from_str::<serde_json::Value>(&said).expect("JSON")
    };
    let bound = create(&["--name=ci", &format!("--packages={tool}"), "--packages-and-scopes-permission=read-write"]);
    let reading = create(&["--name=reading", "--packages-and-scopes-permission=read-only"]);
    let elsewhere = create(&["--name=elsewhere", "--cidr=198.51.100.0/24"]);
    let listed = joe.npm(&["token", "list"]);
    for name in ["ci", "reading", "elsewhere", "198.51.100.0/24"] {
        assert!(listed.contains(name), "{name}: {listed}");
    }
    let by = |made: &serde_json::Value| {
        let place = joe.sandbox.registry.trim_start_matches("http:").to_owned();
        format!("--{place}:_authToken={}", made["token"].as_str().expect("a token"))
    };
    joe.write(&other, "1.0.0");
    for (token, why) in [(&bound, "may not"), (&reading, "may not"), (&elsewhere, "not allowed from your IP address")] {
        let (done, said) = joe.try_npm(&["publish", &by(token)]);
        assert!(!done && said.stderr.contains(why), "{why}: {said:?}");
    }
    joe.write(&tool, "1.0.0");
    joe.npm(&["publish", &by(&bound)]);
    assert_eq!(joe.npm(&["view", &tool, "version", &by(&reading)]), "1.0.0");
    let id = joe.npm(&["token", "list", "--parseable"]);
    let id = id.lines().find(|line| line.contains("\tci\t")).and_then(|line| line.split('\t').next()).expect("its key");
    joe.npm(&["token", "revoke", id]);
    joe.write(&tool, "1.0.1");
    assert!(!joe.try_npm(&["publish", &by(&bound)]).0);
    joe.npm(&["publish"]);
}

#[tokio::test]
async fn npm_sets_a_second_factor_and_publishes_with_its_codes() {
    let Some(tools) = tools::ready() else { return };
    for npm in BOTH {
        for world in World::each().await {
            let joe = world.publisher(&tools, npm, "joe").await;
            joe.npm(&["profile", "set", "fullname", "Joe Somebody"]);
            assert_eq!(joe.npm(&["profile", "get", "fullname"]), "Joe Somebody");
            let mut enabling = start(&joe, &["profile", "enable-2fa", "auth-and-writes"]);
            enabling.answer("assword:", PASSWORD).await;
            let secret = enabling.hear("Or enter code:").await;
            let mut authenticator = Authenticator::scan(&format!("secret={}", secret.trim()));
            enabling.answer("authenticator:", &authenticator.code()).await;
            let said = enabling.end().await.unwrap_or_else(|why| panic!("{}: {why}", joe.npm.name));
            let is_code = |line: &&str| line.len() == 64 && line.bytes().all(|byte| byte.is_ascii_hexdigit());
            let recovery: Vec<&str> = said.lines().map(str::trim).filter(is_code).collect();
            assert_eq!(recovery.len(), 5, "{said}");
            assert_eq!(joe.npm(&["profile", "get", "two-factor auth"]), "auth-and-writes");

            joe.write("@acme/safe", "1.0.0");
            let (done, said) = joe.try_npm(&["publish"]);
            assert!(!done && said.stderr.contains("EOTP"), "{}: {said:?}", joe.npm.name);
            let otp = format!("--otp={}", authenticator.code());
            joe.npm(&["publish", &otp]);
            joe.write("@acme/safe", "1.0.1");
            assert!(!joe.try_npm(&["publish", &otp]).0, "each code counts once");
            joe.npm(&["publish", &format!("--otp={}", recovery[0])]);
            assert_eq!(joe.npm(&["view", "@acme/safe", "version"]), "1.0.1");

            let mut ending = start(&joe, &["profile", "disable-2fa", &format!("--otp={}", recovery[1])]);
            ending.answer("assword:", PASSWORD).await;
            ending.end().await.unwrap_or_else(|why| panic!("{}: {why}", joe.npm.name));
            joe.write("@acme/safe", "1.0.2");
            joe.npm(&["publish"]);
        }
    }
}

fn start(joe: &Publisher<'_>, arguments: &[&str]) -> Dialogue {
    Dialogue::start(&mut joe.command(arguments), &joe.sandbox.home())
}
