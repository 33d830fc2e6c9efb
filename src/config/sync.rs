//! How Heliostat keeps itself in step with upstreams: what the server does at once, and what a mount wants of it.

use std::time::Duration;

use super::dialect::read_pattern;
use super::print::Printer;
use super::section::Section;
use super::tree::Node;
use super::values::{Setting, Size, print_list, quote, read_choice, read_optional};

/// `[sync]`: how tasks are worked through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sync {
    /// Tasks that this node runs at once; with 0 it runs none.
    pub tasks: usize,
    /// Artifacts that are fetched at once, all tasks of this node together.
    pub artifacts: usize,
    /// Tries of a task, the first one included.
    pub attempts: u32,
    /// How long is waited after the first failure; four times as long after each further one.
    pub pause: Duration,
    /// After so long without a line and without a byte, a try is over.
    pub silence: Duration,
    /// How long a try may take at most.
    pub timeout: Duration,
    /// How long tasks that have ended are kept, and their logs.
    pub keep: Duration,
    /// Tasks that wait at once, beyond which none are made.
    pub max_waiting: u32,
    /// Names that one task may lead to by dependencies.
    pub max_dependencies: u32,
    /// Bytes of what is pinned; without it, four fifths of what the store may have.
    pub max_pinned_bytes: Option<u64>,
    /// How long a feed is left alone that had nothing new.
    pub poll: Duration,
}

/// What a mount wants to be in step with, and who may ask for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InStep {
    pub mode: Mode,
    /// Names, with `*` for any run of characters, for [`Mode::Listed`].
    pub names: Vec<String>,
    pub who: Who,
}

/// Which packages follow their upstream without being asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// None: what clients ask for is fetched then.
    Demand,
    /// Those that are here.
    Known,
    /// Those that are listed.
    Listed,
    /// All.
    All,
}

/// Who may have a package brought up to its upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    Nobody,
    Admin,
    /// Whoever shows credentials of ours.
    User,
    Anyone,
}

const MODES: [(&str, Mode); 4] =
    [("demand", Mode::Demand), ("known", Mode::Known), ("listed", Mode::Listed), ("all", Mode::All)];

const WHO: [(&str, Who); 4] =
    [("nobody", Who::Nobody), ("admin", Who::Admin), ("user", Who::User), ("anyone", Who::Anyone)];

// === impl Sync ===

impl Default for Sync {
    fn default() -> Self {
        Self {
            tasks: 4,
            artifacts: 8,
            attempts: 3,
            pause: Duration::from_secs(30),
            silence: Duration::from_secs(600),
            timeout: Duration::from_secs(6 * 3_600),
            keep: Duration::from_secs(30 * 86_400),
            max_waiting: 100_000,
            max_dependencies: 10_000,
            max_pinned_bytes: None,
            poll: Duration::from_secs(60),
        }
    }
}

impl Sync {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let default = Self::default();
        Self {
            tasks: section.value("tasks", default.tasks),
            artifacts: section.positive("artifacts", default.artifacts),
            attempts: section.positive("attempts", default.attempts),
            pause: section.positive("pause", default.pause),
            silence: section.positive("silence", default.silence),
            timeout: section.positive("timeout", default.timeout),
            keep: section.positive("keep", default.keep),
            max_waiting: section.positive("max_waiting", default.max_waiting),
            max_dependencies: section.value("max_dependencies", default.max_dependencies),
            max_pinned_bytes: section
                .value_with("max_pinned_bytes", default.max_pinned_bytes.map(Size), read_optional(Size::read))
                .map(|size| size.0),
            poll: section.positive("poll", default.poll),
        }
    }

    pub(super) fn print(&self, out: &mut Printer) {
        let Self {
            tasks,
            artifacts,
            attempts,
            pause,
            silence,
            timeout,
            keep,
            max_waiting,
            max_dependencies,
            max_pinned_bytes,
            poll,
        } = self;
        out.section("[sync]");
        out.key("tasks", tasks);
        out.key("artifacts", artifacts);
        out.key("attempts", attempts);
        out.key("pause", pause);
        out.key("silence", silence);
        out.key("timeout", timeout);
        out.key("keep", keep);
        out.key("max_waiting", max_waiting);
        out.key("max_dependencies", max_dependencies);
        out.key("max_pinned_bytes", &max_pinned_bytes.map(Size));
        out.key("poll", poll);
    }
}

// === impl InStep ===

impl Default for InStep {
    fn default() -> Self {
        Self { mode: Mode::Demand, names: Vec::new(), who: Who::User }
    }
}

impl InStep {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let default = Self::default();
        let read = Self {
            mode: section.value("sync", default.mode),
            names: section.list("sync_names", default.names, read_pattern),
            who: section.value("sync_who", default.who),
        };
        if (read.mode == Mode::Listed) == read.names.is_empty() && !section.is_mistaken("sync") {
            section.complain("sync_names", "must be given where sync is \"listed\", and nowhere else");
        }
        read
    }

    pub(super) fn print(&self, out: &mut Printer) {
        let Self { mode, names, who } = self;
        out.key("sync", mode);
        out.text("sync_names", &print_list(names));
        out.key("sync_who", who);
    }
}

// === impl Mode ===

impl Setting for Mode {
    fn read(node: &Node) -> Result<Self, String> {
        read_choice(node, &MODES)
    }

    fn print(&self) -> String {
        let (word, _) = MODES.iter().find(|(_, mode)| mode == self).expect("every mode has its word");
        quote(word)
    }
}

// === impl Who ===

impl Setting for Who {
    fn read(node: &Node) -> Result<Self, String> {
        read_choice(node, &WHO)
    }

    fn print(&self) -> String {
        let (word, _) = WHO.iter().find(|(_, who)| who == self).expect("every choice has its word");
        quote(word)
    }
}
