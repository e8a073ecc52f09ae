//! Facts about other entities that the guards of a stage ask for.

use serde_json::{Map, Value, json};
use shuyu_casework::{
    Agreement, Case, Facts, Instrument, Organisation, PARTIES, Person, Scenario, agreement,
    instrument,
};
use shuyu_catalogue::Resource;
use shuyu_enclave::Release;
use shuyu_kernel::{AgreementId, CaseId, PersonId, ReleaseId, ResourceId, ScenarioId};
use shuyu_law::Rule;
use shuyu_market::Price;
use shuyu_store::{ActError, Filter, StreamId, Unit};

use super::{Act, App};

pub(super) const ONE_AGREEMENT: Rule = Rule::new("case-of-one-agreement");

impl App {
    /// What the guards of the stage that `act` is in must know, gathered from the entities that
    /// the dossier and the form name, in the unit of the act: what the decision rests on has not
    /// changed when it is written.
    pub(super) async fn facts(
        &self,
        unit: &Unit,
        id: CaseId,
        act: &Act,
    ) -> Result<Facts, ActError> {
        let case = unit.load::<Case>(id).await?;
        let mut fields = case.dossier.fields();
        if let Some(Value::Object(form)) = &act.form {
            fields.extend(form.clone());
        }
        self.check_agreement(unit, id, &case, &fields).await?;
        let law = self.desk().laws().of(Some(&case.pack)).map_err(ActError::Store)?;
        let stage = law.procedure(&case.procedure).and_then(|it| it.stage(&act.stage));
        let parties = self.parties(id, &case, &fields).await?;
        let mut facts = Facts::from([(PARTIES.to_owned(), parties.fact())]);
        for guard in stage.map(|stage| stage.guards.as_slice()).unwrap_or_default() {
            let (name, fact) = match guard.as_str() {
                "operator.eligible" => ("operator", operator_fact(unit, &fields).await?),
                "plan.in_force" => ("plan", self.plan_fact().await?),
                "emergency_plan.in_force" => {
                    ("emergency_plan", self.emergency_plan_fact(id, &case, &fields).await?)
                }
                "agreement.renewal" => ("renewed", renewed_fact(unit, &fields).await?),
                "training.passed" => ("training", training_fact(unit, &fields).await?),
                "scenario.necessity" | "request.level" | "request.upstream_consent" => {
                    ("resources", resources_fact(unit, &fields).await?)
                }
                "request.necessity" => ("scenario", scenario_fact(unit, &fields).await?),
                "product.released" => ("release", release_fact(unit, &fields).await?),
                "price.method" => ("guided", guided_fact(unit, &fields).await?),
                _ => continue,
            };
            if let Some(fact) = fact {
                facts.insert(name.to_owned(), fact);
            }
        }
        Ok(facts)
    }

    async fn plan_fact(&self) -> Result<Option<Value>, ActError> {
        let found = self.desk().list::<Instrument>(&Filter::default()).await?;
        Ok(found
            .into_iter()
            .filter(|(_, plan)| {
                matches!(
                    plan.kind,
                    instrument::InstrumentKind::Plan
                        | instrument::InstrumentKind::Rules
                        | instrument::InstrumentKind::Zone
                )
            })
            .map(|(_, plan)| plan.fact())
            .next_back())
    }

    async fn emergency_plan_fact(
        &self,
        id: CaseId,
        case: &Case,
        fields: &Map<String, Value>,
    ) -> Result<Option<Value>, ActError> {
        let agreement = agreement_of(id, case, fields);
        let found = self.desk().list::<Instrument>(&Filter::parent(agreement)).await?;
        Ok(found
            .into_iter()
            .filter(|(_, plan)| plan.kind == instrument::InstrumentKind::EmergencyPlan)
            .map(|(_, plan)| plan.fact())
            .next_back())
    }

    /// Refuses a dossier that names another agreement than its case is about, or none that there
    /// is: whoever is a party to the one would decide about the other.
    async fn check_agreement(
        &self,
        unit: &Unit,
        id: CaseId,
        case: &Case,
        fields: &Map<String, Value>,
    ) -> Result<(), ActError> {
        let Some(named) = id_in::<AgreementId>(fields, "agreement") else { return Ok(()) };
        let is_the_cases = case.agreement.is_none_or(|agreement| agreement == named);
        // One that is still being made is known by the case that makes it.
        let admission: CaseId = super::same_number(named);
        let is_known = unit.find::<Agreement>(named).await?.is_some()
            || unit.find::<Case>(admission).await?.is_some();
        if is_the_cases && is_known {
            return Ok(());
        }
        let refusal = self.law().refuse(ONE_AGREEMENT, &[("agreement", &named.to_string())]);
        Err(unit.refuse(&StreamId::of::<Case>(id), "case.act", refusal).await)
    }

