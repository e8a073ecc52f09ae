//! A granted table as the engine sees it: granted columns and rows only, masks and bands instead
//! of values, and no expression, limit, statistic or constraint crosses in either direction.
//!
//! **Invariant:** what is above the barrier meets batches that have been filtered and masked
//! already. The optimiser sees one opaque operator: it can push nothing into it or through it.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray},
    compute::{cast, filter_record_batch},
    datatypes::{DataType, Field, FieldRef, Schema, SchemaRef},
    record_batch::{RecordBatch, RecordBatchOptions},
};
use async_trait::async_trait;
use datafusion::{
    catalog::{Session, TableProvider},
    common::{
        DFSchema, DataFusionError, Result, plan_datafusion_err, tree_node::TreeNodeRecursion,
    },
    execution::{SendableRecordBatchStream, TaskContext},
    logical_expr::{Expr, TableProviderFilterPushDown, TableType},
    physical_expr::EquivalenceProperties,
    physical_plan::{
        DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, Partitioning,
        PhysicalExpr, PlanProperties, stream::RecordBatchStreamAdapter,
    },
};
use futures::StreamExt;

use crate::{Band, Item, Label, Mask, barrier::sight, consent::Consented};

/// A granted column: where it is in the table below, and through what it is seen.
#[derive(Debug, Clone)]
struct Seen {
    below: usize,
    bands: Vec<Band>,
    mask: Option<Mask>,
}

/// Which rows are there.
#[derive(Debug, Clone, Default)]
struct Rows {
    /// The values, as texts, that columns of the table below must have.
    scope: Vec<(usize, Arc<HashSet<String>>)>,
    /// Whose rows: by the column of the table below that says so; none: nobody's.
    consent: Option<(usize, Option<Consented>)>,
}

/// The barrier between the vault and an operator's query.
#[derive(Debug)]
pub(crate) struct Governed {
    inner: Arc<dyn TableProvider>,
    schema: SchemaRef,
    columns: Vec<Seen>,
    rows: Rows,
}

impl Governed {
    /// The granted columns and rows of `inner`. A column that is granted or needed to choose rows
    /// and is not there is an error, and so is a mask that does not fit. Where rows are chosen by
    /// consents and none are given, there are none.
    pub(crate) fn new(
        inner: Arc<dyn TableProvider>,
        item: &Item,
        consented: Option<Consented>,
    ) -> Result<Self> {
        let below = inner.schema();
        let labels: BTreeMap<_, _> =
            item.columns.iter().filter(|(_, label)| **label != Label::Blocked).collect();
        let mut fields: Vec<FieldRef> = Vec::with_capacity(labels.len());
        let mut columns = Vec::with_capacity(labels.len());
        for (name, label) in labels {
            let index = below.index_of(name)?;
            let bands = match label {
                Label::Dimension { bands, .. } => bands.clone(),
                Label::Measure { .. } | Label::Join | Label::Blocked => Vec::new(),
            };
            let mask = item.barrier.masks.get(name).copied();
            let data_type = below.field(index).data_type();
            let is_seen_as_it_is = sight(name, data_type, &bands, mask)?.is_none();
            let shown = if is_seen_as_it_is { data_type.clone() } else { DataType::Utf8 };
            fields.push(Arc::new(Field::new(name, shown, true)));
            columns.push(Seen { below: index, bands, mask });
        }
        let mut rows = Rows::default();
        for (name, values) in &item.barrier.scope {
            let values = values.iter().cloned().collect();
            rows.scope.push((below.index_of(name)?, Arc::new(values)));
        }
        if item.barrier.consent.is_some() {
            let key = item.subject_key.as_deref();
            let key = key.ok_or_else(|| plan_datafusion_err!("rows of nobody need no consent"))?;
            rows.consent = Some((below.index_of(key)?, consented));
        }
        Ok(Self { inner, schema: Arc::new(Schema::new(fields)), columns, rows })
    }

