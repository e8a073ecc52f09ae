//! Where the data of granted tables come from.

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use shuyu_store::Desk;
use shuyu_vault::{Dataset, Vault};

use crate::{
    DatasetVersion, Held, Item, Objection, SubjectKind, domain::not_comparable, enclave::Source,
    label::Label, rules::QUERY_COMPLETED,
};

/// The current versions in the vault, each with the granted columns, those by which its rows are
/// chosen, and no others.
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
                .chain(item.barrier.scope.keys().filter(|name| {
                    item.columns.get(*name).is_none_or(|label| *label == Label::Blocked)
                }))
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

    async fn held(
        &self,
        version: DatasetVersion,
        columns: &BTreeSet<String>,
    ) -> Result<Held, Objection> {
        let found = self.desk.find::<Dataset>(version.dataset).await;
        let dataset = found.ok().flatten().map(|(_, dataset)| dataset);
        let manifest = dataset.as_ref().and_then(|dataset| dataset.version(version.version));
        let manifest = manifest.ok_or_else(not_comparable)?;
        let fields = manifest.fields.iter().map(|field| &field.name);
        let columns: Vec<&String> = fields.filter(|name| columns.contains(*name)).collect();
        let table = self.vault.table(manifest, &columns).await.map_err(|error| {
            tracing::warn!(%error, ?version, "a version that answers are about cannot be opened");
            not_comparable()
        })?;
        let kind = match manifest.subject_kind {
            shuyu_vault::SubjectKind::Person => Some(SubjectKind::Person),
            shuyu_vault::SubjectKind::Enterprise => Some(SubjectKind::Enterprise),
            shuyu_vault::SubjectKind::None => None,
        };
        Ok(Held { table, subject: kind.zip(manifest.subject_key.clone()) })
    }
}
