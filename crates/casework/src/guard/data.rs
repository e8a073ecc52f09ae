//! Guards of access to data: training, scenarios, requests.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use shuyu_law::Refusal;

use super::Guard;
use crate::rules;

impl Guard<'_> {
    /// For every role of `training_roles`, somebody was trained, and nobody who was to be
    /// trained is missing.
    pub(super) fn training_passed(&self) -> Result<(), Refusal> {
        let Some(roles) = self.parameter("training_roles") else { return Ok(()) };
        let counted = self.training();
        for role in roles.ids() {
            let (trained, total) = counted.get(role).copied().unwrap_or((0, 0));
            if total == 0 || trained < total {
                return Err(self.refuse(
                    rules::TRAINING,
                    format!("of the {role} staff, {trained} of {total} have passed"),
                ));
            }
        }
        Ok(())
    }

    /// By role, how many passed and how many there are: the fact, else the form's list.
    fn training(&self) -> BTreeMap<String, (u64, u64)> {
        if let Some(Value::Object(roles)) = self.facts.get("training") {
            let figure = |role: &Value, name| role.get(name).and_then(Value::as_u64).unwrap_or(0);
            return roles
                .iter()
                .map(|(role, counts)| {
                    (role.clone(), (figure(counts, "trained"), figure(counts, "total")))
                })
                .collect();
        }
        let mut counted = BTreeMap::new();
        for result in self.case.field("training").and_then(Value::as_array).into_iter().flatten() {
            let Some(role) = result.get("role").and_then(Value::as_str) else { continue };
            let passed = result.get("passed").and_then(Value::as_bool).unwrap_or(false);
            let (trained, total): &mut (u64, u64) = counted.entry(role.to_owned()).or_default();
            *trained += u64::from(passed);
            *total += 1;
        }
        counted
    }

    /// Every field of the scenario is one of a published resource, and why it is needed is said.
    pub(super) fn scenario_necessity(&self) -> Result<(), Refusal> {
        let rule = rules::SCENARIO_NECESSITY;
        let fields = self.case.field("fields").and_then(Value::as_array);
        let Some(fields) = fields.filter(|fields| !fields.is_empty()) else {
            return Err(self.refuse(rule, "no fields are named"));
        };
        let resources = self.fact("resources", rule)?;
        for field in fields {
            let part = |name| field.get(name).and_then(Value::as_str).unwrap_or_default();
            let (resource, column) = (part("resource"), part("column"));
            if part("necessity").trim().is_empty() {
                return Err(self.refuse(rule, format!("why `{column}` is needed is not said")));
            }
            self.check_column(resources, resource, column)?;
        }
        Ok(())
    }

    fn check_column(&self, resources: &Value, resource: &str, column: &str) -> Result<(), Refusal> {
        let rule = rules::SCENARIO_NECESSITY;
        let Some(known) = resources.get(resource) else {
            return Err(self.refuse(rule, format!("there is no resource `{resource}`")));
        };
        if known.get("published").and_then(Value::as_bool) != Some(true) {
            return Err(self.refuse(rule, format!("`{resource}` is not published")));
        }
        let columns = known.get("columns").map(crate::dossier::texts).unwrap_or_default();
        if columns.contains(column) {
            return Ok(());
        }
        Err(self.refuse(rule, format!("`{resource}` has no column `{column}`")))
    }

    /// The scenario stands, and no column is asked for that it does not name.
    pub(super) fn request_necessity(&self) -> Result<(), Refusal> {
        let rule = rules::REQUEST_NECESSITY;
        let scenario = self.fact("scenario", rule)?;
        let status = scenario.get("status").and_then(Value::as_str).unwrap_or_default();
        if status != "approved" {
            return Err(self.refuse(rule, format!("the scenario is {status}, not approved")));
        }
        let agreement = scenario.get("agreement").and_then(Value::as_str);
        if agreement != self.case.text("agreement") {
            return Err(self.refuse(rule, "the scenario belongs to another agreement"));
        }
        let needed: BTreeSet<(&str, &str)> = scenario
            .get("fields")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|field| {
                Some((field.get("resource")?.as_str()?, field.get("column")?.as_str()?))
            })
            .collect();
        for (resource, columns) in self.items() {
            for column in columns {
                if !needed.contains(&(resource, column)) {
                    return Err(self.refuse(
                        rule,
                        format!("the scenario gives no need for `{column}` of `{resource}`"),
                    ));
                }
            }
        }
        Ok(())
    }

    /// The resources that are asked for, with their columns.
    fn items(&self) -> Vec<(&str, BTreeSet<&str>)> {
        self.case
            .field("items")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|item| {
                let columns = item.get("columns").map(crate::dossier::texts).unwrap_or_default();
                Some((item.get("resource")?.as_str()?, columns))
            })
            .collect()
    }

    /// The level of each resource is one that the city shares, in the form of use asked for.
    ///
    /// A level whose default is not to share is never let through; work inside the domain, which
    /// shows no raw data, is the form that every shared level allows.
    pub(super) fn request_level(&self) -> Result<(), Refusal> {
        let rule = rules::REQUEST_LEVEL;
        let Some(levels) = self.parameter("data_levels").and_then(|p| p.value.as_array()) else {
            return Ok(());
        };
        let resources = self.fact("resources", rule)?;
        let form = self.case.text("form_of_use").unwrap_or("usable_not_visible");
        for (resource, _) in self.items() {
            let level = resources.get(resource).and_then(|known| known.get("level")?.as_i64());
            let found = levels.iter().find(|entry| {
                level.is_some() && entry.get("level").and_then(Value::as_i64) == level
            });
            let Some(entry) = found else {
                return Err(self.refuse(rule, format!("`{resource}` has no level of the city")));
            };
            let forms = entry.get("forms").map(crate::dossier::texts).unwrap_or_default();
            let shared = entry.get("default").and_then(Value::as_str) == Some("share");
            if !shared || !forms.contains(form) {
                return Err(self.refuse(
                    rule,
                    format!(
                        "`{resource}` has level {}; as `{form}` it is not shared",
                        level.unwrap_or_default()
                    ),
                ));
            }
        }
        Ok(())
    }

    /// Data that came from elsewhere carries the consent of where it came from.
    pub(super) fn request_upstream_consent(&self) -> Result<(), Refusal> {
        let Some(rules_of_origin) =
            self.parameter("upstream_consent").and_then(|p| p.value.as_array())
        else {
            return Ok(());
        };
        for rule_of_origin in rules_of_origin {
            let part = |name| rule_of_origin.get(name).and_then(Value::as_str).unwrap_or_default();
            let (origin, actor) = (part("data"), part("actor"));
            let declared = self.case.field(origin).and_then(Value::as_bool).unwrap_or(false);
            let resources = self.facts.get("resources");
            let found = self.items().into_iter().any(|(resource, _)| {
                let known = resources.and_then(|all| all.get(resource)?.get("origin")?.as_str());
                known == Some(origin)
            });
            if !(declared || found) {
                continue;
            }
            // Who consents has acted in this case, acts now, or consented on record.
            let acted = self.case.dossier.acts.iter().any(|act| !act.negative && act.role == actor);
            let recorded = self
                .facts
                .get("upstream_consents")
                .is_some_and(|consents| crate::dossier::texts(consents).contains(origin));
            if !(acted || recorded || self.case.actor.has_role(actor)) {
                return Err(self.refuse(
                    rules::UPSTREAM_CONSENT,
                    format!("data `{origin}` needs the consent of {actor}"),
                ));
            }
        }
        Ok(())
    }
}
