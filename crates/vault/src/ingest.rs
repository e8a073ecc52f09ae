//! Taking a file in: cells are checked and typed, good rows become an encrypted version, bad
//! ones lie beside it with their lines and reasons.
//!
//! One thread reads and cuts, the others check blocks of whole records and encode columns, and
//! both are put in their order, so that the same file always gives the same version.

mod check;
mod crew;
mod quarantine;
mod rows;
mod sum;

use std::{
    io::{Read, Write},
    sync::Arc,
};

use parquet::encryption::encrypt::FileEncryptionProperties;
use shuyu_kernel::{ContentHash, DatasetId};

use self::{
    check::{Checked, Rules},
    crew::Taker,
    quarantine::Quarantine,
    rows::{ColumnTask, Encoded, Rows},
    sum::Sum,
};
use crate::{
    DataKey, DatasetSpec, KeyId, Manifest, Part, Profile, QualityReport, Result, StoredObject,
    Vault, VaultError,
    header::{LOOKED_AT, Layout},
    manifest::label,
    read::{Blocks, Cells, Dialect, ReadLimits, Scan, detect},
    sealed::Sealer,
    upload::{Upload, UploadWriter},
};

/// How much of the file its dialect is told from.
const HEAD: usize = 1 << 20;

/// What a file has become.
#[derive(Debug, Clone)]
pub struct Ingested {
    /// What the version consists of. It becomes visible when the ledger records it.
    pub manifest: Manifest,
    /// What the columns look like.
    pub profile: Profile,
    /// How good the delivery is.
    pub quality: QualityReport,
}

impl Vault {
    /// Takes in a file as a version of a dataset, by the fields that `spec` declares.
    ///
    /// Encoding, delimiter, record ends and header are found out. A row that breaks a rule goes
    /// to the quarantine of the version, whole, with its line, column and the rule.
    ///
    /// # Errors
    ///
    /// [`VaultError::Unreadable`] if a required column is missing or there are no fields.
    pub async fn ingest(
        &self,
        dataset: DatasetId,
        version: u32,
        spec: &DatasetSpec,
        reader: impl Read + Send + 'static,
    ) -> Result<Ingested> {
        if spec.fields.is_empty() {
            return Err(VaultError::Unreadable("no fields are declared for it".into()));
        }
        let (key_id, key) = self.inner.keyring.create().await?;
        let (vault, spec) = (self.clone(), spec.clone());
        let upload = Upload::begin(&self.inner, dataset, version, key_id, Part::Rows);
        let place = Place { dataset, version, key_id };
        tokio::task::spawn_blocking(move || run(&vault, &place, &key, &spec, upload, reader))
            .await
            .map_err(|_| VaultError::Interrupted("ingesting"))?
    }
}

/// Which version is made.
struct Place {
    dataset: DatasetId,
    version: u32,
    key_id: KeyId,
}

fn run(
    vault: &Vault,
    place: &Place,
    key: &DataKey,
    spec: &DatasetSpec,
    mut upload: Upload,
    mut reader: impl Read + Send,
) -> Result<Ingested> {
    let (dialect, head) = detect(&mut reader, HEAD)?;
    let layout = Layout::of(&first_records(&head, &dialect), &spec.fields)?;
    let rules = Rules { spec, layout, dialect };
    let mut intake = Intake {
        spec,
        encryption: Vault::encryption(place.dataset, place.version, key)?,
        writer: Some(upload.writer()),
        rows: None,
        quarantine: Quarantine::new(vault, place, key),
        sum: Sum::new(spec),
    };
    let input = std::io::Cursor::new(head).chain(reader);
    let blocks = Blocks::new(input, rules.dialect.clone(), ReadLimits::default());
    let source = crew::work(blocks, &rules, &mut intake)?;
    let Intake { rows, quarantine, sum, .. } = intake;
    if let Some(rows) = rows {
        rows.close()?;
    }

    let runtime = tokio::runtime::Handle::current();
    let mut objects = vec![runtime.block_on(upload.finish())?];
    let (quarantined, object) = quarantine.finish()?;
    objects.extend(object);
    let now = vault.inner.clock.now().date_naive();
    let (profile, quality) = sum.finish(&rules, quarantined, now);
    let text = serde_json::to_vec(&serde_json::json!({ "profile": profile, "quality": quality }))
        .map_err(|error| VaultError::Unreadable(error.to_string()))?;
    objects.push(seal(vault, place, key, Part::Profile, &text)?);
    let manifest = Manifest {
        dataset: place.dataset,
        version: place.version,
        key: place.key_id,
        objects,
        rows: quality.rows,
        quarantined,
        fields: spec.fields.clone(),
        subject_key: spec.subject_key.clone(),
        subject_kind: spec.subject_kind,
        profile: ContentHash::of(&text),
        source,
    };
    Ok(Ingested { manifest, profile, quality })
}

