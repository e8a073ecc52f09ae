//! A granted table as the engine sees it: granted columns only, bands instead of values, and no
//! expression, statistic or constraint crosses in either direction.

use std::{collections::BTreeMap, sync::Arc};

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::{
    catalog::{Session, TableProvider},
    common::{DFSchema, DataFusionError, Result, ScalarValue, plan_datafusion_err},
    logical_expr::{Expr, TableProviderFilterPushDown, TableType, col, ident, lit, when},
    physical_expr::expressions::Column,
    physical_plan::{ExecutionPlan, PhysicalExpr, projection::ProjectionExec},
};

use crate::{Band, Item, Label};

/// The barrier between the vault and an operator's query.
#[derive(Debug)]
pub(crate) struct Governed {
    inner: Arc<dyn TableProvider>,
    schema: SchemaRef,
    /// For each granted column: where it is in the table below, and its bands.
    columns: Vec<(usize, Vec<Band>)>,
}

impl Governed {
    /// The granted columns of `inner`. A granted column that is not there is an error.
    pub(crate) fn new(inner: Arc<dyn TableProvider>, item: &Item) -> Result<Self> {
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
            fields.push(if bands.is_empty() {
                let field = below.field(index);
                Arc::new(Field::new(name, field.data_type().clone(), true))
            } else {
                Arc::new(Field::new(name, DataType::Utf8, true))
            });
            columns.push((index, bands));
        }
        Ok(Self { inner, schema: Arc::new(Schema::new(fields)), columns })
    }
}

/// The name of the band in which a value lies; none if it lies in no band.
pub(crate) fn band_expression(name: &str, data_type: &DataType, bands: &[Band]) -> Result<Expr> {
    let bound = |text: &str| -> Result<Expr> {
        Ok(lit(ScalarValue::try_from_string(text.to_owned(), data_type)?))
    };
    let mut cases = None::<datafusion::logical_expr::conditional_expressions::CaseBuilder>;
    for band in bands {
        let mut condition = ident(name).is_not_null();
        if let Some(from) = &band.from {
            condition = condition.and(ident(name).gt_eq(bound(from)?));
        }
        if let Some(below) = &band.below {
            condition = condition.and(ident(name).lt(bound(below)?));
        }
        let label = lit(band.label.clone());
        cases = Some(match cases {
            None => when(condition, label),
            Some(mut cases) => cases.when(condition, label),
        });
    }
    cases.map_or_else(|| Ok(col(name)), |cases| cases.end())
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
        let chosen: Vec<(usize, &[Band], &str)> = wanted
            .iter()
            .map(|index| {
                let (below, bands) = self.columns.get(*index).ok_or_else(unknown)?;
                Ok((*below, bands.as_slice(), self.schema.field(*index).name().as_str()))
            })
            .collect::<Result<_>>()?;
        let below: Vec<usize> = chosen.iter().map(|(below, ..)| *below).collect();
        let input = self.inner.scan(session, Some(&below), &[], None).await?;
        if chosen.iter().all(|(_, bands, _)| bands.is_empty()) {
            return Ok(input);
        }
        let below_schema = input.schema();
        let frame = DFSchema::try_from(below_schema.as_ref().clone())?;
        let expressions: Vec<(Arc<dyn PhysicalExpr>, String)> = chosen
            .iter()
            .enumerate()
            .map(|(position, (_, bands, name))| {
                let expression: Arc<dyn PhysicalExpr> = if bands.is_empty() {
                    Arc::new(Column::new(name, position))
                } else {
                    let data_type = below_schema.field(position).data_type();
                    session
                        .create_physical_expr(band_expression(name, data_type, bands)?, &frame)?
                };
                Ok::<_, DataFusionError>((expression, (*name).to_owned()))
            })
            .collect::<Result<_>>()?;
        Ok(Arc::new(ProjectionExec::try_new(expressions, input)?))
    }
}
