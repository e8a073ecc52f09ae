//! Resources and their data.

use std::{collections::BTreeSet, io::Cursor};

use shuyu_catalogue::{
    Resource,
    resource::{Command, Description, Field, FieldRole, Status, Subject, SubjectKind},
};
use shuyu_kernel::{Id as _, ResourceId};

use crate::{
    step::Step,
    world::{World, name},
};

/// The column that figures are made by, and its values.
pub const BY: &str = "area";
/// See [`BY`].
pub const AREAS: [&str; 3] = ["north", "south", "west"];
/// How many rows each area has: more than any threshold asks for.
const ROWS: usize = 45;

impl World {
    /// Something is done to a resource.
    pub(super) async fn resource(&mut self) -> Option<Step> {
        match self.dice.below(10) {
            0..4 => Some(self.register_resource().await),
            4..8 => self.go_on_with_resource().await,
            _ => self.upset_resource().await,
        }
    }

    async fn register_resource(&mut self) -> Step {
        let actor = self.who(&["provider"]).await;
        let description = self.description();
        let what = format!("{} by {}", description.name, name(&actor));
        let done = self.app.register_resource(&actor, description).await;
        Step::new("resource.register", what, done)
    }

    /// What leads to publication: a draft is handed in.
    async fn go_on_with_resource(&mut self) -> Option<Step> {
        let drafted = |it: &Resource| {
            matches!(it.status, Status::Draft | Status::Changed { .. } | Status::Returned { .. })
                && it.dataset.is_some()
        };
        let (id, resource) = self.seek::<Resource>(drafted).await?;
        let actor = self.who_of(resource.provider).await;
        let done = self.app.change_resource(&actor, id, Command::Submit).await;
        Some(Step::new("resource.submit", format!("{id} by {}", name(&actor)), done))
    }

    async fn upset_resource(&mut self) -> Option<Step> {
        let id: ResourceId = self.some::<Resource>();
        let owner = self.find::<Resource>(id).await.map(|it| it.provider);
        let (verb, command) = match self.dice.below(12) {
            0..5 => ("amend", Command::Amend(Box::new(self.description()))),
            5..9 => ("return", Command::Return { reason: "not whole".to_owned() }),
            9 => ("retire", Command::Retire { reason: "no longer kept".to_owned() }),
            10 => {
                let content = shuyu_kernel::ContentHash::of(b"forged");
                let case = shuyu_kernel::CaseId::from_u128(self.dice.number());
                ("publish", Command::Publish { case, content })
            }
            _ => {
                let dataset = shuyu_kernel::DatasetId::from_u128(self.dice.number());
                ("attach_dataset", Command::AttachDataset { dataset })
            }
        };
        let actor = match (verb, owner) {
            ("return", _) => self.who(&["authority"]).await,
            (_, Some(owner)) => self.who_of(owner).await,
            (_, None) => self.anybody().await,
        };
        let done = self.raw::<Resource>(&actor, id, command).await;
        Some(Step::new(format!("resource.{verb}"), format!("{id} by {}", name(&actor)), done))
    }

    /// A delivery: mostly a good one, sometimes one that cannot be read.
    pub(super) async fn deliver(&mut self) -> Option<Step> {
        let without = |it: &Resource| it.dataset.is_none();
        let (id, resource) = self.seek::<Resource>(without).await?;
        let actor = self.who_of(resource.provider).await;
        let csv =
            if self.dice.chance(80) { rows(&mut |n| self.dice.below(n)) } else { vec![0xff; 9] };
        let done = self.app.deliver(&actor, id, Cursor::new(csv)).await;
        let what = format!("{id} by {}", name(&actor));
        Some(Step::new("dataset.deliver", what, done))
    }

    /// The profile of a delivery, or its refused rows, are read.
    pub(super) async fn read_data(&mut self) -> Option<Step> {
        let with = |it: &Resource| it.dataset.is_some();
        let (id, resource) = self.seek::<Resource>(with).await?;
        let actor = self.who_of(resource.provider).await;
        let what = format!("{id} by {}", name(&actor));
        Some(if self.dice.chance(50) {
            Step::new("dataset.read_profile", what, self.app.profile(&actor, id).await)
        } else {
            Step::new("dataset.read_quarantine", what, self.app.quarantine(&actor, id).await)
        })
    }

    /// A description, mostly a whole one.
    fn description(&mut self) -> Description {
        let number = self.dice.below(100_000);
        let class = |parameter: &str| {
            let known = self.law().parameter(parameter)?;
            known.ids().iter().find(|id| **id != "not_shared").map(|id| (*id).to_owned())
        };
        let (sharing_class, opening_class) = (class("sharing_classes"), class("opening_classes"));
        let field = |name: &str, kind: &str, role, required| Field {
            name: name.to_owned(),
            meaning: name.to_owned(),
            kind: kind.to_owned(),
            role,
            classification: String::new(),
            required,
        };
        let mut description = Description {
            name: format!("visits_{number}"),
            title: "visits".to_owned(),
            fields: vec![
                field("person", "text", FieldRole::Identifier, true),
                field(BY, "text", FieldRole::Dimension, true),
                field("fee", "integer", FieldRole::Measure, false),
            ],
            subject: Some(Subject { kind: SubjectKind::NaturalPerson, key: "person".to_owned() }),
            level: u8::try_from(1 + self.dice.below(3)).unwrap_or(1),
            sharing_class,
            opening_class,
            not_shared_basis: None,
            update_cycle: "daily".to_owned(),
            source_system: "registry".to_owned(),
            origin: None,
            excluded: BTreeSet::new(),
        };
        if self.dice.chance(12) {
            match self.dice.below(4) {
                0 => description.level = 9,
                1 => description.fields.clear(),
                2 => description.title.clear(),
                _ => {
                    description.subject = Some(Subject {
                        kind: SubjectKind::NaturalPerson,
                        key: "nobody".to_owned(),
                    });
                }
            }
        }
        description
    }
}

fn rows(below: &mut impl FnMut(usize) -> usize) -> Vec<u8> {
    let mut text = format!("person,{BY},fee\n");
    for (place, area) in AREAS.iter().enumerate() {
        for row in 0..ROWS {
            text.push_str(&format!("p{place}x{row},{area},{}\n", 10 + below(90)));
        }
    }
    text.into_bytes()
}
