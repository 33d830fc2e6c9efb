//! Who may have an account here.

use super::print::Printer;
use super::section::Section;
use super::tree::Node;
use super::values::{Setting, print_list, quote, read_choice, text_of};

/// `[accounts]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accounts {
    pub registration: Registration,
    /// Names of users who may do everything, beside those who were made so by command.
    pub admins: Vec<String>,
}

/// Who may make an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Registration {
    /// Operators alone, by command.
    #[default]
    Closed,
    /// Who has the code of an invitation, which operators hand out.
    Invitation,
    /// Everybody.
    Open,
}

const REGISTRATIONS: [(&str, Registration); 3] =
    [("closed", Registration::Closed), ("invitation", Registration::Invitation), ("open", Registration::Open)];

// === impl Accounts ===

impl Accounts {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        Self {
            registration: section.value("registration", Registration::default()),
            admins: section.list("admins", Vec::new(), |node| text_of(node).map(str::to_owned)),
        }
    }

    pub(super) fn print(&self, out: &mut Printer) {
        let Self { registration, admins } = self;
        out.section("[accounts]");
        out.key("registration", registration);
        out.text("admins", &print_list(admins));
    }
}

impl Setting for Registration {
    fn read(node: &Node) -> Result<Self, String> {
        read_choice(node, &REGISTRATIONS)
    }

    fn print(&self) -> String {
        let (word, _) = REGISTRATIONS.iter().find(|(_, known)| known == self).expect("every choice has its word");
        quote(word)
    }
}
