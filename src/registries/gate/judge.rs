//! Who may see and change a package: the one decision, for all dialects and on every route. Pure.
//!
//! | who | seen by everybody | restricted | bound to teams | new |
//! |---|---|---|---|---|
//! | stranger | sees | - | - | makes, where no namespace guards the name |
//! | reader of the namespace | sees | sees | - | - |
//! | publisher of it | sees, publishes, removes | the same | - | makes |
//! | member of a team, read-only | | | sees | |
//! | member of a team, read-write | | | sees, publishes, removes | |
//! | owner | all | all | all | |
//! | admin, here or of the namespace | all | all | all | makes |
//!
//! What a team may do says more than a role: of a package that is bound to teams, the namespace's readers and publishers
//! see nothing unless they are in one of them. Who does not see a package is not to know that it is there.

use crate::overlay::namespaces::Role;
use crate::overlay::packages::Reach;
use crate::overlay::rights::Action;
use crate::overlay::teams::Permission;

/// What somebody is to a package.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Of everything that is here.
    pub is_admin: bool,
    /// In the namespace of the package's name.
    pub role: Option<Role>,
    pub is_owner: bool,
    /// Of the teams that the package is bound to, what the best of them gives.
    pub team: Option<Permission>,
}

/// What is at a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Nothing yet. Names below a namespace are guarded: only its publishers make them.
    New {
        is_guarded: bool,
    },
    There(Reach),
}

/// What becomes of a wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is granted, whoever the owners are.
    Above,
    /// It is granted to an owner, or to who is the first: that is to be so still when it is done.
    AsOwner,
    Refused,
    /// It is refused to who is not to know that there is anything.
    Hidden,
}

/// Decides.
pub fn judge(action: Action, who: Standing, what: What) -> Verdict {
    match what {
        What::New { .. } if action != Action::Push => Verdict::Hidden,
        _ if who.is_above() => Verdict::Above,
        What::New { is_guarded: false } => Verdict::AsOwner,
        What::New { is_guarded: true } if who.role.is_some_and(|role| role.allows(action)) => Verdict::Above,
        What::New { is_guarded: true } => Verdict::Refused,
        What::There(reach) if !who.sees(reach) => Verdict::Hidden,
        What::There(reach) if who.is_given(action, reach) => Verdict::Above,
        What::There(_) if who.is_owner => Verdict::AsOwner,
        What::There(_) => Verdict::Refused,
    }
}

/// Decides whether a member may be given another role, or lose its own, by an admin or an owner: what makes or ends owners is
/// for owners.
pub fn may_set_role(by: Role, held: Option<Role>, wanted: Option<Role>) -> bool {
    by == Role::Owner || by == Role::Admin && held.max(wanted) < Some(Role::Owner)
}

// === impl Standing ===

impl Standing {
    /// Tells whether it stands above owners.
    fn is_above(&self) -> bool {
        self.is_admin || self.role.is_some_and(|role| role >= Role::Admin)
    }

    fn sees(&self, reach: Reach) -> bool {
        match reach {
            Reach::Everybody => true,
            Reach::Members => self.is_owner || self.role.is_some(),
            Reach::Teams => self.is_owner || self.team.is_some(),
        }
    }

    /// Tells whether its role, or its team, is enough.
    fn is_given(&self, action: Action, reach: Reach) -> bool {
        if action == Action::Pull {
            return true;
        }
        match reach {
            Reach::Teams => {
                let is_write = matches!(action, Action::Push | Action::Delete);
                is_write && self.team == Some(Permission::ReadWrite)
            }
            Reach::Everybody | Reach::Members => self.role.is_some_and(|role| role.allows(action)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACTIONS: [Action; 4] = [Action::Pull, Action::Push, Action::Delete, Action::Admin];
    const STATES: [What; 5] = [
        What::New { is_guarded: false },
        What::New { is_guarded: true },
        What::There(Reach::Everybody),
        What::There(Reach::Members),
        What::There(Reach::Teams),
    ];

    /// Prints the verdicts on pulling, pushing, deleting and administering, of a state after the other: `a`bove, as
    /// `o`wner, `r`efused, `-` for hidden.
    fn row(who: Standing) -> String {
        let letter = |what: What| {
            ACTIONS.map(|action| match judge(action, who, what) {
                Verdict::Above => 'a',
                Verdict::AsOwner => 'o',
                Verdict::Refused => 'r',
                Verdict::Hidden => '-',
            })
        };
        STATES.map(|what| String::from_iter(letter(what))).join(" ")
    }

    #[test]
    fn only_owners_make_and_end_owners() {
        use Role::{Admin, Owner, Publisher, Reader};
        let roles = [None, Some(Reader), Some(Publisher), Some(Admin), Some(Owner)];
        for (by, expected) in [(Owner, 25), (Admin, 16), (Publisher, 0), (Reader, 0)] {
            let pairs = roles.into_iter().flat_map(|held| roles.into_iter().map(move |wanted| (held, wanted)));
            let (granted, refused): (Vec<_>, Vec<_>) =
                pairs.partition(|(held, wanted)| may_set_role(by, *held, *wanted));
            assert_eq!(granted.len(), expected, "{by:?}");
            let is_of_owners = |(held, wanted): &(Option<Role>, Option<Role>)| [held, wanted].contains(&&Some(Owner));
            assert!(by == Owner || !granted.iter().any(is_of_owners), "{by:?}: {granted:?}");
            assert!(by < Admin || refused.iter().all(is_of_owners), "{by:?}: {refused:?}");
        }
    }

    #[test]
    fn everybody_may_do_what_the_table_says_and_no_more() {
        let role = |role| Standing { role: Some(role), ..Standing::default() };
        let team = |team| Standing { team: Some(team), ..Standing::default() };
        let owner = Standing { is_owner: true, ..Standing::default() };
        for (who, name, expected) in [
            //                                new  guarded  public  restricted  bound
            (Standing::default(), "stranger", "-o-- -r-- arrr ---- ----"),
            (role(Role::Reader), "reader", "-o-- -r-- arrr arrr ----"),
            (role(Role::Publisher), "publisher", "-o-- -a-- aaar aaar ----"),
            (role(Role::Admin), "admin of it", "-a-- -a-- aaaa aaaa aaaa"),
            (role(Role::Owner), "owner of it", "-a-- -a-- aaaa aaaa aaaa"),
            (Standing { is_admin: true, ..Standing::default() }, "admin", "-a-- -a-- aaaa aaaa aaaa"),
            (owner, "owner", "-o-- -r-- aooo aooo aooo"),
            (team(Permission::ReadOnly), "in a team that reads", "-o-- -r-- arrr ---- arrr"),
            (team(Permission::ReadWrite), "in a team that writes", "-o-- -r-- arrr ---- aaar"),
            (Standing { role: Some(Role::Publisher), ..owner }, "both", "-o-- -a-- aaao aaao aooo"),
            (Standing { team: Some(Permission::ReadWrite), ..owner }, "both", "-o-- -r-- aooo aooo aaao"),
            (
                Standing { role: Some(Role::Publisher), ..team(Permission::ReadOnly) },
                "a publisher whose team reads",
                "-o-- -a-- aaar aaar arrr",
            ),
        ] {
            assert_eq!(row(who), expected, "{name}");
        }
    }
}
