//! A dataset: what exists of it, in which versions, and how it ends.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shuyu_kernel::{AgreementId, ContentHash, DatasetId, OrganisationId, PersonId, ResourceId};
use shuyu_law::{Attribute, Attributes, Refusal, Rule};
use shuyu_store::{Command, Context, Entity, Keys};

use crate::{Certificate, Manifest};

/// A dataset is created once.
pub const DATASET_IS_NEW: Rule = Rule::new("dataset-is-new");
/// What does not exist cannot be changed.
pub const DATASET_EXISTS: Rule = Rule::new("dataset-exists");
/// A sealed dataset takes no new version.
pub const SEALED_DATASET_IS_CLOSED: Rule = Rule::new("sealed-dataset-is-closed");
/// Only a sealed dataset is unsealed, and an open one sealed.
pub const SEAL_CHANGES_STATE: Rule = Rule::new("seal-changes-state");
/// After destruction is ordered nothing but destruction happens.
pub const DESTROYED_DATASET_IS_GONE: Rule = Rule::new("destroyed-dataset-is-gone");
/// A version is written once, in order, for its own dataset.
pub const VERSION_IS_IMMUTABLE: Rule = Rule::new("version-is-immutable");
/// Destruction is recorded only after it was ordered.
pub const DESTRUCTION_IS_ORDERED_FIRST: Rule = Rule::new("destruction-is-ordered-first");
/// The evidence of destruction covers every key and object of the dataset, and its failed reading.
pub const DESTRUCTION_IS_PROVED: Rule = Rule::new("destruction-is-proved");

/// The rules that this room enforces.
pub const RULES: &[Rule] = &[
    DATASET_IS_NEW,
    DATASET_EXISTS,
    SEALED_DATASET_IS_CLOSED,
    SEAL_CHANGES_STATE,
    DESTROYED_DATASET_IS_GONE,
    VERSION_IS_IMMUTABLE,
    DESTRUCTION_IS_ORDERED_FIRST,
    DESTRUCTION_IS_PROVED,
];

/// Where a dataset stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum DatasetState {
    /// Versions may be added.
    Open,
    /// Nothing may be added.
    Sealed {
        /// Why.
        reason: String,
    },
    /// Its end is decided; it may no longer be read.
    DestructionOrdered {
        /// Why.
        reason: String,
    },
    /// Its keys and files are gone.
    Destroyed {
        /// The evidence.
        certificate: Certificate,
    },
}

/// A committed version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// What it consists of.
    pub manifest: Manifest,
    /// Who committed it.
    pub by: PersonId,
    /// When.
    pub at: DateTime<Utc>,
}

/// The data of a resource, in immutable versions, each under a key of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dataset {
    /// Its id.
    pub id: DatasetId,
    /// The resource that it supplies.
    pub resource: ResourceId,
    /// Whose it is.
    pub owner: OrganisationId,
    /// The agreement for whose domain it is a copy; absent: the original.
    pub agreement: Option<AgreementId>,
    /// The table's name.
    pub name: String,
    /// Where it stands.
    pub state: DatasetState,
    /// Its versions, the first being number 1.
    pub versions: Vec<Version>,
}

impl Dataset {
    /// The newest version that may be read; none if there is none, or its end is decided.
    pub fn current(&self) -> Option<&Manifest> {
        self.version(u32::try_from(self.versions.len()).ok()?)
    }

    /// The version of this number, if it may be read.
    pub fn version(&self, number: u32) -> Option<&Manifest> {
        match self.state {
            DatasetState::Open | DatasetState::Sealed { .. } => self
                .versions
                .iter()
                .map(|version| &version.manifest)
                .find(|manifest| manifest.version == number),
            DatasetState::DestructionOrdered { .. } | DatasetState::Destroyed { .. } => None,
        }
    }

    /// The number that the next version must have.
    pub fn next_version(&self) -> u32 {
        u32::try_from(self.versions.len()).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// What each version consists of, to destroy it.
    pub fn manifests(&self) -> Vec<Manifest> {
        self.versions.iter().map(|version| version.manifest.clone()).collect()
    }

    fn status(&self) -> &'static str {
        match self.state {
            DatasetState::Open => "open",
            DatasetState::Sealed { .. } => "sealed",
            DatasetState::DestructionOrdered { .. } => "destruction_ordered",
            DatasetState::Destroyed { .. } => "destroyed",
        }
    }
}

