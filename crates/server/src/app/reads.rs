//! Reading: what somebody may see of what is there. Every read is permitted by a policy and
//! stands in the log, as every other act does.

use std::any::Any;

use serde_json::{Map, Value, json};
use shuyu_casework::{Agreement, Case, view::View};
use shuyu_catalogue::Resource;
use shuyu_kernel::{Actor, CaseId, OrganisationId, ResourceId};
use shuyu_law::{Attribute, Attributes};
use shuyu_oversight::{Notice, NoticeId};
use shuyu_store::{ActError, Entity, Entry, Fault, Filter, Recorded, StoreError, StreamId, Trail};

use super::{
    App,
    facts::{agreement_of, id_in},
    same_number,
};

/// How many entities are looked at together when a list is read.
const PAGE: u32 = 256;

/// The attribute that tells a policy whether what is read concerns whoever reads it: it belongs
/// to an agreement of theirs, or to a case in which they take part.
pub(crate) const CONCERNED: &str = "concerned";

/// The act of reading entries of the log, and that of checking it.
pub(super) const READ_LOG: &str = "ledger.read";
pub(super) const VERIFY_LOG: &str = "ledger.verify";

/// Whom a case concerns, in the roles that several organisations hold.
#[derive(Debug, Default)]
pub(super) struct Parties {
    /// Who operates, or applies to.
    pub(super) operators: Vec<OrganisationId>,
    /// Whose data it is about.
    pub(super) providers: Vec<OrganisationId>,
}

impl Parties {
    /// As the fact that casework wants: by role, where it is known who they are.
    pub(super) fn fact(&self) -> Value {
        let known = [("operator", &self.operators), ("provider", &self.providers)];
        known
            .into_iter()
            .filter(|(_, organisations)| !organisations.is_empty())
            .map(|(role, organisations)| (role.to_owned(), json!(organisations)))
            .collect::<Map<_, _>>()
            .into()
    }

    fn holding(&self, role: &str) -> &[OrganisationId] {
        match role {
            "operator" => &self.operators,
            "provider" => &self.providers,
            _ => &[],
        }
    }
}

impl App {
    /// Reads an entity, if the actor may.
    pub async fn read<E: Entity>(&self, actor: &Actor, id: E::Id) -> Result<E, ActError> {
        let context = match self.desk().find::<E>(id).await? {
            Some((_, state)) => self.concern(actor, id, &state).await?,
            None => Attributes::new(),
        };
        Ok(self.desk().read::<E>(actor, id, "read", &context).await?.1)
    }

    /// The entities found by `filter` that the actor may read, at most `filter.limit` of them.
    /// That a list was read, and how long it was, stands in the log.
    pub async fn browse<E: Entity>(
        &self,
        actor: &Actor,
        filter: &Filter,
    ) -> Result<Vec<(E::Id, E)>, ActError> {
        let wanted = usize::try_from(filter.limit.unwrap_or(u32::MAX)).unwrap_or(usize::MAX);
        let mut found: Vec<(E::Id, E)> = Vec::new();
        let mut page = Filter { limit: Some(PAGE), ..filter.clone() };
        loop {
            let entities = self.desk().list::<E>(&page).await?;
            page.after = entities.last().map(|(id, _)| id.to_string());
            let is_last = entities.len() < PAGE as usize;
            for (id, state) in entities {
                let context = self.concern(actor, id, &state).await?;
                let judged = self.desk().judge::<E>(actor, id, "read", &state, &context);
                if judged.is_ok() && found.len() < wanted {
                    found.push((id, state));
                }
            }
            if is_last || found.len() >= wanted {
                break;
            }
        }
        let subject = StreamId::new(E::KIND, &"list");
        let act = format!("{}.read", E::KIND);
        let entry = Entry::new(subject, act, json!({ "found": found.len() }));
        self.desk().journal(actor, entry).await?;
        Ok(found)
    }

    /// A case as an actor sees it: its stage, who may act, what to fill in and attach, by when.
    pub async fn case(&self, actor: &Actor, id: CaseId) -> Result<View, ActError> {
        let case = self.read::<Case>(actor, id).await?;
        self.seen(actor, id, &case)
    }

    /// The cases found by `filter` that the actor may see.
    pub async fn cases(&self, actor: &Actor, filter: &Filter) -> Result<Vec<View>, ActError> {
        let found = self.browse::<Case>(actor, filter).await?;
        found.iter().map(|(id, case)| self.seen(actor, *id, case)).collect()
    }

