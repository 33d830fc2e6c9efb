//! One list of behaviours, run over both databases: SQLite always, PostgreSQL on a server that the test starts and stops.
//!
//! Each behaviour gets a database of its own, and as many nodes on it as it asks for. Without PostgreSQL on the machine
//! its run is skipped aloud; with `CI=true` that is a failure.

#![expect(clippy::disallowed_methods, reason = "tests are no part of the house")]

mod identity;
mod server;
mod writes;

use std::io::Write as _;
use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;

use tempfile::TempDir;

use self::server::Server;
use super::Database;
use super::sql::values;
use crate::base::clock::{Clock, from_millis};
use crate::base::secret::Secret;
use crate::overlay::audit::Actor;
use crate::overlay::users::{NewUser, User, UserName};
use crate::overlay::{Overlay, Settings};

type Behaviour = fn(Stage) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where requests come from.
const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

/// A database of its own, and a clock that stands still.
pub struct Stage {
    database: String,
    clock: Clock,
    _directory: TempDir,
}

/// Lists behaviours by their names.
macro_rules! behaviours {
    ($($module:ident: $($name:ident)+;)+) => {
        const ALL: &[(&str, Behaviour)] = &[
            $($((stringify!($name), |stage| Box::pin($module::$name(stage))),)+)+
        ];
    };
}

behaviours! {
    writes:
        nodes_that_start_at_once_make_the_tables_once
        a_database_of_a_newer_program_is_left_alone
        a_commit_is_on_the_disk
        a_write_that_is_dropped_leaves_nothing_and_no_gap
        writes_of_all_nodes_stand_in_one_line
        a_snapshot_does_not_see_what_is_written_meanwhile;
    identity:
        an_account_is_found_by_its_name_in_any_case
        an_edit_of_what_has_changed_meanwhile_is_refused
        a_name_is_taken_once_however_many_ask
        who_fails_often_must_wait
        attempts_at_once_are_all_counted
        a_locked_account_logs_in_no_more_and_its_tokens_end
        a_token_is_known_by_its_text_alone
        a_revoked_token_ends_on_every_node
        a_role_ends_on_every_node
        a_namespace_keeps_an_owner
        uses_of_tokens_are_written_down
        lists_are_in_the_order_of_bytes;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_behaves() {
    for (name, behaviour) in ALL {
        eprintln!("{name}");
        let directory = tempfile::tempdir().unwrap();
        let database = format!("sqlite:{}", directory.path().join("overlay/overlay.sqlite").display());
        behaviour(Stage::new(database, directory)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_behaves() {
    let server = match Server::start() {
        Ok(server) => server,
        Err(why) => {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "PostgreSQL is needed in CI: {why}");
            // Not by a macro: the harness would keep it to itself when the test passes.
            writeln!(std::io::stderr(), "SKIPPED: the overlay over PostgreSQL: {why}").unwrap();
            return;
        }
    };
    let admin = server.connect().await;
    for (number, (name, behaviour)) in ALL.iter().enumerate() {
        eprintln!("{name}");
        admin.link().run(&format!("CREATE DATABASE stage{number}"), values![]).await.unwrap();
        behaviour(Stage::new(server.url(&format!("stage{number}")), tempfile::tempdir().unwrap())).await;
    }
    admin.close().await.unwrap();
}

// === impl Stage ===

impl Stage {
    fn new(database: String, directory: TempDir) -> Self {
        Self { database, clock: Clock::stopped_at(from_millis(1_700_000_000_000)), _directory: directory }
    }

    /// Starts a node.
    async fn node(&self) -> Overlay {
        self.try_node().await.unwrap()
    }

    async fn try_node(&self) -> Result<Overlay, crate::overlay::Error> {
        let database = Secret::new(self.database.as_str());
        Overlay::open(Settings { database, clock: self.clock.clone() }).await
    }

    /// Opens the database itself.
    async fn open(&self) -> Database {
        Database::open(&self.database).await.unwrap()
    }
}

fn actor() -> Actor {
    Actor { name: "tester".to_owned(), via: "test".to_owned(), address: Some(HERE), reason: Some("why not".to_owned()) }
}

/// Makes an account with the password `password`.
async fn user(node: &Overlay, name: &str) -> User {
    let (name, password) = (UserName::parse(name).unwrap(), Secret::new("password"));
    node.register(new_user(&name, &password), &actor()).await.unwrap()
}

fn new_user<'a>(name: &'a UserName, password: &'a Secret) -> NewUser<'a> {
    NewUser { name, email: None, password, is_admin: false, is_email_unique: false, with_namespace: false }
}

/// Asks again until it is so, for a few seconds at most.
async fn soon<T, F: Future<Output = Option<T>>>(what: &str, ask: impl Fn() -> F) -> T {
    for _ in 0..200 {
        if let Some(found) = ask().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("never so: {what}");
}
