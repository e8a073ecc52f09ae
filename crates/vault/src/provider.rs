//! A dataset version as a table of the query engine: only the columns given, and nothing about
//! their values but the rows themselves.
//!
//! **Invariant:** no statistics, ordering, file name or filter passes the scan in either
//! direction: the optimiser learns nothing from the stored values, and no expression is
//! evaluated below the scan.

use std::{fmt, sync::Arc};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::{
    catalog::{Session, TableProvider},
    common::{
        DataFusionError,
        config::{ConfigOptions, EncryptionFactoryOptions},
        tree_node::TreeNodeRecursion,
    },
    datasource::{
        TableType,
        listing::PartitionedFile,
        physical_plan::{FileScanConfigBuilder, ParquetSource},
        source::DataSourceExec,
    },
    error::Result,
    execution::{
        SendableRecordBatchStream, TaskContext, object_store::ObjectStoreUrl,
        parquet_encryption::EncryptionFactory,
    },
    logical_expr::Expr,
    physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr},
    physical_plan::{
        DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties,
        execution_plan::{Boundedness, EmissionType},
        metrics::MetricsSet,
    },
};
use object_store::path::Path;
use parquet::encryption::{decrypt::FileDecryptionProperties, encrypt::FileEncryptionProperties};
use shuyu_kernel::DatasetId;

use crate::{KeyId, Manifest, Part, Vault, VaultError, vault::decryption};

/// One version, seen through the columns that someone was given.
pub(crate) struct VersionTable {
    vault: Vault,
    dataset: DatasetId,
    version: u32,
    key: KeyId,
    path: String,
    size_bytes: u64,
    schema: SchemaRef,
}

impl fmt::Debug for VersionTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VersionTable({}, {})", self.dataset, self.version)
    }
}

impl VersionTable {
    pub(crate) fn new(
        vault: Vault,
        manifest: &Manifest,
        columns: &[impl AsRef<str>],
    ) -> crate::Result<Self> {
        let rows = manifest.object(Part::Rows).ok_or(VaultError::NoSuchPart {
            dataset: manifest.dataset,
            version: manifest.version,
            part: Part::Rows.name(),
        })?;
        let mut fields = Vec::new();
        for column in columns {
            let column = column.as_ref();
            let field =
                manifest.fields.iter().find(|field| field.name == column).ok_or_else(|| {
                    VaultError::NoSuchColumn {
                        dataset: manifest.dataset,
                        version: manifest.version,
                        column: column.to_owned(),
                    }
                })?;
            fields.push(Field::new(column, read_type(field.data_type()), true));
        }
        Ok(Self {
            vault,
            dataset: manifest.dataset,
            version: manifest.version,
            key: manifest.key,
            path: rows.path.clone(),
            size_bytes: rows.size_bytes,
            schema: Arc::new(Schema::new(fields)),
        })
    }

    /// The engine's own scan of the file, which [`VersionScan`] encloses.
    fn file_scan(
        &self,
        projection: Option<&Vec<usize>>,
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let source = ParquetSource::new(self.schema.clone())
            .with_pushdown_filters(false)
            .with_enable_page_index(false)
            .with_encryption_factory(Arc::new(VersionKey {
                vault: self.vault.clone(),
                key: self.key,
                of: (self.dataset, self.version),
            }));
        let config = FileScanConfigBuilder::new(self.url()?, Arc::new(source))
            .with_file(PartitionedFile::new(self.path.clone(), self.size_bytes))
            .with_limit(limit)
            .with_projection_indices(projection.cloned())?
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }

    fn url(&self) -> Result<ObjectStoreUrl> {
        ObjectStoreUrl::parse(&self.vault.inner.url)
    }
}

/// How the engine reads a stored type: texts as views, which it groups and compares faster.
fn read_type(stored: DataType) -> DataType {
    if stored == DataType::Utf8 { DataType::Utf8View } else { stored }
}

#[async_trait]
impl TableProvider for VersionTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        // Asked again at each use: a key destroyed since the table was made ends it.
        self.vault
            .keyring()
            .unlock(self.key)
            .await
            .map_err(|error| DataFusionError::External(error.into()))?;
        let inner = self.file_scan(projection, limit)?;
        Ok(Arc::new(VersionScan::new(self.vault.clone(), self.url()?, inner)))
    }
}

/// Gives the engine the key of one version when it opens that version's file.
struct VersionKey {
    vault: Vault,
    key: KeyId,
    of: (DatasetId, u32),
}

impl fmt::Debug for VersionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VersionKey(..)")
    }
}

#[async_trait]
impl EncryptionFactory for VersionKey {
    async fn get_file_encryption_properties(
        &self,
        _config: &EncryptionFactoryOptions,
        _schema: &SchemaRef,
        _path: &Path,
    ) -> Result<Option<Arc<FileEncryptionProperties>>> {
        Err(DataFusionError::NotImplemented("a version is immutable".into()))
    }

    async fn get_file_decryption_properties(
        &self,
        _config: &EncryptionFactoryOptions,
        _path: &Path,
    ) -> Result<Option<Arc<FileDecryptionProperties>>> {
        let external = |error: VaultError| DataFusionError::External(error.into());
        let key = self.vault.keyring().unlock(self.key).await.map_err(external)?;
        decryption(self.of, &key).map(Some).map_err(external)
    }
}

/// The scan of a version: encloses the engine's file scan so that nothing passes but rows.
struct VersionScan {
    vault: Vault,
    url: ObjectStoreUrl,
    inner: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
}

impl VersionScan {
    fn new(vault: Vault, url: ObjectStoreUrl, inner: Arc<dyn ExecutionPlan>) -> Self {
        let partitions = inner.properties().partitioning.partition_count();
        let properties = PlanProperties::new(
            EquivalenceProperties::new(inner.schema()),
            Partitioning::UnknownPartitioning(partitions),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self { vault, url, inner, properties: Arc::new(properties) }
    }
}

impl fmt::Debug for VersionScan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VersionScan")
    }
}

impl DisplayAs for VersionScan {
    fn fmt_as(&self, _t: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VersionScan")
    }
}

impl ExecutionPlan for VersionScan {
    fn name(&self) -> &'static str {
        "VersionScan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    /// None: what is enclosed is not for the optimiser to see.
    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn with_new_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    /// What was read, for the platform's own account; no operator of a query sees it.
    fn metrics(&self) -> Option<MetricsSet> {
        self.inner.metrics()
    }

    /// More partitions by ranges of the file: nothing but its length decides.
    fn repartitioned(
        &self,
        target_partitions: usize,
        config: &ConfigOptions,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        Ok(self.inner.repartitioned(target_partitions, config)?.map(|inner| {
            Arc::new(Self::new(self.vault.clone(), self.url.clone(), inner))
                as Arc<dyn ExecutionPlan>
        }))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        context
            .runtime_env()
            .register_object_store(self.url.as_ref(), self.vault.inner.store.clone());
        self.inner.execute(partition, context)
    }
}
