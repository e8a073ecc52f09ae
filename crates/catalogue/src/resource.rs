//! Resources: what an agency registers in the catalogue.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shuyu_kernel::{CaseId, ContentHash, DatasetId, OrganisationId, ResourceId};
use shuyu_law::{Attribute, Attributes, Refusal};
use shuyu_store::{Context, Entity, Keys};

use crate::rules;

/// What a field is for; labels follow from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldRole {
    /// Tells one subject from another.
    Identifier,
    /// Groups subjects.
    Dimension,
    /// Is counted, summed and averaged.
    Measure,
    /// Free text.
    Text,
}

/// A field of a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// Its name in the data.
    pub name: String,
    /// What it means.
    pub meaning: String,
    /// Its type, such as `text`, `integer`, `date`, `resident_id`.
    pub kind: String,
    /// What it is for.
    pub role: FieldRole,
    /// Its classification, such as `personal` or `sensitive`.
    #[serde(default)]
    pub classification: String,
    /// Whether a row without it is refused.
    #[serde(default)]
    pub required: bool,
}

/// Whom data is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectKind {
    /// Natural persons.
    NaturalPerson,
    /// Legal persons and other organisations with a social credit code.
    LegalPerson,
    /// Organisations that are no legal person.
    UnincorporatedOrganisation,
    /// Places and things.
    Object,
}

impl SubjectKind {
    /// Its name, as packs know it.
    pub fn name(self) -> &'static str {
        match self {
            Self::NaturalPerson => "natural_person",
            Self::LegalPerson => "legal_person",
            Self::UnincorporatedOrganisation => "unincorporated_organisation",
            Self::Object => "object",
        }
    }
}

/// Whom data is about, and the field that tells them apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Whom.
    pub kind: SubjectKind,
    /// The field.
    pub key: String,
}

/// What a resource is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// Its name, one of its provider.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// Its fields.
    pub fields: Vec<Field>,
    /// Whom its data are about; nobody: statistics, places without an owner.
    #[serde(default)]
    pub subject: Option<Subject>,
    /// How sensitive it is, 1 to 4 where the city sets no levels of its own.
    pub level: u8,
    /// How it is shared among agencies, by an id of the pack.
    #[serde(default)]
    pub sharing_class: Option<String>,
    /// How it is opened to the public, by an id of the pack.
    #[serde(default)]
    pub opening_class: Option<String>,
    /// Why it is not shared, by an id of the pack.
    #[serde(default)]
    pub not_shared_basis: Option<String>,
    /// How often it is updated.
    pub update_cycle: String,
    /// The system that it comes from.
    pub source_system: String,
    /// Where the data came from, if not from the provider, by an id of the pack such as
    /// `shared_in`.
    #[serde(default)]
    pub origin: Option<String>,
    /// The kinds of data that the law keeps out which it contains, as its provider declares.
    #[serde(default)]
    pub excluded: BTreeSet<String>,
}

impl Description {
    /// The digest that a review binds to.
    pub fn content(&self) -> ContentHash {
        // INVARIANT: a description serialises: it has text keys and no float.
        ContentHash::of_json(&serde_json::to_value(self).unwrap_or_default())
    }
}

/// Where a resource stands. Each state holds the facts that exist in it, and no others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Status {
    /// Being described.
    Draft,
    /// Before the reviewer.
    Submitted {
        /// What is reviewed.
        content: ContentHash,
        /// Since when.
        at: DateTime<Utc>,
    },
    /// Sent back to the provider.
    Returned {
        /// Why.
        reason: String,
        /// Since when.
        at: DateTime<Utc>,
    },
    /// In the catalogue.
    Published {
        /// The case that published it.
        case: CaseId,
        /// Since when.
        at: DateTime<Utc>,
    },
    /// In the catalogue, with a change that awaits review.
    Changed {
        /// Since when.
        at: DateTime<Utc>,
    },
    /// Out of the catalogue.
    Retired {
        /// Why.
        reason: String,
        /// Since when.
        at: DateTime<Utc>,
    },
}

impl Status {
    /// Its name, as policies and lists know it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Submitted { .. } => "submitted",
            Self::Returned { .. } => "returned",
            Self::Published { .. } => "published",
            Self::Changed { .. } => "changed",
            Self::Retired { .. } => "retired",
        }
    }
}

