//! Cedar policies, and the permissions that they give.
//!
//! **Invariant:** only the policies that name the requested action are evaluated, so the time of
//! a ruling does not grow with the pack; what is granted are entities, never policies.
//!
//! **Invariant:** whatever no policy permits is refused, and a prohibition that cannot be
//! evaluated prohibits.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    str::FromStr,
};

use cedar_policy::{
    ActionConstraint, Authorizer, Context, Decision, Effect, Entities, Entity, EntityId,
    EntityTypeName, EntityUid, Policy, PolicyId, PolicySet, Request as CedarRequest,
    RestrictedExpression, ffi::DetailedError,
};

use crate::{
    Attribute, Attributes, ClauseId, Law, PackError, Permit, Refusal, Request, Rule, Text,
    source::{line_at, line_with},
};

/// No policy permits the act.
pub const NOT_PERMITTED: Rule = Rule::new("not-permitted");

/// A policy prohibits the act.
pub const FORBIDDEN_BY_POLICY: Rule = Rule::new("forbidden-by-policy");

/// The rules that the law itself enforces.
pub const RULES: &[Rule] = &[NOT_PERMITTED, FORBIDDEN_BY_POLICY];

/// What a policy says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyNote {
    /// Its `@id`.
    pub id: String,
    /// Its `@clauses`.
    pub clauses: Vec<ClauseId>,
    /// Its `@rule`: the rule in whose words a prohibition refuses, if not the general one.
    pub rule: Option<String>,
    /// Whether it prohibits.
    pub forbids: bool,
    /// The actions that it names; empty: every action.
    pub actions: Vec<String>,
    /// The file that it stands in.
    pub file: String,
    /// The line of its `@id`.
    pub line: usize,
}

/// The policies of a pack and of the baseline, by the action that they speak of.
#[derive(Debug)]
pub struct Policies {
    notes: BTreeMap<String, PolicyNote>,
    by_action: HashMap<String, PolicySet>,
    /// The policies that name no action; asked for every action that no policy names.
    general: PolicySet,
    names: Names,
    authorizer: Authorizer,
}

/// The names of Cedar's types and attributes, parsed once.
#[derive(Debug)]
struct Names {
    person: EntityTypeName,
    entity: EntityTypeName,
    action: EntityTypeName,
}

impl Policies {
    /// The policies of these files, each a path and a text.
    pub(crate) fn parse(files: &[&(String, String)]) -> Result<Self, PackError> {
        let mut policies = Self {
            notes: BTreeMap::new(),
            by_action: HashMap::new(),
            general: PolicySet::new(),
            names: Names::parse()?,
            authorizer: Authorizer::new(),
        };
        let mut parsed = Vec::new();
        for (file, text) in files {
            policies.parse_file(file, text, &mut parsed)?;
        }
        let actions: HashSet<String> =
            policies.notes.values().flat_map(|note| note.actions.iter().cloned()).collect();
        for (id, policy) in parsed {
            let named = policies.notes.get(&id).map(|note| note.actions.clone());
            let named = named.unwrap_or_default();
            if named.is_empty() {
                add(&mut policies.general, &policy)?;
            }
            let spoken_of: Vec<&String> =
                if named.is_empty() { actions.iter().collect() } else { named.iter().collect() };
            for action in spoken_of {
                add(policies.by_action.entry(action.clone()).or_default(), &policy)?;
            }
        }
        Ok(policies)
    }

    fn parse_file(
        &mut self,
        file: &str,
        text: &str,
        parsed: &mut Vec<(String, Policy)>,
    ) -> Result<(), PackError> {
        let set = PolicySet::from_str(text).map_err(|errors| {
            let error = DetailedError::from(&errors);
            let place = error
                .source_locations
                .first()
                .or_else(|| error.related.first().and_then(|one| one.source_locations.first()));
            let line = place.map_or(1, |label| line_at(text, label.loc.start));
            PackError::invalid(file, line, error.message.replace('\n', "; "))
        })?;
        if let Some(template) = set.templates().next() {
            let line = line_with(text, &format!("@id(\"{}\")", template.id()));
            return Err(PackError::invalid(file, line, "a policy has no slots such as ?principal"));
        }
        for policy in set.policies() {
            let note = note(file, text, policy)?;
            let id = note.id.clone();
            let line = note.line;
            if let Some(other) = self.notes.insert(id.clone(), note) {
                let message = format!("the policy `{id}` is also at {}:{}", other.file, other.line);
                return Err(PackError::invalid(file, line, message));
            }
            parsed.push((id.clone(), policy.new_id(PolicyId::new(&id))));
        }
        Ok(())
    }

    /// What each policy says of itself, by id.
    pub fn notes(&self) -> impl Iterator<Item = &PolicyNote> {
        self.notes.values()
    }

    /// What the policy of this id says of itself.
    pub fn note(&self, id: &str) -> Option<&PolicyNote> {
        self.notes.get(id)
    }

