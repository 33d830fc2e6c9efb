//! How far tasks have come: a bar on a terminal, and otherwise a line for each that is over.

use std::collections::HashSet;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use anyhow::bail;
use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::overlay::Overlay;
use crate::overlay::tasks::{Enqueued, Member, State, TaskId};

/// How often it is looked.
const PAUSE: Duration = Duration::from_millis(500);

const TEMPLATE: &str = "{bar:32} {pos}/{len} packages, {msg}";

/// What tasks came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    pub done: usize,
    /// Done, but for some versions.
    pub partial: usize,
    pub failed: usize,
}

/// Shows tasks, and all that follow from them, until they are over; `None`: there is nobody left who runs any.
pub async fn follow(overlay: &Overlay, tasks: &[Enqueued]) -> anyhow::Result<Option<Sum>> {
    let ids: Vec<TaskId> = tasks.iter().map(|task| task.id.clone()).collect();
    let mut screen = Screen::new();
    loop {
        let family = overlay.task_family(&ids).await?;
        screen.show(&family);
        if family.iter().all(|member| member.state.is_over()) {
            screen.bar.finish_and_clear();
            return Ok(Some(Sum::of(&family)));
        }
        if overlay.queue().await?.workers == 0 {
            screen.bar.finish_and_clear();
            return Ok(None);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// What was shown.
struct Screen {
    bar: ProgressBar,
    is_terminal: bool,
    /// Tasks whose ends were told.
    told: HashSet<TaskId>,
}

impl Screen {
    fn new() -> Self {
        let is_terminal = io::stderr().is_terminal();
        let target = if is_terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let style = ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
        Self {
            bar: ProgressBar::with_draw_target(Some(0), target).with_style(style),
            is_terminal,
            told: HashSet::new(),
        }
    }

    fn show(&mut self, family: &[Member]) {
        for member in family.iter().filter(|member| member.state.is_over()) {
            if self.told.insert(member.id.clone()) && (!self.is_terminal || member.state != State::Success) {
                let line = print(member);
                self.bar.suspend(|| drop(writeln!(io::stdout(), "{line}")));
            }
        }
        let over = family.iter().filter(|member| member.state.is_over()).count();
        let received = family.iter().map(|member| member.received).sum();
        self.bar.set_length(family.len() as u64);
        self.bar.set_position(over as u64);
        self.bar.set_message(HumanBytes(received).to_string());
    }
}

impl Sum {
    fn of(family: &[Member]) -> Self {
        let count = |is: fn(State) -> bool| family.iter().filter(|member| is(member.state)).count();
        Self {
            done: count(|state| matches!(state, State::Success)),
            partial: count(|state| matches!(state, State::Partial)),
            failed: count(|state| matches!(state, State::Error | State::TimedOut | State::Cancelled)),
        }
    }

    /// Says what it came to.
    ///
    /// # Errors
    /// Not all of it was done.
    pub fn judge(self) -> anyhow::Result<()> {
        let Self { done, partial, failed } = self;
        if partial + failed > 0 {
            bail!("{done} packages are up to date, {partial} but for some versions, {failed} are not");
        }
        println!("{done} packages are up to date");
        Ok(())
    }
}

fn print(member: &Member) -> String {
    let error = member.error.as_deref().map(|error| format!(": {error}")).unwrap_or_default();
    let line = format!("{}/{} {}{error}", member.mount, member.subject, member.state.as_str());
    line.chars().map(|one| if one.is_control() { '\u{fffd}' } else { one }).collect()
}
