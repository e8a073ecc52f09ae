//! Cases: one run through a procedure of the pack, from its first stage to its end.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shuyu_kernel::{AgreementId, CaseId, ContentHash, OrganisationId, PersonId};
use shuyu_law::{Attribute, Attributes, ClauseId, Next, PackVersion, Refusal};
use shuyu_store::{Context, Entity, Keys};

use crate::{
    Facts, deciding,
    dossier::{Act, Dossier, Objection},
};

/// A case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// The procedure that it runs through.
    pub procedure: String,
    /// The pack that it began with and keeps.
    pub pack: PackVersion,
    /// What people call it.
    pub title: String,
    /// What it is about, by id, such as a resource or a product.
    pub subject: Option<String>,
    /// The agreement that it belongs to.
    pub agreement: Option<AgreementId>,
    /// Who opened it.
    pub opened_by: PersonId,
    /// For whom it was opened.
    pub organisation: OrganisationId,
    /// When it was opened.
    pub opened_at: DateTime<Utc>,
    /// What it has gathered.
    pub dossier: Dossier,
    /// How often each stage was entered.
    pub entries: BTreeMap<String, u32>,
    /// Where it stands.
    pub standing: Standing,
}

/// Where a case stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Standing {
    /// In a stage.
    Open(CurrentStage),
    /// At its end.
    Closed {
        /// Which end.
        end: String,
        /// Since when.
        at: DateTime<Utc>,
    },
    /// Taken back by who opened it.
    Withdrawn {
        /// Why.
        reason: String,
        /// Since when.
        at: DateTime<Utc>,
    },
}

/// The stage that a case is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CurrentStage {
    /// Its name in the procedure.
    pub stage: String,
    /// Which entry into it, from 1.
    pub entry: u32,
    /// The roles that may act.
    pub actors: BTreeSet<String>,
    /// Since when.
    pub entered_at: DateTime<Utc>,
    /// By when it must be done.
    #[serde(default)]
    pub due_at: Option<DateTime<Utc>>,
    /// Before when it does not end well.
    #[serde(default)]
    pub not_before: Option<DateTime<Utc>>,
    /// Whether anyone may object.
    #[serde(default)]
    pub objections: bool,
    /// Whether it has been noted that it is overdue.
    #[serde(default)]
    pub overdue: bool,
}

/// What somebody wants to be done to a case.
#[derive(Debug, Clone)]
pub enum Command {
    /// Open it.
    Open {
        /// The id of the procedure.
        procedure: String,
        /// What people are to call it.
        title: String,
        /// What it is about, by id.
        subject: Option<String>,
        /// The agreement that it belongs to.
        agreement: Option<AgreementId>,
    },
    /// Act in the stage that it is in.
    Act(Box<Acting>),
    /// Object to it, while its stage gives time for that.
    Object {
        /// In one's own words.
        text: String,
    },
    /// Answer an objection.
    Answer {
        /// The number of the objection.
        number: u32,
        /// The answer.
        answer: String,
    },
    /// Take it back.
    Withdraw {
        /// Why.
        reason: String,
    },
    /// Note that the time of its stage has passed.
    NoteOverdue,
}

/// An act that somebody wants to do.
#[derive(Debug, Clone)]
pub struct Acting {
    /// The stage, so that an act is never taken for one in another stage.
    pub stage: String,
    /// The outcome that the actor gives their voice to.
    pub outcome: String,
    /// In which role, where the actor holds several of the stage's.
    pub role: Option<String>,
    /// What they fill in.
    pub form: Option<Value>,
    /// What they attach: what each document is, and the hash of its content.
    pub documents: BTreeMap<String, ContentHash>,
    /// Why; must be given with an outcome that says no.
    pub reason: Option<String>,
    /// The content of the dossier that they read: [`Dossier::content`].
    pub read: ContentHash,
    /// What the guards of the stage must know of other entities.
    pub facts: Facts,
}

impl shuyu_store::Command for Command {
    shuyu_store::names! {
        Self::Open { .. } => "open",
        Self::Act(_) => "act",
        Self::Object { .. } => "object",
        Self::Answer { .. } => "answer",
        Self::Withdraw { .. } => "withdraw",
        Self::NoteOverdue => "note_overdue",
    }