/// A resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    /// Whose it is.
    pub provider: OrganisationId,
    /// What it is, as last described.
    pub description: Description,
    /// What it is, as published; what others may rest on.
    pub published: Option<Description>,
    /// Its data, once there are any.
    pub dataset: Option<DatasetId>,
    /// Where it stands.
    pub status: Status,
}

/// What somebody wants to be done to a resource.
#[derive(Debug, Clone)]
pub enum Command {
    /// Register it.
    Register(Box<Description>),
    /// Describe it anew.
    Amend(Box<Description>),
    /// Hand it in for review.
    Submit,
    /// Publish it, as the outcome of its case.
    Publish {
        /// The case.
        case: CaseId,
        /// What was reviewed: [`Description::content`].
        content: ContentHash,
    },
    /// Send it back.
    Return {
        /// Why.
        reason: String,
    },
    /// Take it out of the catalogue.
    Retire {
        /// Why.
        reason: String,
    },
    /// Name the dataset that holds its data.
    AttachDataset {
        /// The dataset.
        dataset: DatasetId,
    },
}

impl shuyu_store::Command for Command {
    shuyu_store::names! {
        Self::Register(_) => "register",
        Self::Amend(_) => "amend",
        Self::Submit => "submit",
        Self::Publish { .. } => "publish",
        Self::Return { .. } => "return",
        Self::Retire { .. } => "retire",
        Self::AttachDataset { .. } => "attach_dataset",
    }
}

/// What happened to a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event")]
pub enum Event {
    /// It was registered.
    Registered {
        /// Whose it is.
        provider: OrganisationId,
        /// What it is.
        description: Description,
        /// When.
        at: DateTime<Utc>,
    },
    /// It was described anew.
    Amended {
        /// What it is.
        description: Description,
        /// When.
        at: DateTime<Utc>,
    },
    /// It was handed in.
    Submitted {
        /// What is reviewed.
        content: ContentHash,
        /// When.
        at: DateTime<Utc>,
    },
    /// It was published.
    Published {
        /// The case.
        case: CaseId,
        /// What was reviewed.
        content: ContentHash,
        /// When.
        at: DateTime<Utc>,
    },
    /// It was sent back.
    Returned {
        /// Why.
        reason: String,
        /// When.
        at: DateTime<Utc>,
    },
    /// It was taken out of the catalogue.
    Retired {
        /// Why.
        reason: String,
        /// When.
        at: DateTime<Utc>,
    },
    /// Its dataset was named.
    DatasetAttached {
        /// The dataset.
        dataset: DatasetId,
        /// When.
        at: DateTime<Utc>,
    },
}

impl Entity for Resource {
    const KIND: &'static str = "resource";
    const ATTRIBUTES: &'static [&'static str] = &["status", "provider", "level"];

    type Id = ResourceId;
    type Command = Command;
    type Event = Event;

    fn decide(
        state: Option<&Self>,
        command: Command,
        ctx: &Context<'_>,
    ) -> Result<Vec<Event>, Refusal> {
        let event = match (state, command) {
            (None, Command::Register(description)) => {
                check_description(&description, ctx)?;
                let provider = ctx.actor.organisation;
                Event::Registered { provider, description: *description, at: ctx.now }
            }
            (None, _) => return Err(ctx.refuse(rules::EXISTS)),
            (Some(_), Command::Register(_)) => return Err(ctx.refuse(rules::NEW)),
            (Some(resource), command) => resource.go_on(command, ctx)?,
        };
        Ok(vec![event])
    }

    fn evolve(state: Option<Self>, event: &Event) -> Option<Self> {
        if let Event::Registered { provider, description, .. } = event {
            return Some(Self {
                provider: *provider,
                description: description.clone(),
                published: None,
                dataset: None,
                status: Status::Draft,
            });
        }
        let mut resource = state?;
        match event {
            Event::Registered { .. } => {}
            Event::Amended { description, at } => {
                resource.description = description.clone();
                resource.status = match resource.published {
                    Some(_) => Status::Changed { at: *at },
                    None => Status::Draft,
                };
            }
            Event::Submitted { content, at } => {
                resource.status = Status::Submitted { content: *content, at: *at };
            }
            Event::Published { case, at, .. } => {
                resource.published = Some(resource.description.clone());
                resource.status = Status::Published { case: *case, at: *at };
            }
            Event::Returned { reason, at } => {
                resource.status = Status::Returned { reason: reason.clone(), at: *at };
            }
            Event::Retired { reason, at } => {
                resource.published = None;
                resource.status = Status::Retired { reason: reason.clone(), at: *at };
            }
            Event::DatasetAttached { dataset, .. } => resource.dataset = Some(*dataset),
        }
        Some(resource)
    }

    fn keys(&self) -> Keys {
        Keys {
            status: self.status.name().to_owned(),
            owner: Some(self.provider.to_string()),
            parent: self.dataset.map(|dataset| dataset.to_string()),
            name: Some(format!("{}/{}", self.provider, self.description.name)),
            due_at: None,
        }
    }

    fn attributes(&self) -> Attributes {
        [
            ("status".to_owned(), Attribute::Text(self.status.name().to_owned())),
            ("provider".to_owned(), Attribute::Text(self.provider.to_string())),
            ("level".to_owned(), Attribute::Number(self.description.level.into())),
        ]
        .into()
    }
}