/// What can be wanted of a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatasetCommand {
    /// Make it.
    Create {
        /// Its id.
        id: DatasetId,
        /// The resource that it supplies.
        resource: ResourceId,
        /// Whose it is.
        owner: OrganisationId,
        /// The agreement for whose domain it is a copy.
        agreement: Option<AgreementId>,
        /// The table's name.
        name: String,
    },
    /// Add a version whose files are already stored.
    CommitVersion {
        /// What it consists of.
        manifest: Manifest,
    },
    /// Let nothing be added any more.
    Seal {
        /// Why.
        reason: String,
    },
    /// Let versions be added again.
    Unseal {
        /// Why.
        reason: String,
    },
    /// Decide its end.
    OrderDestruction {
        /// Why.
        reason: String,
    },
    /// Record that it is gone.
    RecordDestruction {
        /// The evidence.
        certificate: Certificate,
    },
}

impl Command for DatasetCommand {
    shuyu_store::names! {
        Self::Create { .. } => "create",
        Self::CommitVersion { .. } => "commit_version",
        Self::Seal { .. } => "seal",
        Self::Unseal { .. } => "unseal",
        Self::OrderDestruction { .. } => "order_destruction",
        Self::RecordDestruction { .. } => "record_destruction",
    }
}

/// What can happen to a dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event")]
pub enum DatasetEvent {
    /// It was made.
    Created {
        /// Its id.
        id: DatasetId,
        /// The resource that it supplies.
        resource: ResourceId,
        /// Whose it is.
        owner: OrganisationId,
        /// The agreement for whose domain it is a copy.
        agreement: Option<AgreementId>,
        /// The table's name.
        name: String,
    },
    /// A version became visible.
    VersionCommitted {
        /// What it consists of.
        manifest: Manifest,
        /// Who committed it.
        by: PersonId,
        /// When.
        at: DateTime<Utc>,
    },
    /// Nothing may be added.
    Sealed {
        /// Why.
        reason: String,
    },
    /// Versions may be added again.
    Unsealed {
        /// Why.
        reason: String,
    },
    /// Its end was decided.
    DestructionOrdered {
        /// Why.
        reason: String,
    },
    /// It is gone.
    Destroyed {
        /// The evidence.
        certificate: Certificate,
    },
}

