//! Supply: an agency registers a resource, uploads its data, and the authority reviews the entry.

use std::io::Read;

use serde_json::json;
use shuyu_catalogue::{Resource, resource};
use shuyu_kernel::{Actor, DatasetId, ResourceId};
use shuyu_law::Rule;
use shuyu_store::{ActError, Entry, StreamId};
use shuyu_vault::{
    Dataset, DatasetCommand, DatasetSpec, FieldRole, FieldSpec, FieldType, Ingested, Part, Profile,
    QualityReport, SubjectKind, VaultError,
};

use super::{App, same_number, store};

pub(super) const DATA_OF_PROVIDER: Rule = Rule::new("supply-by-provider");

/// Why data are not taken in or shown.
#[derive(Debug, thiserror::Error)]
pub enum SupplyError {
    /// The act.
    #[error(transparent)]
    Act(#[from] ActError),
    /// The vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The fields of the resource are not of types that the vault knows.
    #[error("the field `{0}` has the type `{1}`, which is none of the platform's")]
    Type(String, String),
}

/// What became of a delivery.
#[derive(Debug, Clone)]
pub struct Delivered {
    /// The dataset.
    pub dataset: DatasetId,
    /// The number of the version.
    pub version: u32,
    /// Rows that are good.
    pub rows: u64,
    /// Rows in quarantine.
    pub quarantined: u64,
    /// What the columns look like.
    pub profile: Profile,
    /// How good the delivery is.
    pub quality: QualityReport,
}

impl App {
    /// Registers a resource of the actor's organisation, as a draft.
    pub async fn register_resource(
        &self,
        actor: &Actor,
        description: resource::Description,
    ) -> Result<ResourceId, ActError> {
        let id: ResourceId = self.fresh();
        let command = resource::Command::Register(Box::new(description));
        self.desk().act::<Resource>(actor, id, command).await?;
        Ok(id)
    }

    /// Does something else to a resource: amend it, submit it, retire it.
    pub async fn change_resource(
        &self,
        actor: &Actor,
        id: ResourceId,
        command: resource::Command,
    ) -> Result<Resource, ActError> {
        Ok(self.desk().act::<Resource>(actor, id, command).await?.state)
    }

    /// A resource.
    pub async fn resource(&self, id: ResourceId) -> Result<Resource, ActError> {
        let found = self.desk().find::<Resource>(id).await.map_err(store)?;
        found.map(|(_, it)| it).ok_or_else(|| ActError::NotFound(StreamId::of::<Resource>(id)))
    }

    /// Takes in a delivery of a resource: a new version of its dataset, visible all at once, with
    /// the rows that were refused beside it.
    pub async fn deliver(
        &self,
        actor: &Actor,
        id: ResourceId,
        reader: impl Read + Send + 'static,
    ) -> Result<Delivered, SupplyError> {
        let resource = self.resource(id).await?;
        self.check_provider(actor, id, &resource, "dataset.commit_version").await?;
        let spec = spec_of(&resource)?;
        let dataset: DatasetId = same_number(id);
        let found = self.desk().find::<Dataset>(dataset).await.map_err(store)?;
        let create = found.is_none().then(|| DatasetCommand::Create {
            id: dataset,
            resource: id,
            owner: resource.provider,
            agreement: None,
            name: spec.name.clone(),
        });
        let version = found.map_or(1, |(_, dataset)| dataset.next_version());
        let Ingested { manifest, profile, quality } =
            self.vault().ingest(dataset, version, &spec, reader).await?;
        let (rows, quarantined) = (manifest.rows, manifest.quarantined);
        let commit = DatasetCommand::CommitVersion { manifest };
        // All at once, after the file was read: a file that cannot be read changes nothing.
        self.desk()
            .run(actor, |unit| {
                let (create, commit) = (create.clone(), commit.clone());
                async move {
                    if let Some(create) = create {
                        unit.act::<Dataset>(dataset, create).await?;
                        let attach = resource::Command::AttachDataset { dataset };
                        unit.follow::<Resource>(id, attach, &[]).await?;
                    }
                    unit.act::<Dataset>(dataset, commit).await?;
                    Ok(())
                }
            })
            .await?;
        Ok(Delivered { dataset, version, rows, quarantined, profile, quality })
    }

