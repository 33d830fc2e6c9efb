//! One list of behaviours, run over both databases: SQLite always, PostgreSQL on a server that the test starts and stops.
//!
//! Each behaviour gets a database of its own, and as many nodes on it as it asks for. Without PostgreSQL on the machine
//! its run is skipped aloud; with `CI=true` that is a failure.

#![expect(clippy::disallowed_methods, reason = "tests are no part of the house")]

mod binaries;
mod documents;
mod downloads;
mod factors;
mod feeds;
mod hooks;
mod identity;
mod listing;
mod logins;
mod packages;
mod replicas;
mod rest;
mod server;
mod store;
mod tasks;
mod teams;
mod upstreams;
mod vault;
mod writes;

use std::io::Write as _;
use std::net::IpAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use tempfile::TempDir;

use self::server::Server;
use self::store::Store;
use self::tasks::{bustle as task_bustle, ends as task_ends, logs as task_logs};
use super::Database;
use super::sql::values;
use crate::base::clock::{Clock, from_millis};
use crate::base::secret::Secret;
use crate::overlay::audit::Actor;
use crate::overlay::blobs::{Place, S3};
use crate::overlay::error::Error;
use crate::overlay::namespaces::{Membership, NamespaceName, Role};
use crate::overlay::users::{NewUser, User, UserId, UserName};
use crate::overlay::vault::Place as Key;
use crate::overlay::{Overlay, Settings};

type Behaviour = fn(Stage) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where requests come from.
const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

