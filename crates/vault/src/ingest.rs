//! Taking a file in: cells are checked and typed, good rows become an encrypted version, bad
//! ones lie beside it with their lines and reasons.
//!
//! One thread reads and cuts, the others check blocks of whole records, and the blocks are
//! written in their order, so that the same file always gives the same version.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    sync::{
        Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
};

use arrow::record_batch::RecordBatch;
use chrono::{Days, NaiveDate};
use parquet::{arrow::ArrowWriter, file::properties::WriterProperties};
use shuyu_kernel::{ContentHash, DatasetId};

use crate::{
    DataKey, DatasetSpec, FieldRole, KeyId, Manifest, Part, Profile, QualityReport, Result,
    StoredObject, Vault, VaultError,
    column::Column,
    header::{LOOKED_AT, Layout},
    manifest::label,
    profile::Counts,
    read::{Block, Blocks, Cells, Dialect, ReadLimits, Scan, detect},
    sealed::Sealer,
    spec::schema_of,
    upload::{Upload, UploadWriter},
};

/// How much of the file its dialect is told from.
const HEAD: usize = 1 << 20;
/// How many rows a group of the Parquet file holds.
const GROUP_ROWS: usize = 128 * 1024;

/// The rule of a record with too many or too few cells.
const RAGGED: &str = "cells-of-record";
/// The rule of a record that names the columns again.
const REPEATED_HEADER: &str = "repeated-header";
/// The rule of a record before the one that names the columns.
const BEFORE_HEADER: &str = "before-header";
/// The rule of text that is not in the encoding of the file.
const NOT_TEXT: &str = "not-text";

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

/// A record that was refused.
struct Refused {
    line: u64,
    column: String,
    rule: &'static str,
    text: Vec<u8>,
}

/// A block, checked.
struct Checked {
    batch: Option<RecordBatch>,
    counts: Vec<Counts>,
    nulls: Vec<usize>,
    rounded: Vec<u64>,
    newest: Option<i32>,
    refused: Vec<Refused>,
    records: u64,
}

/// What is the same for all blocks.
struct Rules<'a> {
    spec: &'a DatasetSpec,
    layout: Layout,
    dialect: Dialect,
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
    let properties = WriterProperties::builder()
        .set_compression(parquet::basic::Compression::LZ4_RAW)
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .with_file_encryption_properties(Vault::encryption(place.dataset, place.version, key)?)
        .build();
    let schema = schema_of(&spec.fields);
    let mut parquet = ArrowWriter::try_new(upload.writer(), schema, Some(properties))?;
    let mut quarantine = Quarantine::new(vault, place, key);
    let mut sum = Sum::new(spec);

    let input = std::io::Cursor::new(head).chain(reader);
    let blocks = Blocks::new(input, rules.dialect.clone(), ReadLimits::default());
    let source = check_all(blocks, &rules, |checked| {
        if let Some(batch) = &checked.batch {
            parquet.write(batch)?;
        }
        for refused in &checked.refused {
            quarantine.add(refused)?;
        }
        sum.add(checked);
        Ok(())
    })?;
    parquet.close()?;

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

/// Cuts the file, checks its blocks in parallel, and hands them on in their order. Returns the
/// digest of the file.
fn check_all<R: Read + Send>(
    mut blocks: Blocks<R>,
    rules: &Rules<'_>,
    mut take: impl FnMut(Checked) -> Result<()>,
) -> Result<ContentHash> {
    let workers = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let (to_check, waiting) = sync_channel::<(u64, Block)>(workers);
    let (done, checked) = sync_channel::<(u64, Result<Checked>)>(workers * 2);
    let waiting = Mutex::new(waiting);
    std::thread::scope(|scope| {
        let cutter = scope.spawn(move || -> Result<ContentHash> {
            let mut number = 0;
            while let Some(block) = blocks.next()? {
                if to_check.send((number, block)).is_err() {
                    return Err(VaultError::Interrupted("checking"));
                }
                number += 1;
            }
            Ok(blocks.digest())
        });
        for _ in 0..workers {
            let (waiting, done) = (&waiting, done.clone());
            scope.spawn(move || work(waiting, rules, &done));
        }
        drop(done);
        let mut outcome = Ok(());
        let mut early = BTreeMap::new();
        let mut next = 0;
        for (number, block) in &checked {
            early.insert(number, block);
            while outcome.is_ok()
                && let Some(block) = early.remove(&next)
            {
                outcome = block.and_then(&mut take);
                next += 1;
            }
            if outcome.is_err() {
                break;
            }
        }
        drop(checked);
        let digest = cutter.join().map_err(|_| VaultError::Interrupted("reading"))?;
        outcome.and(digest)
    })
}

