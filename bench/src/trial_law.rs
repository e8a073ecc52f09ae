//! A law with as many policies as a city with its baseline may come to: 600, ten for each of
//! sixty actions. Of the ten one prohibits, and one fits the actor that asks.

use std::fmt::Write as _;

use shuyu_kernel::Role;
use shuyu_law::{BASELINE, Law, PackError, PackFiles, Packs};

pub(crate) const ACTIONS: usize = 60;
pub(crate) const POLICIES_PER_ACTION: usize = 10;

const HEAD: &str = "[pack]\nid = \"baseline\"\ntitle = { zh = \"\", en = \"\" }\nissuer = \"\"\n\
                    status = \"draft\"\n";

/// The condition of the policies that permit.
pub(crate) struct Condition {
    /// What the action is done to, `account` or `grant`.
    pub(crate) kind: &'static str,
    /// The names of the first actions; the others are numbered.
    pub(crate) actions: &'static [&'static str],
    /// What must hold of the resource.
    pub(crate) resource: &'static str,
}

/// The role that one policy of each action asks for.
pub(crate) fn fitting_role() -> Role {
    Role::new("role_5")
}

pub(crate) fn trial_law(condition: &Condition) -> Result<Law, PackError> {
    let files: PackFiles =
        [("pack.toml", HEAD.to_owned()), ("policies.cedar", policies(condition))]
            .map(|(path, text)| (path.to_owned(), text))
            .into();
    let mut packs = Packs::default();
    packs.insert(BASELINE, files);
    packs.load(BASELINE)
}

fn policies(condition: &Condition) -> String {
    let Condition { kind, actions, resource } = condition;
    let mut text = String::new();
    for action in 0..ACTIONS {
        let name = actions.get(action).map_or(format!("act_{action}"), |name| (*name).to_owned());
        for policy in 0..POLICIES_PER_ACTION {
            let (effect, holds) = if policy == 0 {
                ("forbid", "resource has suspended && resource.suspended".to_owned())
            } else {
                let role = format!("principal.roles.contains(\"role_{policy}\")");
                ("permit", format!("{role} && {resource}"))
            };
            // Writing to a string does not fail.
            let _ = write!(
                text,
                "@id(\"p-{action}-{policy}\")\n@clauses(\"baseline/{policy}\")\n{effect} \
                 (principal, action == Action::\"{kind}.{name}\", resource)\nwhen {{ {holds} }};\n"
            );
        }
    }
    text
}
