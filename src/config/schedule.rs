//! What is done at set times.

use super::mount::Mount;
use super::print::Printer;
use super::section::Section;
use super::sync::Mode;
use super::tree::Node;
use super::values::{Setting, print_list, quote, read_choice, text_of};
use crate::base::cron::Cron;

/// `[[schedule]]`: packages of a mount that are brought up to their upstreams at set times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// By which it is known to all nodes.
    pub name: String,
    pub cron: Cron,
    pub mount: String,
    pub what: What,
    /// For [`What::Packages`].
    pub packages: Vec<String>,
}

/// What is brought up to its upstream, or looked through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Whatever is here.
    Known,
    /// Whatever the mount's `sync_names` list.
    Listed,
    /// Whatever the upstream lists.
    All,
    /// Those that the schedule names.
    Packages,
    /// What was synced: whether all of it is still here, and whole.
    Repair,
}

const WHATS: [(&str, What); 5] = [
    ("known", What::Known),
    ("listed", What::Listed),
    ("all", What::All),
    ("packages", What::Packages),
    ("repair", What::Repair),
];

// === impl Schedule ===

impl Schedule {
    pub(super) fn read_all(root: &mut Section<'_>, mounts: &[Mount]) -> Vec<Self> {
        let mut schedules: Vec<Self> = Vec::new();
        root.sections("schedule", |section| {
            let Some(read) = Self::read(section) else { return };
            read.check(&schedules, mounts, section);
            schedules.push(read);
        });
        schedules
    }

    /// Reads one; `None` where a key that it needs is absent or wrong, which is noted.
    fn read(section: &mut Section<'_>) -> Option<Self> {
        let name = section.required("name", read_word);
        let cron = section.required("cron", Cron::read);
        let mount = section.required("mount", read_word);
        let what = section.required("what", What::read);
        let packages = section.list("packages", Vec::new(), read_word);
        Some(Self { name: name?, cron: cron?, mount: mount?, what: what?, packages })
    }

    fn check(&self, earlier: &[Self], mounts: &[Mount], section: &mut Section<'_>) {
        if earlier.iter().any(|other| other.name == self.name) {
            section.complain("name", format!("{} is given twice", quote(&self.name)));
        }
        if (self.what == What::Packages) == self.packages.is_empty() {
            section.complain("packages", "must be given where what is \"packages\", and nowhere else");
        }
        match mounts.iter().find(|mount| mount.name == self.mount) {
            None => section.complain("mount", format!("there is no mount {}", quote(&self.mount))),
            Some(mount) if !mount.dialect.has_packages() => {
                section.complain("mount", format!("{} has no packages", quote(&self.mount)));
            }
            Some(mount) if self.what == What::Listed && mount.in_step.mode != Mode::Listed => {
                section.complain("what", format!("{} lists no names: its sync is not \"listed\"", quote(&self.mount)));
            }
            Some(_) => {}
        }
    }

    pub(super) fn print(&self, out: &mut Printer) {
        let Self { name, cron, mount, what, packages } = self;
        out.section("[[schedule]]");
        out.key("name", name);
        out.key("cron", cron);
        out.key("mount", mount);
        out.key("what", what);
        out.text("packages", &print_list(packages));
    }
}

// === impl What ===

impl Setting for What {
    fn read(node: &Node) -> Result<Self, String> {
        read_choice(node, &WHATS)
    }

    fn print(&self) -> String {
        let (word, _) = WHATS.iter().find(|(_, what)| what == self).expect("every choice has its word");
        quote(word)
    }
}

// === impl Cron ===

impl Setting for Cron {
    fn read(node: &Node) -> Result<Self, String> {
        let text = text_of(node)?;
        Self::parse(text).map_err(|why| {
            let why = why.lines().last().unwrap_or_default().trim().to_owned();
            format!("must be a time as in a crontab, such as \"15 3 * * *\", not {}: {why}", quote(text))
        })
    }

    fn print(&self) -> String {
        quote(&self.to_string())
    }
}

fn read_word(node: &Node) -> Result<String, String> {
    match text_of(node)? {
        "" => Err("must not be empty".to_owned()),
        text => Ok(text.to_owned()),
    }
}
