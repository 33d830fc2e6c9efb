//! Second factors.

use std::sync::Arc;
use std::time::Duration;

use super::{HERE, Stage, actor, user};
use crate::base::clock::millis;
use crate::base::secret::Secret;
use crate::overlay::Overlay;
use crate::overlay::error::Error;
use crate::overlay::factors::Mode;
use crate::overlay::totp::{STEP, code, unbase32};
use crate::overlay::users::User;

/// Returns the code of so many steps from now.
fn code_of(stage: &Stage, secret: &Secret, ahead: u64) -> Secret {
    let secret = unbase32(secret.reveal()).unwrap();
    Secret::new(code(&secret, millis(stage.clock.now()) / STEP + ahead))
}

/// Gives a user a factor that counts; returns what its codes are computed from, and the recovery codes.
async fn proved(stage: &Stage, node: &Overlay, user: &User) -> (Secret, Vec<Secret>) {
    let secret = node.begin_factor(user, Mode::Writes, &actor()).await.unwrap();
    let codes = node.prove_factor(user, &code_of(stage, &secret, 0), &actor()).await.unwrap();
    (secret, codes)
}

fn is_wrong<T>(result: Result<T, Error>) -> bool {
    matches!(result, Err(Error::WrongCode))
}

pub async fn a_second_factor_counts_once_it_was_proved(stage: Stage) {
    let nodes = [stage.node().await, stage.node().await];
    let joe = user(&nodes[0], "joe").await;
    let first = nodes[0].begin_factor(&joe, Mode::Access, &actor()).await.unwrap();
    let secret = nodes[1].begin_factor(&joe, Mode::Access, &actor()).await.unwrap();
    assert!(nodes[0].factor(joe.id).await.unwrap().unwrap().is_pending);
    assert_eq!(nodes[0].user(&joe.name).await.unwrap().unwrap().factor, None);
    assert!(is_wrong(nodes[0].take_code(&joe, &code_of(&stage, &secret, 0), HERE).await), "it does not count yet");
    assert!(
        is_wrong(nodes[0].prove_factor(&joe, &code_of(&stage, &first, 0), &actor()).await),
        "another has replaced it"
    );
    let codes = nodes[0].prove_factor(&joe, &code_of(&stage, &secret, 0), &actor()).await.unwrap();
    assert_eq!(codes.len(), 5);
    assert_eq!(nodes[1].user(&joe.name).await.unwrap().unwrap().factor, Some(Mode::Access));
    assert!(matches!(nodes[0].begin_factor(&joe, Mode::Access, &actor()).await, Err(Error::Taken { .. })));
    let again = nodes[1].user(&joe.name).await.unwrap().unwrap();
    nodes[1].set_factor_mode(&again, Mode::Writes, &actor()).await.unwrap();
    assert_eq!(nodes[0].user_by_id(joe.id).await.unwrap().unwrap().factor, Some(Mode::Writes));
    let log = format!("{:?}", nodes[0].audit(None, None, 99).await.unwrap());
    assert!(!log.contains(secret.reveal()) && !log.contains(codes[0].reveal()));
    let again = nodes[0].user(&joe.name).await.unwrap().unwrap();
    nodes[0].end_factor(&again, &actor()).await.unwrap();
    assert_eq!(nodes[1].user(&joe.name).await.unwrap().unwrap().factor, None);
    assert!(is_wrong(nodes[1].take_code(&joe, &codes[0], HERE).await), "recovery codes have gone with it");
    assert!(matches!(nodes[1].set_factor_mode(&joe, Mode::Writes, &actor()).await, Err(Error::Absent { .. })));
}

pub async fn who_was_asked_for_no_code_changes_no_factor_that_counts(stage: Stage) {
    let node = stage.node().await;
    let before = user(&node, "joe").await;
    proved(&stage, &node, &before).await;
    assert!(is_wrong(node.end_factor(&before, &actor()).await));
    assert!(is_wrong(node.set_factor_mode(&before, Mode::Access, &actor()).await));
    let now = node.user(&before.name).await.unwrap().unwrap();
    assert_eq!(now.factor, Some(Mode::Writes));
    node.set_factor_mode(&now, Mode::Access, &actor()).await.unwrap();
    assert!(is_wrong(node.end_factor(&now, &actor()).await), "it is another by now");
}

pub async fn a_code_is_taken_once_on_all_nodes(stage: Stage) {
    let nodes = [Arc::new(stage.node().await), Arc::new(stage.node().await)];
    let joe = user(&nodes[0], "joe").await;
    let (secret, recovery) = proved(&stage, &nodes[0], &joe).await;
    assert!(is_wrong(nodes[1].take_code(&joe, &code_of(&stage, &secret, 0), HERE).await), "it has proved the factor");
    for code in [code_of(&stage, &secret, 1), recovery[0].clone()] {
        let ask = |node: Arc<Overlay>| {
            let (joe, code) = (joe.clone(), code.clone());
            async move { node.take_code(&joe, &code, HERE).await.is_ok() }
        };
        let tasks: Vec<_> = (0..4).map(|index| tokio::spawn(ask(Arc::clone(&nodes[index % 2])))).collect();
        let mut taken = 0;
        for task in tasks {
            taken += u32::from(task.await.unwrap());
        }
        assert_eq!(taken, 1);
    }
    stage.clock.advance(Duration::from_secs(3600));
    assert!(nodes[0].take_code(&joe, &code_of(&stage, &secret, 0), HERE).await.is_ok());
    let spelled = Secret::new(format!(" {}\n", recovery[1].reveal().to_uppercase()));
    assert!(nodes[1].take_code(&joe, &spelled, HERE).await.is_ok());
}

pub async fn who_guesses_codes_must_wait_whatever_the_password(stage: Stage) {
    let node = stage.node().await;
    let joe = user(&node, "joe").await;
    let (secret, _) = proved(&stage, &node, &joe).await;
    for _ in 0..5 {
        assert!(node.log_in(&joe.name, &Secret::new("password"), HERE).await.is_ok());
        assert!(is_wrong(node.take_code(&joe, &Secret::new("000000x"), HERE).await));
    }
    let refused = node.take_code(&joe, &code_of(&stage, &secret, 1), HERE).await;
    assert!(matches!(refused, Err(Error::TooManyAttempts { .. })), "{refused:?}");
    stage.clock.advance(Duration::from_secs(1));
    assert!(node.take_code(&joe, &code_of(&stage, &secret, 1), HERE).await.is_ok());
}