    /// The cases in which an actor may act now.
    pub async fn tasks_of(&self, actor: &Actor) -> Result<Vec<View>, ActError> {
        let mut tasks = self.cases(actor, &Filter::status("open")).await?;
        tasks.retain(|view| view.stage.as_ref().is_some_and(|stage| stage.may_act));
        Ok(tasks)
    }

    /// What is made known to the public. Whoever reads it need not say who they are.
    pub async fn public_notices(
        &self,
        filter: &Filter,
    ) -> Result<Vec<(NoticeId, Notice)>, ActError> {
        Ok(self.desk().list::<Notice>(filter).await?)
    }

    /// Entries of the log, if the actor may read it.
    pub async fn entries(&self, actor: &Actor, trail: &Trail) -> Result<Vec<Recorded>, ActError> {
        self.desk().permit(actor, &self.log(), READ_LOG).await?;
        Ok(self.desk().entries(trail).await?)
    }

    /// Checks the whole history and every state against it, if the actor may ask for that.
    pub async fn verify_for(&self, actor: &Actor) -> Result<Vec<Fault>, ActError> {
        self.desk().permit(actor, &self.log(), VERIFY_LOG).await?;
        Ok(self.verify().await?)
    }

    pub(super) fn log(&self) -> StreamId {
        StreamId::new("ledger", &self.desk().verifier().name())
    }

    pub(super) fn seen(&self, actor: &Actor, id: CaseId, case: &Case) -> Result<View, ActError> {
        let law = self.desk().laws().of(Some(&case.pack))?;
        Ok(shuyu_casework::view::view(law, id, case, actor))
    }

    /// Whom a case concerns, by what its dossier says, with `fields` that are being filled in.
    pub(super) async fn parties(
        &self,
        id: CaseId,
        case: &Case,
        fields: &Map<String, Value>,
    ) -> Result<Parties, StoreError> {
        let mut parties = Parties::default();
        let agreement = agreement_of(id, case, fields);
        match self.desk().find::<Agreement>(agreement).await? {
            Some((_, agreement)) => parties.operators.push(agreement.terms.operator),
            None => parties.operators.extend(id_in::<OrganisationId>(fields, "operator")),
        }
        let mut resources: Vec<ResourceId> = Vec::new();
        resources.extend(case.subject.as_deref().and_then(|text| text.parse::<ResourceId>().ok()));
        resources.extend(id_in::<ResourceId>(fields, "resource"));
        for list in ["fields", "items"] {
            for entry in fields.get(list).and_then(Value::as_array).into_iter().flatten() {
                let id = entry.get("resource").and_then(Value::as_str);
                resources.extend(id.and_then(|id| id.parse::<ResourceId>().ok()));
            }
        }
        for resource in resources {
            if let Some((_, resource)) = self.desk().find::<Resource>(resource).await?
                && !parties.providers.contains(&resource.provider)
            {
                parties.providers.push(resource.provider);
            }
        }
        Ok(parties)
    }

    /// Whether what is read concerns the actor.
    async fn concern<E: Entity>(
        &self,
        actor: &Actor,
        id: E::Id,
        state: &E,
    ) -> Result<Attributes, StoreError> {
        let concerned = match (state as &dyn Any).downcast_ref::<Case>() {
            Some(case) => self.is_concerned(actor, same_number(id), case).await?,
            None => match state.keys().parent.and_then(|text| text.parse().ok()) {
                Some(agreement) => {
                    let found = self.desk().find::<Agreement>(agreement).await?;
                    found.is_some_and(|(_, it)| it.terms.operator == actor.organisation)
                }
                None => false,
            },
        };
        Ok([(CONCERNED.to_owned(), Attribute::Flag(concerned))].into())
    }

    /// Whether a case concerns the actor: their organisation opened it, acted in it, or is a party
    /// to it; or they hold a role of its stage that is no party's.
    async fn is_concerned(
        &self,
        actor: &Actor,
        id: CaseId,
        case: &Case,
    ) -> Result<bool, StoreError> {
        let own = actor.organisation;
        if case.organisation == own || case.dossier.acts.iter().any(|act| act.organisation == own) {
            return Ok(true);
        }
        let parties = self.parties(id, case, &case.dossier.fields()).await?;
        let law = self.desk().laws().of(Some(&case.pack))?;
        let may_act = |role: &String| {
            let holding = parties.holding(law.holder_of(role));
            actor.has_role(role) && (holding.is_empty() || holding.contains(&own))
        };
        Ok(parties.operators.contains(&own)
            || parties.providers.contains(&own)
            || case.current().is_some_and(|stage| stage.actors.iter().any(may_act)))
    }
}
