//! What every registry must do, whatever its dialect: one list of behaviours, run over one row a registry.
//!
//! A new dialect adds a file with its [`Row`] and a line `row!(name, Row)` at the end. A row knows how to make a document and an
//! artifact available at its upstream; the behaviours know nothing of any registry.

mod blocking;
mod failing;
pub mod files;
mod guarding;
pub mod hex;
mod holding;
pub mod nessemble;
pub mod niso;
mod npm;
mod pinning;
mod placing;
mod publishing;
mod serving;
mod sharing;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::support::heliostat::{Builder, Heliostat};
use crate::support::http::{Answer, Ask};
use crate::support::shared::Shared;
use crate::support::upstream::FakeUpstream;

/// One registry's ways.
pub trait Row: Sized {
    /// Where its mount is unless it is told otherwise.
    const PATH: &str;
    /// The status by which its upstreams say, besides 404 and 410, that there is no such thing.
    const ABSENT: Option<u16> = None;

    fn start() -> Self;
    fn upstream(&self) -> &FakeUpstream;
    /// Adds the registry's mount, with further lines for the mount and for its upstream.
    fn mount(&self, builder: Builder, mount: &str, upstream: &str) -> Builder;
    /// Makes one document and one artifact of `size` bytes available under a name nobody used yet.
    fn provide(&self, name: &str, wish: &Wish) -> Provided;
    /// A path of the mount under which upstream has nothing, and upstream's path for it.
    fn missing(&self, name: &str) -> (String, String);
    /// Paths of the mount that name nothing at all.
    fn nonsense(&self) -> Vec<String>;
    /// Returns what commands call the package that something was provided in.
    fn package(name: &str) -> String;
    /// Tells whether an error answer has the dialect's own shape.
    fn is_error(&self, answer: &Answer) -> bool;
}

/// One whose artifacts are of releases, each of which is for good what it was when it was first proved. Provided again
/// with another size, an artifact has other bytes.
pub trait Releases: Row {}

/// One at which packages of our own are published.
pub trait Publishes: Releases {
    /// Lines of a mount that keep for us whatever is provided.
    const OWN: &str;

    /// Makes an account, and returns a token of it.
    async fn register(heliostat: &Heliostat, user: &str) -> String;
    /// Makes a package with one release, whose artifact has about so many bytes.
    fn publication(name: &str, size: usize) -> Publication;
    async fn publish(heliostat: &Heliostat, token: &str, publication: &Publication) -> Answer;
    /// Tells whether a document vouches for these bytes.
    fn vouches(document: &Answer, artifact: &[u8]) -> bool;
}

/// What is published.
pub struct Publication {
    /// The path of its document at the mirror.
    pub document: String,
    pub artifact: Wanted,
    /// As the dialect's clients send it.
    pub body: Vec<u8>,
}

/// What is to be provided.
pub struct Wish {
    /// The document's `Cache-Control`.
    pub cache_control: &'static str,
    pub artifact_size: usize,
}

/// What was provided.
pub struct Provided {
    pub document: Wanted,
    pub artifact: Wanted,
}

/// One resource, seen from both sides.
pub struct Wanted {
    /// The path at the mirror.
    pub path: String,
    /// The decoded path at the upstream.
    pub upstream_path: String,
    /// What a client must get, given the mirror's own URL.
    pub bytes: Box<dyn Fn(&str) -> Bytes + Send + Sync>,
}

/// A registry's upstream and a process that mirrors it.
pub struct World<R> {
    row: R,
    heliostat: Heliostat,
}

const FRESH: Wish = Wish { cache_control: "public, max-age=300", artifact_size: 20_000 };
const STALE: Wish = Wish { cache_control: "public, max-age=0", artifact_size: 20_000 };

// === impl World ===

impl<R: Row> World<R> {
    async fn start() -> Self {
        Self::start_with("negative_ttl = \"1s\"", "").await
    }

    async fn start_with(mount: &str, upstream: &str) -> Self {
        Self::start_built(mount, upstream, |builder| builder).await
    }

    async fn start_built(mount: &str, upstream: &str, configure: impl FnOnce(Builder) -> Builder) -> Self {
        let row = R::start();
        let builder = configure(row.mount(Heliostat::builder(), mount, upstream));
        Self { heliostat: builder.start().await, row }
    }

    fn upstream(&self) -> &FakeUpstream {
        self.row.upstream()
    }

    async fn get(&self, wanted: &Wanted) -> Answer {
        self.heliostat.get(&wanted.path).await
    }

    async fn ask(&self, wanted: &Wanted, headers: &[(&str, &str)]) -> Answer {
        let ask = headers.iter().fold(Ask::get(&wanted.path), |ask, (name, value)| ask.header(name, value));
        self.heliostat.ask(&ask).await
    }

    fn count(&self, wanted: &Wanted) -> usize {
        self.upstream().count(&wanted.upstream_path)
    }

    fn bytes(&self, wanted: &Wanted) -> Bytes {
        (wanted.bytes)(&self.heliostat.url())
    }

    /// Fetches and fails unless it is whole and right.
    async fn get_right(&self, wanted: &Wanted) -> Answer {
        let answer = self.get(wanted).await;
        assert!(answer.is(&self.bytes(wanted)), "{}: {}", wanted.path, answer.summary());
        answer
    }