impl Resource {
    /// The resource as the guards of scenarios and requests want it: as it is published.
    pub fn fact(&self) -> serde_json::Value {
        let known = self.published.as_ref().unwrap_or(&self.description);
        serde_json::json!({
            "published": self.published.is_some(),
            "level": known.level,
            "origin": known.origin,
            "columns": known.fields.iter().map(|field| &field.name).collect::<Vec<_>>(),
        })
    }

    fn go_on(&self, command: Command, ctx: &Context<'_>) -> Result<Event, Refusal> {
        let at = ctx.now;
        let wrong_state = |wanted: &str| {
            ctx.refuse(rules::STATE).because(format!("it is {}; {wanted}", self.status.name()))
        };
        if let Status::Retired { .. } = self.status {
            return Err(wrong_state("what is retired stays so"));
        }
        match command {
            Command::Register(_) => Err(ctx.refuse(rules::NEW)),
            Command::Amend(description) => {
                self.check_own(ctx)?;
                if let Status::Submitted { .. } = self.status {
                    return Err(wrong_state("what is under review is not changed"));
                }
                check_description(&description, ctx)?;
                Ok(Event::Amended { description: *description, at })
            }
            Command::Submit => {
                self.check_own(ctx)?;
                match self.status {
                    Status::Draft | Status::Returned { .. } | Status::Changed { .. } => {
                        // The law may have changed since it was described.
                        check_description(&self.description, ctx)?;
                        Ok(Event::Submitted { content: self.description.content(), at })
                    }
                    _ => Err(wrong_state("a draft or a change is handed in")),
                }
            }
            Command::Publish { case, content } => match &self.status {
                Status::Submitted { content: submitted, .. } if *submitted == content => {
                    Ok(Event::Published { case, content, at })
                }
                Status::Submitted { .. } => Err(ctx.refuse(rules::REVIEWED_CONTENT)),
                _ => Err(wrong_state("what was handed in is published")),
            },
            Command::Return { reason } => match self.status {
                _ if reason.trim().is_empty() => Err(ctx.refuse(rules::REASON)),
                Status::Submitted { .. } => Ok(Event::Returned { reason, at }),
                _ => Err(wrong_state("what was handed in is sent back")),
            },
            Command::Retire { reason } => match self.status {
                _ if reason.trim().is_empty() => Err(ctx.refuse(rules::REASON)),
                Status::Submitted { .. } => Err(wrong_state("its review comes first")),
                _ => Ok(Event::Retired { reason, at }),
            },
            Command::AttachDataset { dataset } => {
                self.check_own(ctx)?;
                match self.dataset {
                    Some(held) if held != dataset => {
                        Err(wrong_state("it has a dataset; new data are a version of that"))
                    }
                    _ => Ok(Event::DatasetAttached { dataset, at }),
                }
            }
        }
    }

    fn check_own(&self, ctx: &Context<'_>) -> Result<(), Refusal> {
        if self.provider == ctx.actor.organisation || ctx.actor.is_system() {
            return Ok(());
        }
        Err(ctx.refuse(rules::OWN))
    }
}

