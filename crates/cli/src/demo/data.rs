//! What the agencies of the demonstration supply.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    path::{Path, PathBuf},
};

use chrono::NaiveDate;
use serde_json::json;
use shuyu_catalogue::resource::{Command, Description, Field, FieldRole, Subject, SubjectKind};
use shuyu_enclave::HIGHEST_LEVEL;
use shuyu_kernel::{OrganisationId, ResourceId};
use shuyu_vault::{DatasetSpec, FieldSpec, FieldType, parse_specs, propose};

use super::{Errand, Failed, Stage};

/// Files larger than this are passed over when a folder is not described: the demonstration
/// proposes a declaration by reading each file once more.
const LARGEST_PROPOSED: u64 = 512 << 20;

/// Where the data of the run come from.
pub(super) struct Source {
    dir: PathBuf,
    specs: Vec<DatasetSpec>,
}

/// A resource that was supplied.
pub(super) struct Supplied {
    pub(super) resource: ResourceId,
    pub(super) provider: OrganisationId,
    pub(super) title: String,
    pub(super) spec: DatasetSpec,
    pub(super) rows: u64,
    pub(super) quarantined: u64,
    /// The dimension with few values that the figures are made by.
    by: Option<String>,
}

impl Source {
    /// The data of a synthetic city, which is generated beside the deployment.
    pub(super) fn generate(dir: &Path, persons: u64, seed: u64) -> Result<Self, Failed> {
        let city = dir.join("supplied");
        let start = NaiveDate::from_ymd_opt(2023, 1, 1).ok_or("no such day")?;
        shuyu_generate::generate(&shuyu_generate::Plan { persons, seed, start }, &city)?;
        Self::read(&city)
    }

    /// The data of a folder.
    pub(super) fn read(dir: &Path) -> Result<Self, Failed> {
        let declared = dir.join("datasets.toml");
        let mut specs = if declared.is_file() {
            parse_specs(&fs::read_to_string(&declared)?)?
        } else {
            proposed(dir)?
        };
        for spec in &mut specs {
            if spec.provider.is_empty() {
                "数据提供单位".clone_into(&mut spec.provider);
            }
        }
        if specs.is_empty() {
            return Err(format!("{} holds no CSV file", dir.display()).into());
        }
        Ok(Self { dir: dir.to_owned(), specs })
    }

    /// The names of the agencies that supply.
    pub(super) fn providers(&self) -> BTreeSet<String> {
        self.specs.iter().map(|spec| spec.provider.clone()).collect()
    }
}

/// Days and instants are dimensions, too, but have too many values.
fn is_grouped_by(field: &FieldSpec) -> bool {
    !matches!(field.kind, FieldType::Date | FieldType::Timestamp | FieldType::Decimal)
}

fn proposed(dir: &Path) -> Result<Vec<DatasetSpec>, Failed> {
    let mut files: Vec<PathBuf> = Vec::new();
    gather(dir, &mut files)?;
    files.sort();
    let mut specs = Vec::new();
    let mut names = BTreeSet::new();
    for path in files {
        if path.metadata()?.len() > LARGEST_PROPOSED {
            continue;
        }
        let mut spec = propose(&path)?;
        spec.file = path.strip_prefix(dir)?.display().to_string();
        let name = spec.name.clone();
        let mut number = 2;
        while !names.insert(spec.name.clone()) {
            spec.name = format!("{name}_{number}");
            number += 1;
        }
        specs.push(spec);
    }
    Ok(specs)
}