    /// The policy of this id in Cedar's JSON form.
    pub(crate) fn body(&self, id: &str) -> Option<serde_json::Value> {
        let id = PolicyId::new(id);
        self.by_action
            .values()
            .chain([&self.general])
            .find_map(|set| set.policy(&id))
            .and_then(|policy| policy.to_json().ok())
    }

    fn clauses_of<'a>(&self, ids: impl Iterator<Item = &'a String>) -> Vec<ClauseId> {
        let mut clauses: Vec<ClauseId> = Vec::new();
        for clause in ids.filter_map(|id| self.notes.get(id)).flat_map(|note| &note.clauses) {
            if !clauses.contains(clause) {
                clauses.push(clause.clone());
            }
        }
        clauses
    }
}

/// Puts a policy into a set; the same policy named twice is put in once.
fn add(set: &mut PolicySet, policy: &Policy) -> Result<(), PackError> {
    if set.policy(policy.id()).is_some() {
        return Ok(());
    }
    set.add(policy.clone())
        .map_err(|error| PackError::invalid("policies.cedar", 1, error.to_string()))
}

fn note(file: &str, text: &str, policy: &Policy) -> Result<PolicyNote, PackError> {
    let Some(id) = policy.annotation("id").filter(|id| !id.is_empty()) else {
        let words = policy.to_string();
        let first = words.lines().next().unwrap_or_default();
        let line = line_with(text, first);
        return Err(PackError::invalid(file, line, "a policy has an @id(\"…\") of its own"));
    };
    let needle = format!("@id(\"{id}\")");
    // Of two policies with one id, the error stands at the second.
    let line = text.rfind(&needle).map_or(1, |offset| line_at(text, offset));
    let invalid = |message: String| PackError::invalid(file, line, message);
    let actions = match policy.action_constraint() {
        ActionConstraint::Any => Vec::new(),
        ActionConstraint::In(actions) => actions,
        ActionConstraint::Eq(action) => vec![action],
    };
    let actions: Vec<String> =
        actions.iter().map(|action| action.id().unescaped().to_owned()).collect();
    let forbids = policy.effect() == Effect::Forbid;
    if actions.is_empty() && !forbids {
        return Err(invalid(format!(
            "the policy `{id}` permits every action: name those it means"
        )));
    }
    let clauses = policy.annotation("clauses").unwrap_or_default();
    Ok(PolicyNote {
        id: id.to_owned(),
        clauses: clauses
            .split(',')
            .map(str::trim)
            .filter(|clause| !clause.is_empty())
            .map(ClauseId::from)
            .collect(),
        rule: policy.annotation("rule").filter(|rule| !rule.is_empty()).map(str::to_owned),
        forbids,
        actions,
        file: file.to_owned(),
        line,
    })
}

impl Names {
    fn parse() -> Result<Self, PackError> {
        let name = |name: &str| {
            EntityTypeName::from_str(name)
                .map_err(|error| PackError::invalid("policies.cedar", 1, error.to_string()))
        };
        Ok(Self { person: name("Person")?, entity: name("Entity")?, action: name("Action")? })
    }

    fn uid(kind: &EntityTypeName, id: impl AsRef<str>) -> EntityUid {
        EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
    }
}

fn expression(attribute: &Attribute) -> RestrictedExpression {
    match attribute {
        Attribute::Flag(flag) => RestrictedExpression::new_bool(*flag),
        Attribute::Number(number) => RestrictedExpression::new_long(*number),
        Attribute::Text(text) => RestrictedExpression::new_string(text.clone()),
        Attribute::Set(items) => RestrictedExpression::new_set(
            items.iter().map(|item| RestrictedExpression::new_string(item.clone())),
        ),
    }
}

impl Law {
    /// Whether the policies permit what is asked, and on which clauses.
    ///
    /// What no policy permits is refused by [`NOT_PERMITTED`]. What a policy prohibits is refused
    /// on that policy's clauses, in the words of its `@rule` or else of [`FORBIDDEN_BY_POLICY`].
    pub fn authorise(&self, request: &Request<'_>) -> Result<Permit, Refusal> {
        let policies = self.policies.as_ref();
        let asked = policies.by_action.get(request.action).unwrap_or(&policies.general);
        let response = policies.ask(request, asked).map_err(|error| {
            self.refuse(NOT_PERMITTED, &[("action", request.action)]).because(error)
        })?;
        let mut reasons: Vec<String> =
            response.diagnostics().reason().map(ToString::to_string).collect();
        reasons.sort();
        let unevaluated: Vec<String> = response
            .diagnostics()
            .errors()
            .map(|error| match error {
                cedar_policy::AuthorizationError::PolicyEvaluationError(error) => {
                    error.policy_id().to_string()
                }
            })
            .filter(|id| policies.note(id).is_none_or(|note| note.forbids))
            .collect();
        if !unevaluated.is_empty() {
            let detail = format!(
                "`{}` cannot be evaluated on what is known of the case: it tests an attribute \
                 that is absent or of another type",
                unevaluated.join("`, `")
            );
            return Err(self.forbidden(&unevaluated).because(detail));
        }
        match response.decision() {
            Decision::Allow => {
                Ok(Permit { clauses: policies.clauses_of(reasons.iter()), policies: reasons })
            }
            Decision::Deny if reasons.is_empty() => Err(self.not_permitted(request)),
            Decision::Deny => Err(self.forbidden(&reasons)),
        }
    }