fn work(
    waiting: &Mutex<Receiver<(u64, Block)>>,
    rules: &Rules<'_>,
    done: &SyncSender<(u64, Result<Checked>)>,
) {
    loop {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((number, block)) = next else { return };
        if done.send((number, rules.check(number == 0, block))).is_err() {
            return;
        }
    }
}

impl Rules<'_> {
    fn check(&self, is_first: bool, block: Block) -> Result<Checked> {
        match block {
            Block::Bad { text, line, rule } => {
                let refused = Refused { line, column: String::new(), rule, text };
                Ok(Checked {
                    batch: None,
                    counts: Vec::new(),
                    nulls: Vec::new(),
                    rounded: Vec::new(),
                    newest: None,
                    refused: vec![refused],
                    records: 1,
                })
            }
            Block::Records { text, line } => self.check_records(is_first, &text, line),
        }
    }

    fn check_records(&self, is_first: bool, text: &[u8], first_line: u64) -> Result<Checked> {
        let fields = &self.spec.fields;
        let all_text = std::str::from_utf8(text).is_ok();
        let guess = text.len() / (fields.len().max(1) * 8) + 16;
        let mut columns: Vec<Column> =
            fields.iter().map(|field| Column::new(field, guess)).collect();
        let mut counts: Vec<Counts> = fields.iter().map(Counts::new).collect();
        let (mut cells, mut scratch) = (Cells::default(), Vec::new());
        let (mut rows, mut records, mut seen) = (0_usize, 0_u64, 0_usize);
        let mut refused = Vec::new();
        let (mut rest, mut line) = (text, first_line);
        let (delimiter, terminator) = (self.dialect.delimiter, self.dialect.terminator);
        while let Scan::Record { next, blank } = cells.scan(rest, delimiter, terminator, true) {
            let record = rest.get(..next).unwrap_or_default();
            let at = line;
            line += memchr::memchr_iter(terminator, record).count() as u64;
            rest = rest.get(next..).unwrap_or_default();
            if blank {
                continue;
            }
            seen += 1;
            let mut refuse = |column: String, rule: &'static str| {
                let text = record.trim_ascii_end().to_vec();
                refused.push(Refused { line: at, column, rule, text });
            };
            if let Some(header) = &self.layout.header {
                if is_first && seen == self.layout.before + 1 {
                    continue;
                }
                records += 1;
                if is_first && seen <= self.layout.before {
                    refuse(String::new(), BEFORE_HEADER);
                    continue;
                }
                if is_repeated(header, &cells, record, &mut scratch) {
                    refuse(String::new(), REPEATED_HEADER);
                    continue;
                }
            } else {
                records += 1;
            }
            if !self.has_its_cells(&cells, record, &mut scratch) {
                refuse(String::new(), RAGGED);
                continue;
            }
            if !all_text && std::str::from_utf8(record).is_err() {
                refuse(String::new(), NOT_TEXT);
                continue;
            }
            let broken = columns.iter_mut().zip(fields).zip(&self.layout.places).find_map(
                |((column, field), place)| {
                    let cell = place.map_or(&b""[..], |it| cells.get(record, it, &mut scratch));
                    column.push(cell).err().map(|rule| (field.name.clone(), rule))
                },
            );
            if let Some((column, rule)) = broken {
                for column in &mut columns {
                    column.truncate(rows);
                }
                refuse(column, rule);
                continue;
            }
            rows += 1;
            for (count, place) in counts.iter_mut().zip(&self.layout.places) {
                let cell = place.map_or(&b""[..], |it| cells.get(record, it, &mut scratch));
                if !crate::cell::is_missing(cell) {
                    count.add(cell);
                }
            }
        }
        let nulls = columns.iter().map(Column::nulls).collect();
        let rounded = columns.iter().map(|column| column.rounded).collect();
        let newest = columns.iter().filter_map(Column::latest).max();
        let arrays = columns.into_iter().map(Column::finish).collect::<Result<Vec<_>>>()?;
        let batch = RecordBatch::try_new(schema_of(fields), arrays)?;
        let batch = (rows > 0).then_some(batch);
        Ok(Checked { batch, counts, nulls, rounded, newest, refused, records })
    }

    /// Whether a record has as many cells as it should; empty ones at the end are no matter.
    fn has_its_cells(&self, cells: &Cells, record: &[u8], scratch: &mut Vec<u8>) -> bool {
        let expected = self.layout.cells;
        cells.len() >= expected
            && (expected..cells.len()).all(|place| cells.get(record, place, scratch).is_empty())
    }
}

fn is_repeated(header: &[String], cells: &Cells, record: &[u8], scratch: &mut Vec<u8>) -> bool {
    cells.len() == header.len()
        && header
            .iter()
            .enumerate()
            .all(|(place, name)| cells.get(record, place, scratch) == name.as_bytes())
}

/// The refused records, sealed as CSV; nothing is written where there are none.
struct Quarantine<'a> {
    vault: &'a Vault,
    place: &'a Place,
    key: &'a DataKey,
    open: Option<(Upload, Sealer<UploadWriter>)>,
    records: u64,
}