    /// Lets nothing be added to a dataset any more, or lets it be added again.
    pub async fn change_dataset(
        &self,
        actor: &Actor,
        id: DatasetId,
        command: DatasetCommand,
    ) -> Result<Dataset, ActError> {
        Ok(self.desk().act::<Dataset>(actor, id, command).await?.state)
    }

    /// The profile and the quality report of the current version, as JSON.
    pub async fn profile(
        &self,
        actor: &Actor,
        id: ResourceId,
    ) -> Result<serde_json::Value, SupplyError> {
        let bytes = self.part(actor, id, Part::Profile, "dataset.read_profile").await?;
        Ok(serde_json::from_slice(&bytes).unwrap_or_else(|_| json!({})))
    }

    /// The rows that were refused, as CSV: line, column, reason, text. For the provider alone.
    pub async fn quarantine(&self, actor: &Actor, id: ResourceId) -> Result<Vec<u8>, SupplyError> {
        self.part(actor, id, Part::Quarantine, "dataset.read_quarantine").await
    }

    async fn part(
        &self,
        actor: &Actor,
        id: ResourceId,
        part: Part,
        act: &str,
    ) -> Result<Vec<u8>, SupplyError> {
        let resource = self.resource(id).await?;
        self.check_provider(actor, id, &resource, act).await?;
        let dataset: DatasetId = same_number(id);
        let found = self.desk().find::<Dataset>(dataset).await.map_err(store)?;
        let (_, dataset_state) =
            found.ok_or_else(|| ActError::NotFound(StreamId::of::<Dataset>(dataset)))?;
        let manifest = dataset_state
            .current()
            .ok_or_else(|| ActError::NotFound(StreamId::of::<Dataset>(dataset)))?;
        let entry = Entry {
            subject: StreamId::of::<Dataset>(dataset),
            act: act.to_owned(),
            clauses: Vec::new(),
            body: json!({ "version": manifest.version }),
        };
        self.desk().journal(actor, entry).await?;
        Ok(self.vault().open_part(manifest, part).await?)
    }

    async fn check_provider(
        &self,
        actor: &Actor,
        id: ResourceId,
        resource: &Resource,
        act: &str,
    ) -> Result<(), ActError> {
        if actor.organisation == resource.provider && actor.has_role("provider") {
            return Ok(());
        }
        let refusal = self.law().refuse(DATA_OF_PROVIDER, &[]);
        Err(self.desk().refuse(actor, &StreamId::of::<Resource>(id), act, refusal).await)
    }
}

/// The resource as the vault takes it in: what its published description says, or its draft.
fn spec_of(resource: &Resource) -> Result<DatasetSpec, SupplyError> {
    let description = resource.published.as_ref().unwrap_or(&resource.description);
    let fields = description
        .fields
        .iter()
        .map(|field| {
            let kind: FieldType = serde_json::from_value(json!(field.kind))
                .map_err(|_| SupplyError::Type(field.name.clone(), field.kind.clone()))?;
            let is_key = description.subject.as_ref().is_some_and(|it| it.key == field.name);
            Ok(FieldSpec {
                name: field.name.clone(),
                title: field.meaning.clone(),
                kind,
                role: match field.role {
                    resource::FieldRole::Identifier => FieldRole::Identifier,
                    resource::FieldRole::Dimension => FieldRole::Dimension,
                    resource::FieldRole::Measure => FieldRole::Measure,
                    resource::FieldRole::Text => FieldRole::Text,
                },
                required: is_key || field.required,
                scale: None,
            })
        })
        .collect::<Result<Vec<_>, SupplyError>>()?;
    Ok(DatasetSpec {
        file: String::new(),
        name: description.name.clone(),
        title: shuyu_law::Text { zh: description.title.clone(), en: description.title.clone() },
        provider: String::new(),
        subject_key: description.subject.as_ref().map(|subject| subject.key.clone()),
        subject_kind: match description.subject.as_ref().map(|subject| subject.kind) {
            Some(resource::SubjectKind::NaturalPerson) => SubjectKind::Person,
            Some(
                resource::SubjectKind::LegalPerson
                | resource::SubjectKind::UnincorporatedOrganisation,
            ) => SubjectKind::Enterprise,
            Some(resource::SubjectKind::Object) | None => SubjectKind::None,
        },
        level: description.level,
        sharing: description.sharing_class.clone().unwrap_or_default(),
        opening: description.opening_class.clone().unwrap_or_default(),
        update_cycle: description.update_cycle.clone(),
        fields,
    })
}