    fn attributes(&self) -> Attributes {
        let text = |name: &str, value: &str| (name.to_owned(), Attribute::Text(value.to_owned()));
        match self {
            Self::Open { procedure, .. } => [text("procedure", procedure)].into(),
            Self::Act(acting) => {
                [text("stage", &acting.stage), text("outcome", &acting.outcome)].into()
            }
            Self::Object { .. }
            | Self::Answer { .. }
            | Self::Withdraw { .. }
            | Self::NoteOverdue => Attributes::new(),
        }
    }
}

/// What happened to a case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event")]
pub enum Event {
    /// It was opened.
    Opened {
        /// The procedure.
        procedure: String,
        /// The pack that it keeps.
        pack: PackVersion,
        /// What people call it.
        title: String,
        /// What it is about.
        subject: Option<String>,
        /// The agreement that it belongs to.
        agreement: Option<AgreementId>,
        /// Who opened it.
        by: PersonId,
        /// For whom.
        organisation: OrganisationId,
        /// When.
        at: DateTime<Utc>,
        /// The clauses that the procedure rests on.
        clauses: Vec<ClauseId>,
    },
    /// It came into a stage.
    StageEntered(CurrentStage),
    /// A stage whose condition does not hold was passed over, with its first outcome.
    StagePassed {
        /// The stage.
        stage: String,
        /// Its first outcome.
        outcome: String,
        /// What that outcome does.
        effects: Vec<String>,
    },
    /// Somebody acted.
    Acted {
        /// The act.
        #[serde(flatten)]
        act: Act,
        /// The clauses of the stage and the outcome.
        clauses: Vec<ClauseId>,
    },
    /// Somebody objected.
    Objected {
        /// The objection.
        #[serde(flatten)]
        objection: Objection,
    },
    /// An objection was answered.
    Answered {
        /// Its number.
        number: u32,
        /// The answer.
        answer: String,
        /// By whom.
        by: PersonId,
        /// When.
        at: DateTime<Utc>,
    },
    /// An outcome stands: its effects are applied in the same unit of work.
    StageClosed {
        /// The stage.
        stage: String,
        /// The outcome that stands.
        outcome: String,
        /// What it does, by names that code knows.
        effects: Vec<String>,
        /// Where the case goes.
        next: Next,
        /// The clauses of the outcome.
        clauses: Vec<ClauseId>,
    },
    /// The time of the stage passed without its being done.
    OverdueNoted {
        /// The stage.
        stage: String,
        /// By when it should have been done.
        due_at: DateTime<Utc>,
        /// What follows, by a name that code knows; nothing: an alert.
        effect: Option<String>,
        /// When it was noted.
        at: DateTime<Utc>,
    },
    /// It came to its end.
    Closed {
        /// Which end.
        end: String,
        /// When.
        at: DateTime<Utc>,
    },
    /// It was taken back.
    Withdrawn {
        /// Why.
        reason: String,
        /// By whom.
        by: PersonId,
        /// When.
        at: DateTime<Utc>,
    },
}

impl Event {
    /// The effects that the event calls for, in their order.
    pub fn effects(&self) -> Vec<&str> {
        match self {
            Self::StagePassed { effects, .. } | Self::StageClosed { effects, .. } => {
                effects.iter().map(String::as_str).collect()
            }
            Self::OverdueNoted { effect, .. } => effect.iter().map(String::as_str).collect(),
            Self::Opened { .. }
            | Self::StageEntered(_)
            | Self::Acted { .. }
            | Self::Objected { .. }
            | Self::Answered { .. }
            | Self::Closed { .. }
            | Self::Withdrawn { .. } => Vec::new(),
        }
    }
}

impl Case {
    /// The stage that it is in, unless it has ended.
    pub fn current(&self) -> Option<&CurrentStage> {
        match &self.standing {
            Standing::Open(stage) => Some(stage),
            Standing::Closed { .. } | Standing::Withdrawn { .. } => None,
        }
    }

    /// The end that it came to.
    pub fn end(&self) -> Option<&str> {
        match &self.standing {
            Standing::Open(_) => None,
            Standing::Closed { end, .. } => Some(end),
            Standing::Withdrawn { .. } => Some("withdrawn"),
        }
    }
}