/// A database of its own, and a clock that stands still.
pub struct Stage {
    database: String,
    clock: Clock,
    place: Place,
    /// Where the bytes lie, wherever that is.
    files: PathBuf,
    directory: TempDir,
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
        whatever_is_told_of_a_write_is_written
        text_that_one_database_cannot_hold_is_refused_by_both
        who_reads_does_not_wait_for_who_writes
        writes_of_all_nodes_stand_in_one_line
        a_snapshot_does_not_see_what_is_written_meanwhile
        a_feed_has_no_holes_while_others_write;
    identity:
        an_account_is_found_by_its_name_in_any_case
        an_edit_of_what_has_changed_meanwhile_is_refused
        a_name_is_taken_once_however_many_ask
        who_fails_often_must_wait
        attempts_at_once_are_all_counted
        who_must_wait_waits_for_no_write
        a_locked_account_logs_in_no_more_and_its_tokens_end
        a_token_is_known_by_its_text_alone
        a_text_that_is_no_token_is_asked_for_once
        a_revoked_token_ends_on_every_node
        a_role_ends_on_every_node
        a_namespace_keeps_an_owner
        a_role_is_judged_as_it_is_when_it_is_set
        an_invitation_makes_one_account
        who_makes_many_accounts_must_wait
        uses_of_tokens_are_written_down
        lists_are_in_the_order_of_bytes;
    teams:
        a_namespace_begins_with_the_team_of_all_its_members
        who_leaves_a_namespace_leaves_its_teams
        a_team_that_packages_are_bound_to_stays
        a_namespace_goes_with_its_teams_and_can_be_made_again
        a_member_of_a_team_is_known_on_every_node;
    factors:
        a_second_factor_counts_once_it_was_proved
        who_was_asked_for_no_code_changes_no_factor_that_counts
        a_code_is_taken_once_on_all_nodes
        who_guesses_codes_must_wait_whatever_the_password;
    logins:
        a_login_is_ended_once_and_told_once_on_any_node
        a_login_is_over_after_some_minutes
        who_begins_many_logins_must_wait_but_for_those_that_are_ended;
    packages:
        a_package_is_found_with_all_that_belongs_to_it
        a_change_that_is_refused_changes_nothing
        a_version_keeps_its_number_for_good
        systems_of_one_version_come_and_go_alone
        every_state_of_a_package_has_a_stamp_of_its_own
        a_name_that_is_ours_is_known_on_every_node
        who_may_see_a_package_is_known_on_every_node
        random_changes_at_once_lose_nothing;
    documents:
        what_stands_beside_a_manifest_goes_with_its_version
        what_was_kept_of_a_whole_package_is_its_latest_versions;
    downloads:
        counts_of_all_nodes_add_up
        what_others_tell_is_counted_in_sums_alone
        versions_of_long_ago_are_added_up
        sums_tell_of_what_everybody_sees
        what_was_counted_before_there_were_sums_is_added_up;
    hooks:
        a_hook_is_kept_with_its_secret_sealed
        whoever_is_meant_hears_once_of_what_comes_after
        who_is_an_owner_no_longer_hears_of_that
        one_node_dispatches_and_another_takes_over
        the_first_hook_begins_at_the_end_of_the_feed
        a_hook_that_does_not_answer_holds_up_itself_alone
        a_hook_with_too_much_to_hear_loses_the_oldest
        a_delivery_that_ends_its_node_is_not_tried_for_ever
        what_is_forgotten_leaves_no_trace_at_its_hook
        a_delivery_is_tried_three_times;
    listing:
        packages_are_listed_as_a_tag_shows_them
        what_there_is_can_be_counted_and_found_by_its_time
        who_waits_for_a_change_is_told_of_those_of_any_node
        a_block_is_told_of_what_it_names
        a_deprecation_is_told_with_its_reason;
    rest:
        published_bytes_are_read_whole_and_in_part
        bytes_that_are_not_what_was_promised_are_not_kept
        damaged_bytes_are_found_out
        bytes_that_nothing_refers_to_are_collected_and_no_others
        a_publish_of_collected_bytes_is_refused
        a_block_holds_on_every_node
        a_block_is_made_once_and_ends
        the_first_digest_is_held_to
        of_bytes_that_are_proved_at_once_one_is_first
        a_package_of_many_versions_is_held_to
        firsts_are_taken_over_from_another_index;
    binaries:
        a_directory_is_what_it_was_last_found_to_hold
        what_is_gone_goes_with_all_below_it
        what_was_found_out_stays_known
        a_part_of_a_directory_goes_by_dates_then_names
        a_directory_that_two_nodes_list_at_once_is_one_of_theirs;
    upstreams:
        an_upstream_is_kept_with_its_token_sealed
        a_token_never_leaves_the_server_it_was_given_for
        a_scope_is_bound_on_every_node;
    tasks:
        a_duplicate_of_a_waiting_task_joins_it
        what_somebody_waits_for_is_claimed_first
        a_queue_has_an_end
        a_processing_task_is_not_joined_and_runs_alone
        two_nodes_share_10_000_tasks_and_each_is_claimed_once
        claims_do_not_wait_for_a_write
        backed_off_tasks_do_not_hide_others
        a_dead_nodes_task_is_taken_over_and_its_holder_writes_nothing_more
        a_task_that_kills_its_worker_ends
        what_is_not_named_is_not_renewed
        tasks_are_listed_from_the_last_on;
    task_ends:
        a_task_that_fails_is_tried_again_until_it_is_enough
        a_task_that_is_put_back_beside_its_twin_goes_on_as_it
        tasks_that_are_put_back_while_others_ask_are_not_doubled
        a_task_that_is_put_back_meets_its_twin_too_late
        a_node_that_stops_gives_its_tasks_back
        a_task_that_is_cancelled_ends_with_what_it_led_to
        a_task_that_is_over_can_be_tried_again
        dependencies_are_followed_once_below_a_root
        dependencies_are_followed_so_far_and_no_further
        old_tasks_are_forgotten_with_all_that_belongs_to_them;
    replicas:
        what_a_run_came_to_is_kept_at_once
        the_feed_tells_of_what_was_synced
        who_lost_a_task_keeps_nothing_of_it
        what_was_synced_is_not_ours;
    feeds:
        a_feed_is_read_by_one_node_and_goes_on_at_another
        who_lost_a_feed_moves_nothing
        a_feed_that_fails_is_left_alone
        a_schedule_makes_its_tasks_once_over_all_nodes;
    task_bustle:
        whatever_happens_at_once_each_task_ends_once;
    task_logs:
        lines_are_numbered_across_a_take_over
        a_log_goes_on_as_its_task_does
        a_log_has_an_end_and_the_last_line;
    vault:
        a_node_with_another_key_does_not_start
        nodes_that_start_at_once_take_one_key
        what_one_node_seals_another_opens
        a_secret_is_made_once_for_all_nodes;
}