impl<'a> Quarantine<'a> {
    fn new(vault: &'a Vault, place: &'a Place, key: &'a DataKey) -> Self {
        Self { vault, place, key, open: None, records: 0 }
    }

    fn add(&mut self, refused: &Refused) -> Result<()> {
        if self.open.is_none() {
            let (upload, mut sealer) = begin(self.vault, self.place, self.key, Part::Quarantine)?;
            sealer.write_all(b"line,column,rule,record\r\n")?;
            self.open = Some((upload, sealer));
        }
        self.records += 1;
        let Some((_, sealer)) = &mut self.open else { return Ok(()) };
        let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        write!(
            sealer,
            "{},{},{},{}\r\n",
            refused.line,
            quoted(&refused.column),
            refused.rule,
            quoted(&String::from_utf8_lossy(&refused.text))
        )?;
        Ok(())
    }

    fn finish(self) -> Result<(u64, Option<StoredObject>)> {
        let Some((upload, sealer)) = self.open else { return Ok((0, None)) };
        drop(sealer.finish()?);
        let object = tokio::runtime::Handle::current().block_on(upload.finish())?;
        Ok((self.records, Some(object)))
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

/// What all blocks add up to.
struct Sum {
    counts: Vec<Counts>,
    nulls: Vec<u64>,
    rounded: Vec<u64>,
    rules: BTreeMap<String, u64>,
    rows: u64,
    records: u64,
    newest: Option<i32>,
}

impl Sum {
    fn new(spec: &DatasetSpec) -> Self {
        let fields = spec.fields.len();
        Self {
            counts: spec.fields.iter().map(Counts::new).collect(),
            nulls: vec![0; fields],
            rounded: vec![0; fields],
            rules: BTreeMap::new(),
            rows: 0,
            records: 0,
            newest: None,
        }
    }

    fn add(&mut self, checked: Checked) {
        self.records += checked.records;
        self.rows += checked.batch.map_or(0, |batch| batch.num_rows() as u64);
        self.newest = self.newest.max(checked.newest);
        for (sum, counts) in self.counts.iter_mut().zip(checked.counts) {
            sum.merge(counts);
        }
        for (sum, nulls) in self.nulls.iter_mut().zip(checked.nulls) {
            *sum += nulls as u64;
        }
        for (sum, rounded) in self.rounded.iter_mut().zip(checked.rounded) {
            *sum += rounded;
        }
        for refused in checked.refused {
            let rule = match refused.column.as_str() {
                "" => refused.rule.to_owned(),
                column => format!("{column}:{}", refused.rule),
            };
            *self.rules.entry(rule).or_default() += 1;
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "ratios of counts, for people to read")]
    fn finish(
        self,
        rules: &Rules<'_>,
        quarantined: u64,
        today: NaiveDate,
    ) -> (Profile, QualityReport) {
        let spec = rules.spec;
        let columns = spec
            .fields
            .iter()
            .zip(&self.counts)
            .zip(&self.nulls)
            .map(|((field, counts), nulls)| counts.profile(field, *nulls))
            .collect();
        let profile = Profile {
            encoding: rules.dialect.encoding.name().to_owned(),
            delimiter: char::from(rules.dialect.delimiter),
            has_header: rules.layout.header.is_some(),
            columns,
        };
        let ratio = |part: u64, whole: u64| {
            if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
        };
        let key =
            spec.fields.iter().position(|field| Some(&field.name) == spec.subject_key.as_ref());
        let identifier = || spec.fields.iter().position(|it| it.role == FieldRole::Identifier);
        let distinct = key.or_else(identifier).and_then(|at| self.counts.get(at));
        let epoch = NaiveDate::default();
        let newest = self
            .newest
            .and_then(|day| u64::try_from(day).ok())
            .and_then(|day| epoch.checked_add_days(Days::new(day)))
            .filter(|day| *day <= today);
        let all_cells = self.rows * spec.fields.len() as u64;
        let quality = QualityReport {
            records: self.records,
            rows: self.rows,
            quarantined,
            rules: self.rules,
            rounded: spec
                .fields
                .iter()
                .zip(&self.rounded)
                .filter(|(_, rounded)| **rounded > 0)
                .map(|(field, rounded)| (field.name.clone(), *rounded))
                .collect(),
            ignored: rules.layout.ignored.clone(),
            completeness: ratio(all_cells - self.nulls.iter().sum::<u64>(), all_cells),
            validity: ratio(self.rows, self.records),
            uniqueness: distinct.map(|counts| ratio(counts.distinct(), self.rows).min(1.0)),
            consistency: None,
            newest,
            age_days: newest.map(|day| (today - day).num_days()),
        };
        (profile, quality)
    }
}