impl Entity for Case {
    const KIND: &'static str = "case";
    const ATTRIBUTES: &'static [&'static str] = &[
        "procedure",
        "status",
        "stage",
        "stage_actors",
        "objections",
        "organisation",
        "opened_by",
        "outcome",
    ];
    // The words of an objection are those of a member of the public.
    const PERSONAL: &'static [&'static str] = &["text"];

    type Id = CaseId;
    type Command = Command;
    type Event = Event;

    fn decide(
        state: Option<&Self>,
        command: Command,
        ctx: &Context<'_>,
    ) -> Result<Vec<Event>, Refusal> {
        deciding::decide(state, command, ctx)
    }

    fn evolve(state: Option<Self>, event: &Event) -> Option<Self> {
        let mut case = match event {
            Event::Opened {
                procedure,
                pack,
                title,
                subject,
                agreement,
                by,
                organisation,
                at,
                ..
            } => {
                let head = json!({
                    "procedure": procedure, "pack": pack, "title": title, "subject": subject,
                    "agreement": agreement,
                });
                return Some(Self {
                    procedure: procedure.clone(),
                    pack: pack.clone(),
                    title: title.clone(),
                    subject: subject.clone(),
                    agreement: *agreement,
                    opened_by: *by,
                    organisation: *organisation,
                    opened_at: *at,
                    dossier: Dossier::new(&head),
                    entries: BTreeMap::new(),
                    // Every opening is followed by an entry into a stage or an end.
                    standing: Standing::Closed { end: String::new(), at: *at },
                });
            }
            _ => state?,
        };
        match event {
            Event::Opened { .. } | Event::StagePassed { .. } | Event::StageClosed { .. } => {}
            Event::StageEntered(entered) => {
                case.entries.insert(entered.stage.clone(), entered.entry);
                case.standing = Standing::Open(entered.clone());
            }
            Event::Acted { act, .. } => case.dossier.add(act.clone()),
            Event::Objected { objection } => case.dossier.object(objection.clone()),
            Event::Answered { number, answer, .. } => case.dossier.answer(*number, answer),
            Event::OverdueNoted { .. } => {
                if let Standing::Open(stage) = &mut case.standing {
                    stage.overdue = true;
                }
            }
            Event::Closed { end, at } => {
                case.standing = Standing::Closed { end: end.clone(), at: *at };
            }
            Event::Withdrawn { reason, at, .. } => {
                case.standing = Standing::Withdrawn { reason: reason.clone(), at: *at };
            }
        }
        Some(case)
    }

    fn keys(&self) -> Keys {
        Keys {
            status: match &self.standing {
                Standing::Open(_) => "open",
                Standing::Closed { .. } | Standing::Withdrawn { .. } => "ended",
            }
            .to_owned(),
            owner: Some(self.organisation.to_string()),
            parent: self
                .agreement
                .map(|agreement| agreement.to_string())
                .or_else(|| self.subject.clone()),
            name: None,
            due_at: self.current().filter(|stage| !stage.overdue).and_then(|stage| stage.due_at),
        }
    }

    fn attributes(&self) -> Attributes {
        let text = |value: &str| Attribute::Text(value.to_owned());
        let current = self.current();
        [
            ("procedure".to_owned(), text(&self.procedure)),
            ("status".to_owned(), text(if current.is_some() { "open" } else { "ended" })),
            ("stage".to_owned(), text(current.map_or("", |stage| &stage.stage))),
            (
                "stage_actors".to_owned(),
                Attribute::Set(current.map(|stage| stage.actors.clone()).unwrap_or_default()),
            ),
            ("objections".to_owned(), Attribute::Flag(current.is_some_and(|s| s.objections))),
            ("organisation".to_owned(), Attribute::Text(self.organisation.to_string())),
            ("opened_by".to_owned(), Attribute::Text(self.opened_by.to_string())),
        ]
        .into()
    }

    fn pack(&self) -> Option<&PackVersion> {
        Some(&self.pack)
    }

    fn clauses(event: &Event) -> Vec<ClauseId> {
        match event {
            Event::Opened { clauses, .. }
            | Event::Acted { clauses, .. }
            | Event::StageClosed { clauses, .. } => clauses.clone(),
            Event::StageEntered(_)
            | Event::StagePassed { .. }
            | Event::Objected { .. }
            | Event::Answered { .. }
            | Event::OverdueNoted { .. }
            | Event::Closed { .. }
            | Event::Withdrawn { .. } => Vec::new(),
        }
    }
}