    /// An agreement.
    pub async fn agreement(&self, id: AgreementId) -> Result<agreement::Agreement, ActError> {
        let found = self.desk().find::<Agreement>(id).await?;
        Ok(found.ok_or_else(|| ActError::NotFound(StreamId::of::<Agreement>(id)))?.1)
    }
}

/// The agreement that a case is about: the one that it was opened for, or that its dossier names,
/// or the one that it makes, which has its number.
pub(super) fn agreement_of(id: CaseId, case: &Case, fields: &Map<String, Value>) -> AgreementId {
    case.agreement.or_else(|| id_in(fields, "agreement")).unwrap_or_else(|| super::same_number(id))
}

async fn operator_fact(
    unit: &Unit,
    fields: &Map<String, Value>,
) -> Result<Option<Value>, ActError> {
    let Some(id) = id_in(fields, "operator") else { return Ok(None) };
    let found = unit.find::<Organisation>(id).await?;
    Ok(found.map(|(_, organisation)| organisation.fact()))
}

async fn renewed_fact(unit: &Unit, fields: &Map<String, Value>) -> Result<Option<Value>, ActError> {
    let Some(id) = id_in(fields, "renews") else { return Ok(None) };
    let found = unit.find::<Agreement>(id).await?;
    Ok(found.map(|(_, agreement)| json!({ "expires": agreement.terms.to })))
}

/// How many of the people named were trained, by the role in which the form lists them.
async fn training_fact(
    unit: &Unit,
    fields: &Map<String, Value>,
) -> Result<Option<Value>, ActError> {
    let Some(results) = fields.get("training").and_then(Value::as_array) else {
        return Ok(None);
    };
    let mut counts: std::collections::BTreeMap<String, (u64, u64)> =
        std::collections::BTreeMap::new();
    for result in results {
        let text = |name: &str| result.get(name).and_then(Value::as_str);
        let Some(role) = text("role") else { continue };
        let known = match text("person").map(str::parse::<PersonId>) {
            Some(Ok(person)) => {
                let found = unit.find::<Person>(person).await?;
                found.is_some_and(|(_, person)| person.is_open)
            }
            Some(Err(_)) | None => false,
        };
        let passed = result.get("passed").and_then(Value::as_bool).unwrap_or(false);
        let (trained, total) = counts.entry(role.to_owned()).or_default();
        *trained += u64::from(known && passed);
        *total += 1;
    }
    let roles = counts
        .into_iter()
        .map(|(role, (trained, total))| (role, json!({ "trained": trained, "total": total })));
    Ok(Some(Value::Object(roles.collect())))
}

async fn resources_fact(
    unit: &Unit,
    fields: &Map<String, Value>,
) -> Result<Option<Value>, ActError> {
    let mut resources = Map::new();
    for list in ["fields", "items"] {
        for entry in fields.get(list).and_then(Value::as_array).into_iter().flatten() {
            let Some(id) = entry.get("resource").and_then(Value::as_str) else { continue };
            let Ok(resource) = id.parse::<ResourceId>() else { continue };
            if resources.contains_key(id) {
                continue;
            }
            if let Some((_, found)) = unit.find::<Resource>(resource).await? {
                resources.insert(id.to_owned(), found.fact());
            }
        }
    }
    Ok(Some(Value::Object(resources)))
}

async fn scenario_fact(
    unit: &Unit,
    fields: &Map<String, Value>,
) -> Result<Option<Value>, ActError> {
    let Some(id) = id_in::<ScenarioId>(fields, "scenario") else { return Ok(None) };
    let found = unit.find::<Scenario>(id).await?;
    Ok(found.map(|(_, scenario)| scenario.fact()))
}

async fn release_fact(unit: &Unit, fields: &Map<String, Value>) -> Result<Option<Value>, ActError> {
    let Some(id) = id_in::<ReleaseId>(fields, "release") else { return Ok(None) };
    let found = unit.find::<Release>(id).await?;
    Ok(found.map(|(_, release)| json!({ "status": release.status.name() })))
}

async fn guided_fact(unit: &Unit, fields: &Map<String, Value>) -> Result<Option<Value>, ActError> {
    let Some(id) = id_in(fields, "product") else { return Ok(None) };
    let found = unit.find::<Price>(id).await?;
    Ok(found
        .and_then(|(_, price)| price.guide.map(|guide| json!({ "ceiling_fen": guide.base.fen }))))
}

/// The id in a field of a dossier.
pub(super) fn id_in<I: std::str::FromStr>(fields: &Map<String, Value>, name: &str) -> Option<I> {
    fields.get(name).and_then(Value::as_str).and_then(|text| text.parse().ok())
}
