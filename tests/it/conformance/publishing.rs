//! What is published here is served from here, whatever upstreams have under its name. Source: design, "Overlay".

use super::{FRESH, Publication, Publishes, Wanted, World};
use crate::support::http::{Answer, Ask};

/// Bytes of what is published.
const SIZE: usize = 30_000;

pub async fn what_is_published_is_served_as_it_was<R: Publishes>() {
    let world = World::<R>::start_publishing().await;
    let Publication { document, artifact, .. } = world.publish("published").await;
    let whole = world.get(&artifact).await;
    assert!(whole.is(&world.bytes(&artifact)), "{}", whole.summary());
    let head = world.heliostat.ask(&Ask::head(&artifact.path)).await;
    assert_eq!((head.status, head.header("content-length")), (200, whole.header("content-length")));
    let etag = whole.header("etag").expect("what does not change has an entity tag").to_owned();
    let known = world.ask(&artifact, &[("if-none-match", &etag)]).await;
    assert_eq!(known.status, 304, "{}", known.summary());
    let part = world.ask(&artifact, &[("range", "bytes=5-104")]).await;
    assert!(part.status == 206 && part.body == world.bytes(&artifact)[5..105], "{}", part.summary());
    let described = world.heliostat.get(&document).await;
    assert!(R::vouches(&described, &world.bytes(&artifact)), "{}", described.summary());
    assert!(world.upstream().all_seen().is_empty(), "an upstream was asked for what is ours");
}

pub async fn what_is_ours_wins_over_upstreams_of_the_same_name<R: Publishes>() {
    let world = World::<R>::start_publishing().await;
    let theirs = world.row.provide("ours", &FRESH);
    let hidden = world.get(&theirs.artifact).await;
    world.refuses(&hidden, &[404, 401]);
    let Publication { document, artifact, .. } = world.publish("ours").await;
    assert_eq!(artifact.path, theirs.artifact.path, "one name");
    for round in 0..2 {
        let answers = [world.get(&artifact).await, world.heliostat.get(&document).await];
        let [bytes, described]: [Answer; 2] = answers;
        assert!(bytes.is(&world.bytes(&artifact)), "round {round}: {}", bytes.summary());
        assert!(R::vouches(&described, &world.bytes(&artifact)), "round {round}: {}", described.summary());
    }
    assert!(world.upstream().all_seen().is_empty(), "an upstream was asked for a name that is ours");
}

impl<R: Publishes> World<R> {
    async fn start_publishing() -> Self {
        Self::start_built(R::OWN, "", |builder| builder.set("accounts", "registration", "\"open\"")).await
    }

    /// Publishes a package with one release.
    async fn publish(&self, name: &str) -> Publication {
        let publication = R::publication(name, SIZE);
        let token = R::register(&self.heliostat, "joe").await;
        let answer = R::publish(&self.heliostat, &token, &publication).await;
        assert!((200..300).contains(&answer.status), "{}", answer.summary());
        publication
    }
}

/// Returns what a client must get at a path, whoever asks.
pub fn wanted(path: String, bytes: Vec<u8>) -> Wanted {
    Wanted { path, upstream_path: String::new(), bytes: Box::new(move |_| bytes.clone().into()) }
}
