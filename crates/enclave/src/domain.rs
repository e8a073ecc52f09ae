//! The tables of a grant as one closed catalogue, and the one way from a text to a plan.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use datafusion::{
    catalog::{
        CatalogProvider, MemoryCatalogProvider, MemoryCatalogProviderList, MemorySchemaProvider,
        SchemaProvider, TableProvider,
    },
    execution::{SessionState, SessionStateBuilder, runtime_env::RuntimeEnv},
    logical_expr::LogicalPlan,
    prelude::SessionConfig,
    sql::parser::Statement,
};
use serde::{Deserialize, Serialize};
use shuyu_kernel::{DatasetId, ScenarioId};
use shuyu_law::{Cause, Law, Refusal, Rule};

use crate::{
    ColumnOf, Item, Mark, Parameter, SubjectKind,
    consent::{Book, Consented, History},
    cost::Meter,
    enclave::Source,
    governed::Governed,
    program,
    rules::{GRANTED_NAMES, JOB_PARAMETERS, NO_DIFFERENCING, ONE_QUERY, QUERY_COMPLETED},
    stop::{FiltersAboveJoins, Stop, Stops},
    text,
};

/// A version of a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DatasetVersion {
    /// The dataset.
    pub dataset: DatasetId,
    /// Its version, from 1.
    pub version: u32,
}

/// Why the checker refuses: a rule, and in plain words what is wrong and what would pass. It is
/// made from the query and the grant alone, never from the data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objection {
    /// The rule.
    pub rule: Rule,
    /// What is wrong, and what would pass.
    pub detail: String,
    /// Which column would reach what by which way, and what would pass instead.
    pub cause: Cause,
}

impl Objection {
    pub(crate) fn new(rule: Rule, detail: impl Into<String>) -> Self {
        Self { rule, detail: detail.into(), cause: Cause::default() }
    }

    /// Names the column, as `table.column`, and the nodes on its way, from the scan upwards.
    #[must_use]
    pub(crate) fn about(mut self, column: impl Into<String>, path: &[&str]) -> Self {
        self.cause.column = Some(column.into());
        self.cause.path = path.iter().map(|step| (*step).to_owned()).collect();
        self
    }

    /// Says what would pass instead.
    #[must_use]
    pub(crate) fn passing(mut self, what: impl Into<String>) -> Self {
        self.cause.passes = Some(what.into());
        self
    }

    /// The refusal under a law.
    pub fn refusal(&self, law: &Law) -> Refusal {
        let refusal = law.refuse(self.rule, &[]).because(self.detail.clone());
        if self.cause == Cause::default() { refusal } else { refusal.caused(self.cause.clone()) }
    }
}

/// What the engine says of itself may quote data, so all of it becomes one constant sentence.
pub(crate) fn constant_error(error: &datafusion::common::DataFusionError) -> Objection {
    tracing::debug!(target: "shuyu_enclave::engine", %error, "the engine could not complete a query");
    Objection::new(QUERY_COMPLETED, "the query could not be completed")
}

/// Why an answer is refused beside which an earlier one cannot be laid: on the safe side.
pub(crate) fn not_comparable() -> Objection {
    Objection::new(
        NO_DIFFERENCING,
        "with an answer given before, this answer could single out too few subjects",
    )
}

/// A granted table at a version.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) item: Item,
    pub(crate) version: DatasetVersion,
    /// The granted columns as they lie in the vault.
    pub(crate) provider: Arc<dyn TableProvider>,
    /// The consents by which its rows are chosen, if they are.
    pub(crate) consented: Option<Consented>,
}

impl Table {
    /// The values that its rows must have.
    pub(crate) fn scope(&self) -> impl Iterator<Item = (ColumnOf, BTreeSet<String>)> {
        self.item.barrier.scope.iter().map(|(column, values)| {
            (ColumnOf { source: self.version, column: column.clone() }, values.clone())
        })
    }
}

/// A dataset version as the platform itself holds it, to compare answers with: no query names it.
#[derive(Debug, Clone)]
pub struct Held {
    /// Those of the columns asked for that the version has.
    pub table: Arc<dyn TableProvider>,
    /// Whom it is about, and the column that says so.
    pub subject: Option<(SubjectKind, String)>,
}

/// The tables of one grant at fixed versions: all that a query can name.
#[derive(Clone)]
pub struct Domain {
    pub(crate) state: SessionState,
    pub(crate) tables: BTreeMap<String, Table>,
    /// Where other versions and columns are found, which answers given before are about.
    source: Option<Arc<dyn Source>>,
    /// Where consents are found, by which the rows of those answers were chosen.
    book: Option<Book>,
}

/// The consents to each scenario that a grant's tables are chosen by.
pub(crate) type Histories = BTreeMap<ScenarioId, Arc<History>>;

impl std::fmt::Debug for Domain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Domain").field("tables", &self.tables.keys()).finish_non_exhaustive()
    }
}

impl Domain {
    /// The granted tables, each with its full data behind its barrier. Where rows are chosen by
    /// consents, nobody has consented.
    ///
    /// # Errors
    ///
    /// An objection if a granted column is not in the data.
    pub fn new(
        runtime: Arc<RuntimeEnv>,
        tables: Vec<(Item, DatasetVersion, Arc<dyn TableProvider>)>,
    ) -> Result<Self, Objection> {
        Self::consented(runtime, tables, &Histories::new())
    }