    /// All columns of `inner` as they are, and the rows of those who have consented: what answers
    /// given before were about.
    pub(crate) fn chosen(inner: Arc<dyn TableProvider>, consented: Consented) -> Result<Self> {
        let schema = inner.schema();
        let seen = |below| Seen { below, bands: Vec::new(), mask: None };
        let columns = (0..schema.fields().len()).map(seen).collect();
        let key = schema.index_of(&consented.mark.key)?;
        let rows = Rows { scope: Vec::new(), consent: Some((key, Some(consented))) };
        Ok(Self { inner, schema, columns, rows })
    }
}

#[async_trait]
impl TableProvider for Governed {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Unsupported; filters.len()])
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let wanted: Vec<usize> =
            projection.cloned().unwrap_or_else(|| (0..self.columns.len()).collect());
        let unknown = || plan_datafusion_err!("unknown column");
        let mut below: Vec<usize> = Vec::new();
        let mut place = |column: usize| {
            below.iter().position(|other| *other == column).unwrap_or_else(|| {
                below.push(column);
                below.len() - 1
            })
        };
        let mut chosen: Vec<(usize, &Seen, &str)> = Vec::with_capacity(wanted.len());
        for index in &wanted {
            let seen = self.columns.get(*index).ok_or_else(unknown)?;
            chosen.push((place(seen.below), seen, self.schema.field(*index).name()));
        }
        let rows = Rows {
            scope: (self.rows.scope.iter())
                .map(|(column, values)| (place(*column), Arc::clone(values)))
                .collect(),
            consent: (self.rows.consent.as_ref())
                .map(|(column, consented)| (place(*column), consented.clone())),
        };
        let input = self.inner.scan(session, Some(&below), &[], None).await?;
        let below = input.schema();
        let frame = DFSchema::try_from(below.as_ref().clone())?;
        let views = chosen
            .iter()
            .map(|(position, seen, name)| {
                let data_type = below.field(*position).data_type();
                let sight = sight(name, data_type, &seen.bands, seen.mask)?;
                Ok::<_, DataFusionError>(View {
                    position: *position,
                    sight: sight
                        .map(|sight| session.create_physical_expr(sight, &frame))
                        .transpose()?,
                })
            })
            .collect::<Result<_>>()?;
        let schema = Arc::new(self.schema.project(&wanted)?);
        Ok(Arc::new(BarrierExec::new(input, Arc::new(Passage { schema, views, rows }))))
    }
}

/// A column that is handed on.
#[derive(Debug)]
struct View {
    position: usize,
    /// Through what it is seen; none: as it is.
    sight: Option<Arc<dyn PhysicalExpr>>,
}

/// What is done to a batch at the barrier. Columns are places in the batch.
#[derive(Debug)]
struct Passage {
    schema: SchemaRef,
    views: Vec<View>,
    rows: Rows,
}

impl Passage {
    fn pass(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let mut kept = batch.clone();
        for (column, values) in &self.rows.scope {
            kept = choose(&kept, *column, |value| values.contains(value))?;
        }
        if let Some((column, consented)) = &self.rows.consent {
            kept = choose(&kept, *column, |subject| {
                consented.as_ref().is_some_and(|consented| consented.holds(subject))
            })?;
        }
        let columns: Vec<ArrayRef> = self
            .views
            .iter()
            .map(|view| match &view.sight {
                None => Ok(Arc::clone(kept.column(view.position))),
                Some(sight) => {
                    let seen = sight.evaluate(&kept)?.into_array(kept.num_rows())?;
                    Ok(cast(&seen, &DataType::Utf8)?)
                }
            })
            .collect::<Result<_>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(kept.num_rows()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }
}

/// The rows in which a column, as a text, is wanted. Absent values are not.
fn choose(
    batch: &RecordBatch,
    column: usize,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<RecordBatch> {
    let texts = cast(batch.column(column), &DataType::Utf8)?;
    let texts = texts.as_string::<i32>();
    let wanted: BooleanArray = (0..texts.len())
        .map(|row| Some(texts.is_valid(row) && is_wanted(texts.value(row))))
        .collect();
    Ok(filter_record_batch(batch, &wanted)?)
}

/// The barrier as an operator. It tells nothing of itself but its columns: no statistics, no
/// order, no place where a filter, a limit or a projection could be put in.
#[derive(Debug)]
struct BarrierExec {
    input: Arc<dyn ExecutionPlan>,
    passage: Arc<Passage>,
    properties: Arc<PlanProperties>,
}

impl BarrierExec {
    fn new(input: Arc<dyn ExecutionPlan>, passage: Arc<Passage>) -> Self {
        let partitions = input.output_partitioning().partition_count();
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&passage.schema)),
            Partitioning::UnknownPartitioning(partitions),
            input.pipeline_behavior(),
            input.boundedness(),
        );
        Self { input, passage, properties: Arc::new(properties) }
    }
}

