//! Every name that code knows and packs may use.

use shuyu_law::Vocabulary;

use crate::app;

/// The names of rules, actions, effects, guards and attributes, for the check of packs.
pub fn vocabulary() -> Vocabulary {
    let rules = [
        shuyu_law::RULES,
        shuyu_casework::RULES,
        shuyu_catalogue::RULES,
        shuyu_vault::RULES,
        shuyu_enclave::RULES,
        shuyu_market::RULES,
        shuyu_oversight::RULES,
        app::RULES,
    ];
    let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect();
    let mut vocabulary = Vocabulary {
        rules: rules
            .iter()
            .flat_map(|room| room.iter())
            .map(|rule| rule.name().to_owned())
            .collect(),
        effects: names(shuyu_casework::EFFECTS),
        guards: names(shuyu_casework::GUARDS),
        ..Vocabulary::default()
    };
    for kind in app::registry().vocabulary() {
        for command in kind.commands {
            vocabulary.actions.insert(format!("{}.{command}", kind.name));
        }
        for act in ["erase", "read"] {
            vocabulary.actions.insert(format!("{}.{act}", kind.name));
        }
        vocabulary.attributes.extend(kind.attributes.iter().map(|name| (*name).to_owned()));
    }
    vocabulary.actions.extend(app::ACTIONS.iter().map(|act| (*act).to_owned()));
    vocabulary.attributes.insert(app::CONCERNED.to_owned());
    vocabulary
}
