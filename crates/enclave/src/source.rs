//! Where the data of granted tables come from.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use shuyu_store::Desk;
use shuyu_vault::{Dataset, Vault};

use crate::{
    DatasetVersion, Item, Objection, enclave::Source, label::Label, rules::QUERY_COMPLETED,
};

/// The current versions in the vault, each with the granted columns and no others.
pub(crate) struct VaultSource {
    pub(crate) desk: Desk,
    pub(crate) vault: Vault,
}

#[async_trait]
impl Source for VaultSource {
    async fn tables(
        &self,
        items: &[Item],
    ) -> Result<Vec<(Item, DatasetVersion, Arc<dyn TableProvider>)>, Objection> {
        let absent =
            || Objection::new(QUERY_COMPLETED, "a granted dataset has no version to work on");
        let mut tables = Vec::new();
        for item in items {
            let found = self.desk.find::<Dataset>(item.dataset).await.map_err(|_| absent())?;
            let (_, dataset) = found.ok_or_else(absent)?;
            let manifest = dataset.current().ok_or_else(absent)?;
            let columns: Vec<&String> = item
                .columns
                .iter()
                .filter(|(_, label)| !matches!(label, Label::Blocked))
                .map(|(name, _)| name)
                .collect();
            let table = self.vault.table(manifest, &columns).await.map_err(|error| {
                tracing::warn!(%error, dataset = %item.dataset, "a granted table cannot be opened");
                absent()
            })?;
            let version = DatasetVersion { dataset: item.dataset, version: manifest.version };
            tables.push((item.clone(), version, table));
        }
        Ok(tables)
    }
}