/// The first records of a file, as texts.
pub(crate) fn first_records(head: &[u8], dialect: &Dialect) -> Vec<Vec<String>> {
    let body = head.get(dialect.mark..).unwrap_or_default();
    let (text, _) = dialect.encoding.decode_without_bom_handling(body);
    let (mut rest, mut cells, mut scratch) = (text.as_bytes(), Cells::default(), Vec::new());
    let mut records = Vec::new();
    while records.len() < LOOKED_AT {
        let Scan::Record { next, blank } =
            cells.scan(rest, dialect.delimiter, dialect.terminator, true)
        else {
            break;
        };
        if !blank {
            records.push(texts(&cells, rest, &mut scratch));
        }
        rest = rest.get(next..).unwrap_or_default();
    }
    records
}

fn texts(cells: &Cells, record: &[u8], scratch: &mut Vec<u8>) -> Vec<String> {
    (0..cells.len())
        .map(|place| String::from_utf8_lossy(cells.get(record, place, scratch)).into_owned())
        .collect()
}

/// Where what has been checked goes, in the order of the file.
struct Intake<'a> {
    spec: &'a DatasetSpec,
    encryption: Arc<FileEncryptionProperties>,
    /// Until the first rows are there, by which it is decided how columns are encoded.
    writer: Option<UploadWriter>,
    rows: Option<Rows>,
    quarantine: Quarantine<'a>,
    sum: Sum,
}

impl Intake<'_> {
    /// The file of the rows, begun if it has not been.
    fn rows(&mut self, first: Option<&Checked>) -> Result<&mut Rows> {
        if let Some(writer) = self.writer.take() {
            let encryption = self.encryption.clone();
            let repeats: Vec<bool> = first.map(Checked::repeats).unwrap_or_default();
            self.rows = Some(Rows::begin(writer, &self.spec.fields, &repeats, encryption)?);
        }
        self.rows.as_mut().ok_or(VaultError::Interrupted("encoding"))
    }
}

impl Taker for Intake<'_> {
    fn checked(&mut self, checked: Checked) -> Result<Vec<ColumnTask>> {
        let columns = match &checked.batch {
            Some(batch) => self.rows(Some(&checked))?.add(batch)?,
            None => Vec::new(),
        };
        for refused in &checked.refused {
            self.quarantine.add(refused)?;
        }
        self.sum.add(checked);
        Ok(columns)
    }

    fn ended(&mut self) -> Result<Vec<ColumnTask>> {
        self.rows(None)?.group()
    }

    fn encoded(&mut self, encoded: Encoded) -> Result<()> {
        self.rows(None)?.put(encoded)
    }
}

fn begin(
    vault: &Vault,
    place: &Place,
    key: &DataKey,
    part: Part,
) -> Result<(Upload, Sealer<UploadWriter>)> {
    let mut upload = Upload::begin(&vault.inner, place.dataset, place.version, place.key_id, part);
    let label = label(place.dataset, place.version, part);
    let sealer = Sealer::new(upload.writer(), key, label, &*vault.inner.entropy)?;
    Ok((upload, sealer))
}

fn seal(
    vault: &Vault,
    place: &Place,
    key: &DataKey,
    part: Part,
    bytes: &[u8],
) -> Result<StoredObject> {
    let (upload, mut sealer) = begin(vault, place, key, part)?;
    sealer.write_all(bytes)?;
    drop(sealer.finish()?);
    tokio::runtime::Handle::current().block_on(upload.finish())
}

impl Vault {
    /// Keeps bytes that the platform made, such as the output of a job, as a version with a data
    /// key of its own.
    pub async fn put_sealed(
        &self,
        dataset: DatasetId,
        version: u32,
        bytes: Vec<u8>,
    ) -> Result<Manifest> {
        let (key_id, key) = self.inner.keyring.create().await?;
        let vault = self.clone();
        tokio::task::spawn_blocking(move || {
            let place = Place { dataset, version, key_id };
            let object = seal(&vault, &place, &key, Part::Output, &bytes)?;
            Ok(Manifest {
                dataset,
                version,
                key: key_id,
                objects: vec![object],
                rows: 0,
                quarantined: 0,
                fields: Vec::new(),
                subject_key: None,
                subject_kind: crate::SubjectKind::None,
                profile: ContentHash::of(b""),
                source: ContentHash::of(&bytes),
            })
        })
        .await
        .map_err(|_| VaultError::Interrupted("sealing"))?
    }
}