    /// Fetches until a whole and right answer comes: a refused fill may have made the mirror careful for a moment.
    async fn get_right_soon(&self, wanted: &Wanted) {
        let start = Instant::now();
        while !self.get(wanted).await.is(&self.bytes(wanted)) {
            assert!(start.elapsed() < Duration::from_secs(10), "{} does not heal", wanted.path);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Fails unless this is an error of the dialect with one of these statuses, and says so in good time.
    fn refuses(&self, answer: &Answer, statuses: &[u16]) {
        let right = statuses.contains(&answer.status) && answer.completed() && self.row.is_error(answer);
        assert!(right, "wanted {statuses:?}: {}", answer.summary());
        assert!(answer.took < Duration::from_secs(6), "too late: {}", answer.summary());
    }

    /// Fails if a client could take this for the resource: only an error, or a body that was cut, will do.
    fn not_taken_for(&self, wanted: &Wanted, answer: &Answer) {
        assert!(!(answer.completed() && answer.status == 200), "{} completed: {}", wanted.path, answer.summary());
        assert!(self.bytes(wanted).starts_with(&answer.body) || answer.status >= 400, "{}", answer.summary());
    }
}

/// Runs every behaviour over one row: the first ones share a process, the others have one of their own.
macro_rules! row {
    ($module:ident, $row:ty) => {
        mod $module {
            use super::*;

            type Registry = $row;

            static SHARED: Shared<World<$row>> = Shared::new();

            async fn shared() -> Arc<World<$row>> {
                SHARED.get(async || World::start().await).await
            }

            async fn own() -> Box<World<$row>> {
                Box::new(World::start().await)
            }

            async fn with_token() -> Box<World<$row>> {
                Box::new(World::start_with("", "token = \"upstream-token\"").await)
            }

            row!(@ shared => serving::a_miss_is_fetched_once_and_then_hit);
            row!(@ shared => serving::a_client_that_has_it_gets_304);
            row!(@ shared => serving::head_tells_what_get_would_send);
            row!(@ shared => serving::a_range_gets_its_bytes);
            row!(@ shared => serving::several_ranges_come_as_parts);
            row!(@ shared => serving::a_range_of_something_else_gets_the_whole);
            row!(@ shared => serving::a_range_past_the_end_gets_416);
            row!(@ shared => failing::a_corrupt_artifact_is_refused_and_not_kept);
            row!(@ shared => failing::a_slow_upstream_is_waited_for);
            row!(@ shared => failing::a_stalled_upstream_is_given_up_and_heals);
            row!(@ shared => failing::a_cut_artifact_is_resumed_or_asked_again);
            row!(@ shared => guarding::who_wants_only_what_is_held_is_told_so_and_nobody_is_asked);
            row!(@ shared => failing::absence_is_remembered_for_a_while);
            row!(@ shared => failing::a_failure_is_never_remembered_as_absence);
            row!(@ shared => sharing::a_hundred_clients_make_one_fetch);
            row!(@ shared => sharing::a_client_that_leaves_does_not_stop_the_fill);
            row!(@ shared => sharing::a_slow_client_holds_nobody_back);
            row!(@ shared => blocking::what_is_blocked_is_withheld_on_every_route_until_it_is_no_longer);
            row!(@ shared => guarding::a_redirect_is_followed_within_the_upstream);
            row!(@ shared => guarding::a_redirect_to_a_private_address_or_in_circles_is_refused);
            row!(@ shared => sharing::requests_on_one_connection_are_kept_apart);
            row!(@ alone => placing::a_mount_answers_at_its_path_its_host_and_its_port);
            row!(@ alone => placing::two_mounts_share_nothing);
            row!(@ alone => placing::two_mounts_of_one_upstream_never_share_an_entry);
            row!(@ own => failing::a_failing_upstream_serves_what_is_held);
            row!(@ own => failing::upstream_down_serves_what_is_held_and_says_so);
            row!(@ own => guarding::nonsense_is_400_and_nothing_is_asked_upstream);
            row!(@ with_token => guarding::credentials_stay_at_their_origin);
            row!(@ mut own => failing::offline_serves_what_is_held_and_asks_nobody);
            row!(@ mut own => failing::what_is_held_survives_a_restart);
            row!(@ mut own => pinning::what_is_pinned_is_served_whatever_upstream_has);
        }
    };
    (@ alone => $subject:ident::$behaviour:ident) => {
        #[tokio::test]
        async fn $behaviour() {
            $subject::$behaviour::<Registry>().await;
        }
    };
    (@ mut $world:ident => $subject:ident::$behaviour:ident) => {
        #[tokio::test]
        async fn $behaviour() {
            $subject::$behaviour(&mut *$world().await).await;
        }
    };
    (@ $world:ident => $subject:ident::$behaviour:ident) => {
        #[tokio::test]
        async fn $behaviour() {
            $subject::$behaviour(&*$world().await).await;
        }
    };
}

/// Runs what holds of releases over a row that has them.
macro_rules! releases {
    ($module:ident, $row:ty) => {
        mod $module {
            use super::*;

            type Registry = $row;

            row!(@ alone => blocking::a_blocked_version_is_withheld_though_it_is_kept);
            row!(@ alone => holding::other_bytes_of_a_release_are_refused_until_upstream_is_right_again);
        }
    };
}

/// Runs what holds of publishing over a row that has it.
macro_rules! publishes {
    ($module:ident, $row:ty) => {
        mod $module {
            use super::*;

            type Registry = $row;

            row!(@ alone => publishing::what_is_published_is_served_as_it_was);
            row!(@ alone => publishing::what_is_ours_wins_over_upstreams_of_the_same_name);
        }
    };
}

row!(npm_registry, npm::Npm);
row!(hex_repository, hex::Hex);
row!(file_tree, files::Files);
row!(niso_registry, niso::Niso);
row!(nessemble_registry, nessemble::Nessemble);

releases!(npm_releases, npm::Npm);
releases!(hex_releases, hex::Hex);
releases!(niso_releases, niso::Niso);
releases!(nessemble_releases, nessemble::Nessemble);

publishes!(npm_publishing, npm::Npm);