fn gather(dir: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failed> {
    for entry in fs::read_dir(dir).map_err(|error| format!("{}: {error}", dir.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            gather(&path, files)?;
        } else if path.extension().is_some_and(|it| it.eq_ignore_ascii_case("csv")) {
            files.push(path);
        }
    }
    Ok(())
}

/// The resource that the rest of the run is about: one with subjects to protect, and something to
/// group by, if there is one. Of the highest level nothing is shown, so it is left out.
pub(super) fn choose(supplied: &[Supplied]) -> Result<&Supplied, Failed> {
    if supplied.iter().all(|it| it.spec.level >= HIGHEST_LEVEL) {
        return Err("all files stand at the highest level, of which no figure may be shown".into());
    }
    let usable = |it: &&Supplied| it.by.is_some() && it.rows > 0 && it.spec.level < HIGHEST_LEVEL;
    let protected = |it: &&Supplied| usable(it) && it.spec.subject_key.is_some();
    supplied
        .iter()
        .find(protected)
        .or_else(|| supplied.iter().find(usable))
        .ok_or_else(|| "none of the files has a column to make figures by".into())
}

impl Supplied {
    /// The column that figures are made by.
    pub(super) fn dimension(&self) -> &str {
        self.by.as_deref().unwrap_or_default()
    }

    /// The first column that can be summed.
    pub(super) fn measure(&self) -> Option<&str> {
        let found = self.spec.fields.iter().find(|it| it.role == shuyu_vault::FieldRole::Measure);
        found.map(|field| field.name.as_str())
    }

    /// Another dimension, finer than the first.
    pub(super) fn second_dimension(&self) -> Option<&str> {
        let found = self.spec.fields.iter().find(|it| {
            it.role == shuyu_vault::FieldRole::Dimension
                && it.name != self.dimension()
                && is_grouped_by(it)
        });
        found.map(|field| field.name.as_str())
    }

    /// A column that is there and is not asked for.
    pub(super) fn ungranted(&self) -> Option<&str> {
        let granted = self.columns();
        let found = self.spec.fields.iter().find(|it| !granted.contains(&it.name));
        found.map(|field| field.name.as_str())
    }

    /// The columns that the scenario needs: what figures are made by, of what, and whose.
    pub(super) fn columns(&self) -> Vec<String> {
        let mut columns = vec![self.dimension().to_owned()];
        columns.extend(self.second_dimension().map(str::to_owned));
        columns.extend(self.measure().map(str::to_owned));
        columns.extend(self.spec.subject_key.clone());
        columns
    }
}

impl Stage {
    pub(super) async fn supply(&mut self, source: &Source) -> Result<Vec<Supplied>, Failed> {
        let mut supplied = Vec::new();
        for spec in &source.specs {
            let member = self.cast.provider(&spec.provider)?.clone();
            let actor = &member.actor;
            let description = self.description(spec);
            let id = self.app.register_resource(actor, description).await?;
            let path = source.dir.join(&spec.file);
            let file = File::open(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            let delivered = self.app.deliver(actor, id, file).await?;
            self.app.change_resource(actor, id, Command::Submit).await?;
            let what = format!(
                "registers `{}` and uploads it: {} rows, {} in quarantine, {}",
                spec.name, delivered.rows, delivered.quarantined, delivered.profile.encoding
            );
            self.told(&member.name, &what).await?;
            let parties = [actor.organisation];
            let errand = Errand {
                subject: Some(id.to_string()),
                parties: parties.to_vec(),
                ..Errand::new("resource", &spec.name)
            }
            .give("resource", id.to_string());
            self.run(errand).await?;
            // Few values, so that figures are of many: the fewest above one.
            let by = delivered
                .profile
                .columns
                .iter()
                .zip(&spec.fields)
                .filter(|(column, field)| {
                    field.role == shuyu_vault::FieldRole::Dimension
                        && is_grouped_by(field)
                        && column.distinct > 1
                        && column.distinct * 20 <= delivered.rows.max(40)
                })
                .max_by_key(|(column, _)| column.distinct.min(40))
                .map(|(column, _)| column.name.clone());
            supplied.push(Supplied {
                resource: id,
                provider: actor.organisation,
                title: spec.title.en.clone(),
                spec: spec.clone(),
                rows: delivered.rows,
                quarantined: delivered.quarantined,
                by,
            });
        }
        Ok(supplied)
    }

    fn description(&self, spec: &DatasetSpec) -> Description {
        let law = self.app.law();
        let class = |parameter: &str, wanted: &str| {
            law.parameter(parameter).map(|it| {
                let ids = it.ids();
                let found = ids.iter().find(|id| **id == wanted).or(ids.first());
                found.map_or_else(|| wanted.to_owned(), |id| (*id).to_owned())
            })
        };
        let kind =
            |kind: FieldType| json!(kind).as_str().map_or_else(|| "text".to_owned(), str::to_owned);
        Description {
            name: spec.name.clone(),
            title: spec.title.zh.clone(),
            fields: spec
                .fields
                .iter()
                .map(|field| Field {
                    name: field.name.clone(),
                    meaning: if field.title.is_empty() {
                        field.name.clone()
                    } else {
                        field.title.clone()
                    },
                    kind: kind(field.kind),
                    role: match field.role {
                        shuyu_vault::FieldRole::Identifier => FieldRole::Identifier,
                        shuyu_vault::FieldRole::Dimension => FieldRole::Dimension,
                        shuyu_vault::FieldRole::Measure => FieldRole::Measure,
                        shuyu_vault::FieldRole::Text => FieldRole::Text,
                    },
                    classification: String::new(),
                    required: field.required,
                })
                .collect(),
            subject: spec.subject_key.clone().map(|key| Subject {
                key,
                kind: match spec.subject_kind {
                    shuyu_vault::SubjectKind::Enterprise => SubjectKind::LegalPerson,
                    shuyu_vault::SubjectKind::Person | shuyu_vault::SubjectKind::None => {
                        SubjectKind::NaturalPerson
                    }
                },
            }),
            level: spec.level,
            sharing_class: class("sharing_classes", &spec.sharing),
            opening_class: class("opening_classes", &spec.opening),
            not_shared_basis: None,
            update_cycle: spec.update_cycle.clone(),
            source_system: spec.provider.clone(),
            origin: None,
            excluded: BTreeSet::new(),
        }
    }
}
