//! Proving: the ledger as files that anyone can verify, proofs, and the check of everything.

use std::{fs, io, path::Path};

use serde_json::json;
use shuyu_kernel::Actor;
use shuyu_law::Rule;
use shuyu_ledger::{Bundle, BundleError, HashSuite, InclusionProof, ProofError, Tile, Tree};
use shuyu_store::{Entry, Fault, Filter, StoreError, StreamId};
use shuyu_vault::{Dataset, DatasetState, Swept};

use super::{App, OpenError};

/// The rule on which proving rests: the log can be verified, and state follows from it.
pub(super) const LEDGER_PROVES: Rule = Rule::new("ledger-proves");

/// Why something cannot be proved.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The proof asked for does not exist.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// An entry is too large for a bundle.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The file system failed.
    #[error("the ledger's files: {0}")]
    Io(#[from] io::Error),
}

impl App {
    /// Checks the whole history and every state against it.
    pub async fn verify(&self) -> Result<Vec<Fault>, StoreError> {
        self.desk().verify().await
    }

    /// Reads every version in the vault as it is kept, and says what is missing, altered or can
    /// no longer be opened. What was destroyed is not looked for.
    pub async fn verify_vault(&self) -> Result<Vec<String>, StoreError> {
        let mut faults = Vec::new();
        for (id, dataset) in self.desk().list::<Dataset>(&Filter::default()).await? {
            let is_kept = matches!(dataset.state, DatasetState::Open | DatasetState::Sealed { .. });
            for manifest in dataset.manifests().iter().filter(|_| is_kept) {
                let opened = self.vault().keyring().unlock(manifest.key).await.map(drop);
                for outcome in [opened, self.vault().verify(manifest).await] {
                    if let Err(error) = outcome {
                        let version = manifest.version;
                        faults.push(format!("version {version} of {id}: {error}"));
                    }
                }
            }
        }
        Ok(faults)
    }

    /// Destroys what the vault has put aside because no dataset version is known to use it. Refused
    /// while the ledger does not verify or does not continue what was witnessed: versions that it
    /// forgot would go with the rest. What was destroyed stands in the log.
    pub async fn purge_vault(&self) -> Result<Swept, OpenError> {
        self.check_witness().await?;
        let faults = self.verify().await?.len();
        if faults > 0 {
            return Err(StoreError::Unsound(faults).into());
        }
        // What lies aside and is named comes back first.
        self.sweep().await?;
        let purged = self.vault().purge().await?;
        let body = json!({ "keys": purged.keys, "objects": purged.objects });
        let entry = Entry::new(StreamId::new("vault", &"aside"), "vault.purge", body);
        self.desk().journal(&Actor::system(), entry).await?;
        Ok(purged)
    }

    /// A proof that the entry at `index` is in the log, as it stood with `size` entries.
    pub async fn prove_inclusion(
        &self,
        index: u64,
        size: u64,
    ) -> Result<InclusionProof, ProveError> {
        Ok(self.tree(size).await?.prove_inclusion(index, size)?)
    }

    /// Writes the log to `dir` in the layout of C2SP tlog-tiles: entry bundles, tiles, and last
    /// the checkpoint, so that whoever reads a checkpoint finds all that it commits to.
    pub async fn export_ledger(&self, dir: &Path) -> Result<u64, ProveError> {
        let Some(note) = self.desk().checkpoint().await? else { return Ok(0) };
        let size = self.desk().size().await?;
        let tree = self.tree(size).await?;
        for bundle in Bundle::all(size) {
            let first = bundle.first_leaf();
            let entries = self.desk().leaf_entries(first..first + u64::from(bundle.width)).await?;
            let bytes = Bundle::encode(entries.iter().map(Vec::as_slice))?;
            put(dir, &bundle.to_string(), &bytes)?;
        }
        for tile in Tile::all(size) {
            put(dir, &tile.to_string(), &tree.tile(tile)?.to_bytes())?;
        }
        put(dir, "checkpoint", note.as_bytes())?;
        Ok(size)
    }

    async fn tree(&self, size: u64) -> Result<Tree, ProveError> {
        let mut tree = Tree::new(HashSuite::Sha256);
        for leaf in self.desk().leaves(0..size).await? {
            tree.append(leaf);
        }
        Ok(tree)
    }
}

fn put(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let path = dir.join(name);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let staging = path.with_extension("part");
    fs::write(&staging, bytes)?;
    fs::rename(staging, path)
}
