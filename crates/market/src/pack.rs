//! What this room reads from a pack.

use shuyu_law::{ClauseId, Law, Parameter};

/// The ids of a list, where the pack has the list.
pub(crate) fn ids<'a>(law: &'a Law, name: &str) -> Option<Vec<&'a str>> {
    law.parameter(name).map(Parameter::ids)
}

/// A choice by name, where the pack makes it.
pub(crate) fn choice<'a>(law: &'a Law, name: &str) -> Option<&'a str> {
    law.parameter(name).and_then(Parameter::text)
}

/// Whether the pack switches the point on.
pub(crate) fn is_on(law: &Law, name: &str) -> bool {
    law.parameter(name).is_some_and(|parameter| parameter.value.as_bool() == Some(true))
}

/// The clauses of the pack that read the parameter: what a decision taken by it rests on.
pub fn clauses_reading(law: &Law, parameter: &str) -> Vec<ClauseId> {
    law.clauses
        .iter()
        .filter(|clause| clause.params.iter().any(|name| name == parameter))
        .map(|clause| clause.id.clone())
        .collect()
}
