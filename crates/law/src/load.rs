//! From files to law: a city's pack laid over the baseline.

use std::{collections::BTreeMap, sync::Arc};

use serde::Deserialize;

use crate::{
    BASELINE, Binding, Clause, ClauseId, Forms, Law, PackError, Packs, Parameter, Policies,
    Procedure, RuleText,
    pack::{PackFiles, is_proof},
    regulation::Head,
    source::{Step, dates_as_texts, line_of, parse},
};

/// One pack by itself, parsed.
#[derive(Debug, Clone)]
pub(crate) struct Pack {
    pub(crate) head: Head,
    pub(crate) parameters: BTreeMap<String, Parameter>,
    pub(crate) clauses: Vec<Clause>,
    pub(crate) rules: BTreeMap<String, RuleText>,
    pub(crate) bindings: Vec<Binding>,
    pub(crate) procedures: BTreeMap<String, Procedure>,
    pub(crate) policies: Option<(String, String)>,
    pub(crate) proofs: Vec<ProofHead>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClauseFile {
    #[serde(default)]
    clause: Vec<Clause>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct BindingFile {
    #[serde(default)]
    binding: Vec<Binding>,
}

/// What is read here of a proof that stands beside a pack: which clauses it proves. Whoever runs
/// proofs reads the rest.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ProofHead {
    pub(crate) name: String,
    pub(crate) clauses: Vec<ClauseId>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProofFile {
    #[serde(default)]
    proof: Vec<ProofHead>,
}

impl Pack {
    pub(crate) fn parse(name: &str, files: &PackFiles) -> Result<Self, PackError> {
        let path = |file: &str| format!("{name}/{file}");
        let Some(text) = files.get("pack.toml") else {
            return Err(PackError::invalid(&path("pack.toml"), 1, "this file is missing"));
        };
        let head: Head = parse(&path("pack.toml"), text)?;
        if head.pack.id != name {
            let line = line_of(text, &[Step::Key("pack"), Step::Key("id")]);
            let message =
                format!("the id of the pack is `{}`, its folder is `{name}`", head.pack.id);
            return Err(PackError::invalid(&path("pack.toml"), line, message));
        }
        let mut pack = Self {
            head,
            parameters: BTreeMap::new(),
            clauses: Vec::new(),
            rules: BTreeMap::new(),
            bindings: Vec::new(),
            procedures: BTreeMap::new(),
            policies: None,
            proofs: Vec::new(),
        };
        for (file, text) in files {
            pack.take(&path(file), file, text)?;
        }
        Ok(pack)
    }

    fn take(&mut self, path: &str, file: &str, text: &str) -> Result<(), PackError> {
        match file {
            "pack.toml" => {}
            "parameters.toml" => {
                self.parameters = parse(path, text)?;
                for parameter in self.parameters.values_mut() {
                    dates_as_texts(&mut parameter.value);
                }
            }
            "clauses.toml" => self.clauses = parse::<ClauseFile>(path, text)?.clause,
            "rules.toml" => self.rules = parse(path, text)?,
            "bindings.toml" => self.bindings = parse::<BindingFile>(path, text)?.binding,
            "policies.cedar" => self.policies = Some((path.to_owned(), text.to_owned())),
            _ if is_proof(file) => {
                self.proofs.extend(parse::<ProofFile>(path, text)?.proof);
            }
            _ => {
                let id = file.strip_prefix("procedures/").and_then(|id| id.strip_suffix(".toml"));
                let Some(id) = id else {
                    let message = "a pack has no such file; it has pack.toml, parameters.toml, \
                                   clauses.toml, rules.toml, bindings.toml, policies.cedar, \
                                   procedures/<id>.toml and proofs/<name>.toml";
                    return Err(PackError::invalid(path, 1, message));
                };
                self.take_procedure(path, id, text)?;
            }
        }
        Ok(())
    }

    fn take_procedure(&mut self, path: &str, id: &str, text: &str) -> Result<(), PackError> {
        let mut procedure: Procedure = parse(path, text)?;
        if procedure.id != id {
            let line = line_of(text, &[Step::Key("id")]);
            let message = format!("the id is `{}`, the file is named `{id}.toml`", procedure.id);
            return Err(PackError::invalid(path, line, message));
        }
        for (index, stage) in procedure.stages.iter_mut().enumerate() {
            if stage.outcomes.is_empty() {
                let line = line_of(text, &[Step::Key("stage"), Step::Index(index)]);
                let message = format!("the stage `{}` has no outcome", stage.id);
                return Err(PackError::invalid(path, line, message));
            }
            if let Some(form) = &mut stage.form {
                dates_as_texts(form);
            }
        }
        if procedure.stages.is_empty() {
            return Err(PackError::invalid(path, 1, "a procedure has at least one stage"));
        }
        self.procedures.insert(id.to_owned(), procedure);
        Ok(())
    }
}

impl Packs {
    /// The law of `city`: its pack laid over the baseline. Parameters, rules, terms, roles and
    /// procedures replace those of the same name; clauses, bindings and policies are added.
    pub fn load(&self, city: &str) -> Result<Law, PackError> {
        let version = self.version(city)?;
        let base = Pack::parse(BASELINE, self.files(BASELINE)?)?;
        let own = if city == BASELINE { None } else { Some(Pack::parse(city, self.files(city)?)?) };
        let sources: Vec<&(String, String)> =
            own.iter().chain([&base]).filter_map(|pack| pack.policies.as_ref()).collect();
        let policies = Policies::parse(&sources)?;
        let mut law = Law {
            version,
            city: city.to_owned(),
            utc_offset_hours: base.head.pack.utc_offset_hours.unwrap_or_default(),
            calendar: base.head.calendar,
            parameters: base.parameters,
            procedures: base.procedures,
            clauses: base.clauses,
            bindings: base.bindings,
            rules: base.rules,
            terms: base.head.terms,
            regulation: base.head.pack,
            roles: base.head.roles,
            policies: Arc::new(policies),
            forms: Arc::new(Forms::default()),
        };
        if let Some(own) = own {
            law.overlay(own);
        }
        law.forms = Arc::new(Forms::prepare(&law.procedures, &law.parameters));
        Ok(law)
    }
}

impl Law {
    /// The law of `city` by the packs that are built in.
    pub fn load(city: &str) -> Result<Self, PackError> {
        Packs::embedded().load(city)
    }

    fn overlay(&mut self, own: Pack) {
        let Pack {
            head,
            parameters,
            mut clauses,
            rules,
            mut bindings,
            procedures,
            policies: _,
            proofs: _,
        } = own;
        if let Some(hours) = head.pack.utc_offset_hours {
            self.utc_offset_hours = hours;
        }
        self.regulation = head.pack;
        self.calendar.holidays.extend(head.calendar.holidays);
        self.calendar.workdays.extend(head.calendar.workdays);
        self.terms.extend(head.terms);
        self.roles.extend(head.roles);
        self.parameters.extend(parameters);
        self.rules.extend(rules);
        self.procedures.extend(procedures);
        clauses.append(&mut self.clauses);
        self.clauses = clauses;
        bindings.append(&mut self.bindings);
        self.bindings = bindings;
    }
}