    /// The same, with rows of those who have consented.
    pub(crate) fn consented(
        runtime: Arc<RuntimeEnv>,
        tables: Vec<(Item, DatasetVersion, Arc<dyn TableProvider>)>,
        histories: &Histories,
    ) -> Result<Self, Objection> {
        let schema = MemorySchemaProvider::new();
        let mut granted = BTreeMap::new();
        for (item, version, provider) in tables {
            let consented = item.barrier.consent.and_then(|scenario| {
                let (history, key) = (histories.get(&scenario)?, item.subject_key.clone()?);
                let mark = Mark { scenario, number: history.number, key };
                Some(Consented { history: Arc::clone(history), mark })
            });
            let governed = Governed::new(Arc::clone(&provider), &item, consented.clone())
                .map_err(|error| constant_error(&error))?;
            schema
                .register_table(item.table.clone(), Arc::new(governed))
                .map_err(|error| constant_error(&error))?;
            let name = item.table.clone();
            granted.insert(name, Table { item, version, provider, consented });
        }
        let catalog = MemoryCatalogProvider::new();
        let list = MemoryCatalogProviderList::new();
        catalog
            .register_schema("granted", Arc::new(schema))
            .map_err(|error| constant_error(&error))?;
        datafusion::catalog::CatalogProviderList::register_catalog(
            &list,
            "domain".to_owned(),
            Arc::new(catalog),
        );
        let config = SessionConfig::new()
            .with_default_catalog_and_schema("domain", "granted")
            .with_create_default_catalog_and_schema(false)
            .with_information_schema(false);
        let state = SessionStateBuilder::new_with_default_features()
            .with_config(config)
            .with_runtime_env(runtime)
            .with_optimizer_rule(Arc::new(FiltersAboveJoins))
            .with_physical_optimizer_rule(Arc::new(Stops))
            .with_catalog_list(Arc::new(list))
            // No table function, no file format: nothing but the granted tables can be read.
            .with_table_functions(std::collections::HashMap::new())
            .with_file_formats(Vec::new())
            .build();
        Ok(Self { state, tables: granted, source: None, book: None })
    }

    /// The same tables, for work that ends when it must.
    pub(crate) fn until(mut self, stop: &Arc<Stop>) -> Self {
        self.state.config_mut().set_extension(Arc::clone(stop));
        self
    }

    /// The same tables, what is read of them counted.
    pub(crate) fn counted_by(mut self, meter: &Arc<Meter>) -> Self {
        self.state.config_mut().set_extension(Arc::clone(meter));
        self
    }

    /// The same tables, beside all that answers given before are about.
    pub(crate) fn beside(self, source: Arc<dyn Source>, book: Book) -> Self {
        Self { source: Some(source), book: Some(book), ..self }
    }

    /// The consents to a scenario, as they are and were.
    pub(crate) async fn history(&self, scenario: ScenarioId) -> Result<Arc<History>, Objection> {
        let book = self.book.as_ref().ok_or_else(not_comparable)?;
        book.history(scenario).await.map(Arc::new).map_err(|_| not_comparable())
    }

    /// A dataset version with these columns, whatever the grant holds of it, to compare answers.
    pub(crate) async fn held(
        &self,
        version: DatasetVersion,
        columns: &BTreeSet<String>,
    ) -> Result<Held, Objection> {
        let granted = self.tables.values().find(|table| table.version == version);
        if let Some(Table { item, provider, .. }) = granted {
            let schema = provider.schema();
            if columns.iter().all(|column| schema.index_of(column).is_ok()) {
                let subject = item.subject_kind.zip(item.subject_key.clone());
                return Ok(Held { table: Arc::clone(provider), subject });
            }
        }
        match &self.source {
            Some(source) => source.held(version, columns).await,
            None => Err(not_comparable()),
        }
    }

    /// How many rows the tables of these names have together.
    pub(crate) fn rows_of(&self, names: &[String], rows: &BTreeMap<DatasetVersion, u64>) -> u64 {
        let versions = names.iter().filter_map(|name| self.tables.get(name));
        versions.filter_map(|table| rows.get(&table.version)).sum()
    }

    /// The dataset versions of the tables.
    pub(crate) fn versions(&self) -> BTreeSet<DatasetVersion> {
        self.tables.values().map(|table| table.version).collect()
    }

    /// The plan of one query, resolved against the granted tables and not yet optimised.
    ///
    /// Unknown and ungranted names are refused in the same words.
    pub(crate) async fn resolve(&self, sql: &str) -> Result<LogicalPlan, Objection> {
        self.plan(text::query_of(sql)?).await
    }

    /// The plan of a job's statements, with its parameters put in: what is checked has no
    /// placeholder any more.
    pub(crate) async fn resolve_script(
        &self,
        sql: &str,
        parameters: &BTreeMap<String, Parameter>,
    ) -> Result<LogicalPlan, Objection> {
        let script = text::script_of(sql)?;
        if let Some(name) = script.tables.iter().find(|name| self.tables.contains_key(*name)) {
            return Err(Objection::new(
                ONE_QUERY,
                format!("a temporary table cannot be called `{name}`: a granted table is"),
            ));
        }
        text::check_placeholders(&script.statement)?;
        let plan = self.plan(script.statement).await?;
        plan.with_param_values(program::values(parameters)?).map_err(|_| {
            Objection::new(
                JOB_PARAMETERS,
                "a parameter that the statements name has no value, or one of another type",
            )
        })
    }

    async fn plan(&self, statement: Statement) -> Result<LogicalPlan, Objection> {
        self.state.statement_to_plan(statement).await.map_err(|_| {
            Objection::new(
                GRANTED_NAMES,
                "the query cannot be resolved: a name that is not granted, or a form that is not known",
            )
        })
    }
}