    fn forbidden(&self, policies: &[String]) -> Refusal {
        let rule = policies
            .iter()
            .filter_map(|id| self.policies.note(id))
            .find_map(|note| note.rule.as_deref());
        let named = policies.join(", ");
        let details = [("policy", named.as_str())];
        let mut refusal = match rule {
            Some(rule) => self.refuse_named(rule, &details),
            None => self.refuse(FORBIDDEN_BY_POLICY, &details),
        };
        let clauses = self.policies.clauses_of(policies.iter());
        if !clauses.is_empty() {
            refusal.clauses = clauses;
        }
        refusal
    }

    fn not_permitted(&self, request: &Request<'_>) -> Refusal {
        let roles: Vec<&str> = request.actor.roles.iter().map(shuyu_kernel::Role::as_str).collect();
        let refusal = self.refuse(NOT_PERMITTED, &[("action", request.action)]);
        let could: Vec<&str> = self
            .policies
            .notes()
            .filter(|note| !note.forbids && note.actions.iter().any(|one| one == request.action))
            .map(|note| note.id.as_str())
            .collect();
        let held = if roles.is_empty() { "no role".to_owned() } else { roles.join(", ") };
        refusal.because(if could.is_empty() {
            format!("no policy of this pack speaks of `{}`", request.action)
        } else {
            format!(
                "`{}` is not permitted to {held} here; the policies that could permit it: {}",
                request.action,
                could.join(", ")
            )
        })
    }

    /// What the policies are, by their own notes.
    pub fn policies(&self) -> &Policies {
        &self.policies
    }

    /// The refusal of the rule of this name, as the pack words it.
    pub fn refuse_named(&self, rule: &str, details: &[(&str, &str)]) -> Refusal {
        let fill = |words: &str| {
            details.iter().fold(words.to_owned(), |words, (name, value)| {
                words.replace(&format!("{{{name}}}"), value)
            })
        };
        match self.rules.get(rule) {
            Some(text) => Refusal {
                rule: rule.to_owned(),
                clauses: text.clauses.clone(),
                code: text.code.clone(),
                message: Text { zh: fill(&text.message.zh), en: fill(&text.message.en) },
                detail: None,
                cause: None,
            },
            None => Refusal {
                rule: rule.to_owned(),
                clauses: Vec::new(),
                code: None,
                message: Text { zh: rule.to_owned(), en: rule.replace('-', " ") },
                detail: None,
                cause: None,
            },
        }
    }
}

impl Policies {
    fn ask(
        &self,
        request: &Request<'_>,
        asked: &PolicySet,
    ) -> Result<cedar_policy::Response, String> {
        let names = &self.names;
        let actor = request.actor;
        let person = actor.person.to_string();
        let principal = Names::uid(&names.person, &person);
        let resource = Names::uid(&names.entity, request.resource);
        let kind = request.action.split('.').next().unwrap_or_default();
        let principal_attributes = HashMap::from([
            ("person".to_owned(), RestrictedExpression::new_string(person)),
            (
                "organisation".to_owned(),
                RestrictedExpression::new_string(actor.organisation.to_string()),
            ),
            (
                "roles".to_owned(),
                RestrictedExpression::new_set(
                    actor
                        .roles
                        .iter()
                        .map(|role| RestrictedExpression::new_string(role.as_str().to_owned())),
                ),
            ),
        ]);
        let mut resource_attributes = pairs(request.attributes);
        resource_attributes
            .insert("id".to_owned(), RestrictedExpression::new_string(request.resource.to_owned()));
        resource_attributes
            .insert("kind".to_owned(), RestrictedExpression::new_string(kind.to_owned()));
        let words = |error: &dyn std::error::Error| error.to_string();
        let entities = [
            Entity::new(principal.clone(), principal_attributes, HashSet::new())
                .map_err(|error| words(&error))?,
            Entity::new(resource.clone(), resource_attributes, HashSet::new())
                .map_err(|error| words(&error))?,
        ];
        let entities = Entities::from_entities(entities, None).map_err(|error| words(&error))?;
        let context = Context::from_pairs(pairs(request.context)).map_err(|error| words(&error))?;
        let action = Names::uid(&names.action, request.action);
        let query = CedarRequest::new(principal, action, resource, context, None)
            .map_err(|error| words(&error))?;
        Ok(self.authorizer.is_authorized(&query, asked, &entities))
    }
}

fn pairs(attributes: &Attributes) -> HashMap<String, RestrictedExpression> {
    attributes.iter().map(|(name, value)| (name.clone(), expression(value))).collect()
}