/// What is asked of a store of bytes, whichever it is.
const OF_BYTES: [&str; 4] = [
    "published_bytes_are_read_whole_and_in_part",
    "bytes_that_are_not_what_was_promised_are_not_kept",
    "bytes_that_nothing_refers_to_are_collected_and_no_others",
    "a_publish_of_collected_bytes_is_refused",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s3_behaves() {
    // As the server does when it starts: the store's client takes whatever is installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let Some(store) = or_skipped("S3", Store::start()) else { return };
    let behaviours: Vec<_> = ALL.iter().filter(|(name, _)| OF_BYTES.contains(name)).collect();
    assert_eq!(behaviours.len(), OF_BYTES.len(), "each is in the list");
    for (number, (name, behaviour)) in behaviours.into_iter().enumerate() {
        eprintln!("{name}");
        let directory = tempfile::tempdir().unwrap();
        let database = format!("sqlite:{}", directory.path().join("overlay.sqlite").display());
        let bucket = format!("bucket{number}");
        let (files, place) = (store.bucket(&bucket), place(&store, bucket));
        behaviour(Stage { place, files, ..Stage::new(database, directory) }).await;
    }
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
    let Some(server) = or_skipped("PostgreSQL", Server::start()) else { return };
    let admin = connect(&server).await;
    for (number, (name, behaviour)) in ALL.iter().enumerate() {
        eprintln!("{name}");
        admin.link().run(&format!("CREATE DATABASE stage{number}"), values![]).await.unwrap();
        behaviour(Stage::new(server.url(&format!("stage{number}")), tempfile::tempdir().unwrap())).await;
    }
    admin.close().await.unwrap();
}

/// Connects to the server's own database, as soon as it answers.
async fn connect(server: &Server) -> Database {
    for _ in 0..200 {
        match Database::open(&server.url("postgres")).await {
            Ok(database) => return database,
            Err(error) if error.may_retry() => tokio::time::sleep(Duration::from_millis(50)).await,
            Err(error) => panic!("{error:?}\n{}", server.log()),
        }
    }
    panic!("PostgreSQL does not answer:\n{}", server.log());
}

fn place(store: &Store, bucket: String) -> Place {
    Place::S3(S3 {
        endpoint: Some(store.endpoint()),
        region: "us-east-1".to_owned(),
        bucket,
        // Short: the server makes one file name of bucket and key.
        prefix: "/p/".to_owned(),
        access_key: Secret::new(store::KEYS.0),
        secret_key: Secret::new(store::KEYS.1),
    })
}

/// Returns what is at hand; `None` after saying aloud why it is not, which in CI is a failure.
fn or_skipped<T>(what: &str, had: Result<T, String>) -> Option<T> {
    let why = match had {
        Ok(had) => return Some(had),
        Err(why) => why,
    };
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{what} is needed in CI: {why}");
    // Not by a macro: the harness would keep it to itself when the test passes.
    writeln!(std::io::stderr(), "SKIPPED: the overlay over {what}: {why}").unwrap();
    None
}

// === impl Stage ===

impl Stage {
    fn new(database: String, directory: TempDir) -> Self {
        let (clock, files) = (Clock::stopped_at(from_millis(1_700_000_000_000)), directory.path().join("blobs"));
        Self { database, clock, place: Place::Directory(files.clone()), files, directory }
    }

    fn is_local(&self) -> bool {
        matches!(self.place, Place::Directory(_))
    }

    /// Starts a node.
    async fn node(&self) -> Overlay {
        self.try_node().await.unwrap()
    }

    async fn try_node(&self) -> Result<Overlay, Error> {
        self.try_node_with(Key::File(self.directory.path().join("key"))).await
    }

    /// Starts a node whose key is elsewhere.
    async fn try_node_with(&self, key: Key) -> Result<Overlay, Error> {
        let database = Secret::new(self.database.as_str());
        let blobs = self.place.clone();
        let (grace, clock) = (Duration::from_secs(3600), self.clock.clone());
        Overlay::open(Settings { database, blobs, key, grace, clock }).await
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

/// Gives a user a role in a namespace, or takes it away, whoever may.
async fn set_role(node: &Overlay, name: &NamespaceName, user: UserId, role: Option<Role>) -> Result<(), Error> {
    node.set_role(name, Membership { user, role }, |_| true, &actor()).await
}

fn new_user<'a>(name: &'a UserName, password: &'a Secret) -> NewUser<'a> {
    NewUser {
        name,
        email: None,
        password,
        invitation: None,
        is_admin: false,
        is_email_unique: false,
        with_namespace: false,
    }
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