impl DisplayAs for BarrierExec {
    fn fmt_as(&self, _t: DisplayFormatType, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Barrier")
    }
}

impl ExecutionPlan for BarrierExec {
    fn name(&self) -> &'static str {
        "Barrier"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let one = || plan_datafusion_err!("one child");
        let input = children.into_iter().next().ok_or_else(one)?;
        Ok(Arc::new(Self::new(input, Arc::clone(&self.passage))))
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let passage = Arc::clone(&self.passage);
        let batches = self.input.execute(partition, context)?;
        let passed = batches.map(move |batch| passage.pass(&batch?));
        let schema = Arc::clone(&self.passage.schema);
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, passed)))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        sync::{Mutex, PoisonError},
    };

    use arrow::array::{Float64Array, StringArray};
    use datafusion::{datasource::MemTable, physical_plan::displayable, prelude::SessionContext};
    use shuyu_kernel::{DatasetId, Id as _, ResourceId};

    use super::*;
    use crate::{Barrier, SubjectKind};

    const SECRET: &str = "330106199002291234";

    /// The number of filters and the limit of each scan.
    type Asked = Arc<Mutex<Vec<(usize, Option<usize>)>>>;

    /// A table that notes what a scan of it is asked for.
    #[derive(Debug)]
    struct Watched {
        rows: MemTable,
        asked: Asked,
    }

    #[async_trait]
    impl TableProvider for Watched {
        fn schema(&self) -> SchemaRef {
            self.rows.schema()
        }

        fn table_type(&self) -> TableType {
            TableType::Base
        }

        async fn scan(
            &self,
            session: &dyn Session,
            projection: Option<&Vec<usize>>,
            filters: &[Expr],
            limit: Option<usize>,
        ) -> Result<Arc<dyn ExecutionPlan>> {
            self.asked.lock().unwrap_or_else(PoisonError::into_inner).push((filters.len(), limit));
            self.rows.scan(session, projection, filters, limit).await
        }
    }

    /// Nine of ten rows are within the scope; in the others there is somebody to be found out.
    fn batch() -> RecordBatch {
        let hidden = |n: i32| n % 10 == 9;
        let ids = (0..1_000).map(|n| if hidden(n) { SECRET.to_owned() } else { format!("p{n}") });
        let districts = (0..1_000).map(|n| if hidden(n) { "XIHU" } else { "BINJIANG" });
        let incomes = (0..1_000).map(|n| if hidden(n) { 876_543.0 } else { f64::from(n) });
        RecordBatch::try_from_iter([
            ("id_no", Arc::new(ids.map(Some).collect::<StringArray>()) as ArrayRef),
            ("district", Arc::new(districts.map(Some).collect::<StringArray>()) as _),
            ("income", Arc::new(incomes.map(Some).collect::<Float64Array>()) as _),
        ])
        .expect("a batch")
    }

    fn item() -> Item {
        let scope = BTreeSet::from(["BINJIANG".to_owned()]);
        Item {
            resource: ResourceId::from_u128(1),
            dataset: DatasetId::from_u128(1),
            table: "persons".to_owned(),
            columns: BTreeMap::from([
                ("id_no".to_owned(), Label::Join),
                ("district".to_owned(), Label::dimension()),
                ("income".to_owned(), Label::measure()),
            ]),
            subject_key: Some("id_no".to_owned()),
            subject_kind: Some(SubjectKind::Person),
            facts: BTreeMap::new(),
            barrier: Barrier {
                scope: BTreeMap::from([("district".to_owned(), scope)]),
                ..Barrier::default()
            },
        }
    }

    /// The governed table, what was asked of the one below, and the latter beside it.
    fn world() -> (SessionContext, Asked) {
        let (batch, asked) = (batch(), Asked::default());
        let table =
            || MemTable::try_new(batch.schema(), vec![vec![batch.clone()]]).expect("a table");
        let watched = Watched { rows: table(), asked: Arc::clone(&asked) };
        let governed = Governed::new(Arc::new(watched), &item(), None).expect("a governed table");
        let context = SessionContext::new();
        context.register_table("persons", Arc::new(governed)).expect("registered");
        context.register_table("bare", Arc::new(table())).expect("registered");
        (context, asked)
    }

    /// E17: an expression that fails on hidden rows, and says what is in them.
    fn attack(table: &str) -> String {
        format!(
            "SELECT district, count(*) AS n FROM {table} WHERE CAST(CASE WHEN district = 'XIHU' \
             THEN 'id=' || id_no || ';income=' || CAST(income AS VARCHAR) ELSE '1' END AS BIGINT) \
             = 1 GROUP BY district"
        )
    }

    #[tokio::test]
    async fn no_expression_meets_a_row_outside_of_the_scope() {
        let (context, _) = world();
        let view = "CREATE VIEW seen AS SELECT * FROM bare WHERE district = 'BINJIANG'";
        context.sql(view).await.expect("a view").collect().await.expect("made");
        let bare = context.sql(&attack("seen")).await.expect("a plan").collect().await;
        let told = bare.expect_err("a view is no barrier").to_string();
        assert!(told.contains(SECRET), "the control must leak: {told}");
        let batches = context.sql(&attack("persons")).await.expect("a plan").collect().await;
        let rows: usize = batches.expect("no row fails").iter().map(RecordBatch::num_rows).sum();
        assert_eq!(rows, 1);
    }

    #[tokio::test]
    async fn no_filter_limit_or_statistic_crosses_the_barrier() {
        let (context, asked) = world();
        let count = async |sql: &str| {
            let frame = context.sql(sql).await.expect("a plan");
            let plan = frame.clone().create_physical_plan().await.expect("a physical plan");
            let shown = displayable(plan.as_ref()).indent(false).to_string();
            assert!(shown.contains("Barrier"), "{sql}: {shown}");
            assert!(!shown.contains("PlaceholderRow"), "{sql} was answered by statistics: {shown}");
            let batches = frame.collect().await.expect("rows");
            batches.iter().map(RecordBatch::num_rows).sum::<usize>()
        };
        assert_eq!(count("SELECT district FROM persons LIMIT 7").await, 7);
        assert_eq!(count("SELECT district FROM persons WHERE income > 500.0 LIMIT 3").await, 3);
        assert_eq!(count("SELECT income FROM persons ORDER BY income DESC LIMIT 2").await, 2);
        for figure in ["count(*)", "max(income)", "min(id_no)"] {
            assert_eq!(count(&format!("SELECT {figure} AS f FROM persons")).await, 1);
        }
        let joined = "SELECT count(*) AS n FROM persons p JOIN bare b ON p.id_no = b.id_no \
                      WHERE b.income > 990.0";
        assert_eq!(count(joined).await, 1);
        let asked = asked.lock().expect("not poisoned").clone();
        assert!(asked.len() >= 14, "{asked:?}");
        assert!(asked.iter().all(|it| *it == (0, None)), "{asked:?}");
    }

    #[tokio::test]
    async fn without_consents_there_are_no_rows_and_a_mask_fits_its_column() {
        let batch = batch();
        let table =
            || MemTable::try_new(batch.schema(), vec![vec![batch.clone()]]).expect("a table");
        let mut item = item();
        item.barrier.consent = Some(shuyu_kernel::ScenarioId::from_u128(1));
        let governed = Governed::new(Arc::new(table()), &item, None).expect("a governed table");
        let context = SessionContext::new();
        context.register_table("persons", Arc::new(governed)).expect("registered");
        let batches = context.sql("SELECT district FROM persons").await.expect("a plan");
        assert!(batches.collect().await.expect("rows").iter().all(|batch| batch.num_rows() == 0));
        item.barrier.masks.insert("district".to_owned(), Mask::Year);
        assert!(Governed::new(Arc::new(table()), &item, None).is_err(), "a district has no year");
    }
}