/// Refuses a description that is not whole, or that the city's lists do not allow.
fn check_description(description: &Description, ctx: &Context<'_>) -> Result<(), Refusal> {
    check_fields(description, ctx)?;
    let levels: Vec<u64> = ctx
        .law
        .parameter("data_levels")
        .and_then(|parameter| parameter.value.as_array())
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.get("level")?.as_u64())
        .collect();
    let level = u64::from(description.level);
    let known = if levels.is_empty() { (1..=4).contains(&level) } else { levels.contains(&level) };
    if !known {
        return Err(ctx.refuse(rules::LEVEL).because(format!("there is no level {level}")));
    }
    check_class(
        "sharing_classes",
        description.sharing_class.as_deref(),
        rules::SHARING_CLASS,
        ctx,
    )?;
    check_class(
        "opening_classes",
        description.opening_class.as_deref(),
        rules::OPENING_CLASS,
        ctx,
    )?;
    if description.sharing_class.as_deref() == Some("not_shared") {
        let basis = description.not_shared_basis.as_deref();
        check_class("not_shared_basis_kinds", basis, rules::NOT_SHARED_BASIS, ctx)?;
    }
    if let Some(excluded) = ctx.law.parameter("excluded_data") {
        let kept_out = excluded.ids().into_iter().find(|id| description.excluded.contains(*id));
        if let Some(kept_out) = kept_out {
            return Err(ctx.refuse(rules::EXCLUDED).because(format!("it contains `{kept_out}`")));
        }
    }
    check_subject(description, ctx)
}

fn check_fields(description: &Description, ctx: &Context<'_>) -> Result<(), Refusal> {
    let refuse = |why: String| Err(ctx.refuse(rules::DESCRIBED).because(why));
    let texts = [
        ("name", &description.name),
        ("title", &description.title),
        ("update cycle", &description.update_cycle),
        ("source system", &description.source_system),
    ];
    if let Some((what, _)) = texts.iter().find(|(_, text)| text.trim().is_empty()) {
        return refuse(format!("it has no {what}"));
    }
    if description.fields.is_empty() {
        return refuse("it has no fields".to_owned());
    }
    let mut names = BTreeSet::new();
    for field in &description.fields {
        if field.name.trim().is_empty() || field.meaning.trim().is_empty() {
            return refuse(format!("the field `{}` has no name or no meaning", field.name));
        }
        if !names.insert(&field.name) {
            return refuse(format!("the field `{}` is there twice", field.name));
        }
    }
    Ok(())
}

/// Where the city has a list of classes, one of them must be given.
fn check_class(
    parameter: &str,
    given: Option<&str>,
    rule: shuyu_law::Rule,
    ctx: &Context<'_>,
) -> Result<(), Refusal> {
    let Some(classes) = ctx.law.parameter(parameter) else { return Ok(()) };
    let classes = classes.ids();
    if given.is_some_and(|given| classes.contains(&given)) {
        return Ok(());
    }
    let given = given.unwrap_or("nothing");
    Err(ctx.refuse(rule).because(format!("`{given}` is given; one of {}", classes.join(", "))))
}

/// The subject key is a field that identifies, and it is there where the city asks for the
/// identifier of such subjects.
fn check_subject(description: &Description, ctx: &Context<'_>) -> Result<(), Refusal> {
    let identifies = |key: &str| {
        let mut fields = description.fields.iter();
        fields.any(|field| field.name == key && field.role == FieldRole::Identifier)
    };
    if let Some(subject) = &description.subject
        && !identifies(&subject.key)
    {
        let required = ctx
            .law
            .parameter("required_identifiers")
            .and_then(|parameter| parameter.value.as_array())
            .into_iter()
            .flatten()
            .any(|entry| {
                entry.get("subject").and_then(serde_json::Value::as_str)
                    == Some(subject.kind.name())
            });
        let rule = if required { rules::REQUIRED_IDENTIFIER } else { rules::SUBJECT_KEY };
        return Err(ctx
            .refuse(rule)
            .because(format!("`{}` is not an identifier among its fields", subject.key)));
    }
    Ok(())
}