impl Entity for Dataset {
    const KIND: &'static str = "dataset";
    const ATTRIBUTES: &'static [&'static str] = &["status", "owner", "resource", "copy"];
    type Id = DatasetId;
    type Command = DatasetCommand;
    type Event = DatasetEvent;

    fn decide(
        state: Option<&Self>,
        command: DatasetCommand,
        ctx: &Context<'_>,
    ) -> Result<Vec<DatasetEvent>, Refusal> {
        let event = match (state, command) {
            (None, DatasetCommand::Create { id, resource, owner, agreement, name }) => {
                DatasetEvent::Created { id, resource, owner, agreement, name }
            }
            (Some(_), DatasetCommand::Create { .. }) => return Err(ctx.refuse(DATASET_IS_NEW)),
            (None, _) => return Err(ctx.refuse(DATASET_EXISTS)),
            (Some(dataset), DatasetCommand::RecordDestruction { certificate }) => {
                check_destruction(dataset, &certificate, ctx)?;
                DatasetEvent::Destroyed { certificate }
            }
            (Some(dataset), command) => {
                check_not_ended(dataset, ctx)?;
                match command {
                    DatasetCommand::CommitVersion { manifest } => {
                        check_version(dataset, &manifest, ctx)?;
                        DatasetEvent::VersionCommitted {
                            manifest,
                            by: ctx.actor.person,
                            at: ctx.now,
                        }
                    }
                    DatasetCommand::Seal { reason } => {
                        if dataset.state != DatasetState::Open {
                            return Err(ctx
                                .refuse(SEAL_CHANGES_STATE)
                                .because("it is already sealed"));
                        }
                        DatasetEvent::Sealed { reason }
                    }
                    DatasetCommand::Unseal { reason } => {
                        if dataset.state == DatasetState::Open {
                            return Err(ctx.refuse(SEAL_CHANGES_STATE).because("it is not sealed"));
                        }
                        DatasetEvent::Unsealed { reason }
                    }
                    DatasetCommand::OrderDestruction { reason } => {
                        DatasetEvent::DestructionOrdered { reason }
                    }
                    DatasetCommand::Create { .. } | DatasetCommand::RecordDestruction { .. } => {
                        return Err(ctx.refuse(DATASET_IS_NEW));
                    }
                }
            }
        };
        Ok(vec![event])
    }

    fn evolve(state: Option<Self>, event: &DatasetEvent) -> Option<Self> {
        if let DatasetEvent::Created { id, resource, owner, agreement, name } = event {
            return Some(Self {
                id: *id,
                resource: *resource,
                owner: *owner,
                agreement: *agreement,
                name: name.clone(),
                state: DatasetState::Open,
                versions: Vec::new(),
            });
        }
        let mut dataset = state?;
        match event {
            DatasetEvent::Created { .. } => {}
            DatasetEvent::VersionCommitted { manifest, by, at } => {
                dataset.versions.push(Version { manifest: manifest.clone(), by: *by, at: *at });
            }
            DatasetEvent::Sealed { reason } => {
                dataset.state = DatasetState::Sealed { reason: reason.clone() };
            }
            DatasetEvent::Unsealed { .. } => dataset.state = DatasetState::Open,
            DatasetEvent::DestructionOrdered { reason } => {
                dataset.state = DatasetState::DestructionOrdered { reason: reason.clone() };
            }
            DatasetEvent::Destroyed { certificate } => {
                dataset.state = DatasetState::Destroyed { certificate: certificate.clone() };
            }
        }
        Some(dataset)
    }

    fn keys(&self) -> Keys {
        Keys {
            status: self.status().into(),
            owner: Some(self.owner.to_string()),
            parent: Some(
                self.agreement.map_or_else(|| self.resource.to_string(), |id| id.to_string()),
            ),
            name: None,
            due_at: None,
        }
    }

    fn attributes(&self) -> Attributes {
        Attributes::from([
            ("status".into(), Attribute::Text(self.status().into())),
            ("owner".into(), Attribute::Text(self.owner.to_string())),
            ("resource".into(), Attribute::Text(self.resource.to_string())),
            ("copy".into(), Attribute::Flag(self.agreement.is_some())),
        ])
    }
}

fn check_not_ended(dataset: &Dataset, ctx: &Context<'_>) -> Result<(), Refusal> {
    match dataset.state {
        DatasetState::Open | DatasetState::Sealed { .. } => Ok(()),
        DatasetState::DestructionOrdered { .. } | DatasetState::Destroyed { .. } => {
            Err(ctx.refuse(DESTROYED_DATASET_IS_GONE))
        }
    }
}

fn check_version(dataset: &Dataset, manifest: &Manifest, ctx: &Context<'_>) -> Result<(), Refusal> {
    if dataset.state != DatasetState::Open {
        return Err(ctx.refuse(SEALED_DATASET_IS_CLOSED));
    }
    let same_key = |version: &Version| version.manifest.key == manifest.key;
    if manifest.dataset != dataset.id
        || manifest.version != dataset.next_version()
        || dataset.versions.iter().any(same_key)
    {
        return Err(ctx.refuse(VERSION_IS_IMMUTABLE).because(format!(
            "the next version of {} is {}, under a key of its own",
            dataset.id,
            dataset.next_version()
        )));
    }
    Ok(())
}

fn check_destruction(
    dataset: &Dataset,
    certificate: &Certificate,
    ctx: &Context<'_>,
) -> Result<(), Refusal> {
    match dataset.state {
        DatasetState::DestructionOrdered { .. } => {}
        DatasetState::Destroyed { .. } => return Err(ctx.refuse(DESTROYED_DATASET_IS_GONE)),
        DatasetState::Open | DatasetState::Sealed { .. } => {
            return Err(ctx.refuse(DESTRUCTION_IS_ORDERED_FIRST));
        }
    }
    let covers = |version: &Version| {
        let hashes: Vec<ContentHash> =
            certificate.objects.iter().map(|object| object.hash).collect();
        certificate.keys.contains(&version.manifest.key)
            && version.manifest.objects.iter().all(|object| hashes.contains(&object.hash))
    };
    if certificate.dataset != dataset.id
        || !certificate.reading_fails
        || !dataset.versions.iter().all(covers)
    {
        return Err(ctx.refuse(DESTRUCTION_IS_PROVED));
    }
    Ok(())
}
