//! CSV to Parquet, a part of the file for each processor.

use std::{
    error::Error,
    fs::File,
    io::Cursor,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use arrow::{
    csv::ReaderBuilder,
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use parquet::{
    arrow::ArrowWriter,
    basic::Compression,
    file::properties::{EnabledStatistics, WriterProperties},
};
use shuyu_masking::{Blur, Bounds, Days, Mask, MaskingKey, Masks, Part, Scope, Treatment};

type Failed = Box<dyn Error + Send + Sync>;

/// How much text is masked at a time.
const BLOCK_BYTES: usize = 1 << 20;
/// More rows than a block has.
const BATCH_ROWS: usize = 1 << 16;

/// Desensitises a file of persons into `out`, a Parquet file for each processor; how many rows.
pub fn desensitise(csv: &Path, out: &Path) -> Result<u64, Failed> {
    let text = std::fs::read(csv)?;
    let header = text.iter().position(|byte| *byte == b'\n').ok_or("there is no header")?;
    let names = std::str::from_utf8(text.get(..header).unwrap_or_default())?;
    let schema = schema(names);
    let masks = masks(&schema);
    let key = MaskingKey::derive(
        b"a secret of 32 bytes, or longer.",
        Scope { agreement: "a", family: "f" },
    );
    let blocks = blocks(text.get(header + 1..).unwrap_or_default());
    let next = AtomicUsize::new(0);
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let work: Vec<_> = (0..workers)
            .map(|worker| {
                let file = out.join(format!("part-{worker}.parquet"));
                let (schema, masks, key, blocks, next) = (&schema, &masks, &key, &blocks, &next);
                scope.spawn(move || {
                    part(&file, schema, masks, key, || {
                        blocks.get(next.fetch_add(1, Relaxed)).copied()
                    })
                })
            })
            .collect();
        let parts = work.into_iter().map(|it| it.join().map_err(|_| "a worker failed")?);
        parts.sum::<Result<u64, Failed>>()
    })
}

fn part<'a>(
    file: &Path,
    schema: &SchemaRef,
    masks: &Masks,
    key: &MaskingKey,
    next: impl Fn() -> Option<&'a [u8]>,
) -> Result<u64, Failed> {
    let (mut writer, mut rows) = (None, 0);
    while let Some(block) = next() {
        let reader = ReaderBuilder::new(Arc::clone(schema)).with_batch_size(BATCH_ROWS);
        for batch in reader.build(Cursor::new(block))? {
            let batch = masks.apply(&batch?, key)?;
            rows += batch.num_rows() as u64;
            if writer.is_none() {
                let file = File::create(file)?;
                writer = Some(ArrowWriter::try_new(file, batch.schema(), Some(properties()))?);
            }
            if let Some(writer) = &mut writer {
                writer.write(&batch)?;
            }
        }
    }
    if let Some(writer) = writer {
        writer.close()?;
    }
    Ok(rows)
}

/// Tokens are all different: a dictionary of them, or their least and greatest, says nothing.
fn properties() -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::LZ4_RAW)
        .set_statistics_enabled(EnabledStatistics::None);
    for column in ["id_number", "mobile"] {
        properties = properties.set_column_dictionary_enabled(column.into(), false);
    }
    properties.build()
}

/// Pieces of whole lines; no record of persons has a line end within.
fn blocks(mut text: &[u8]) -> Vec<&[u8]> {
    let mut blocks = Vec::new();
    while !text.is_empty() {
        let rest = text.get(BLOCK_BYTES..).unwrap_or_default();
        let end = rest
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(text.len(), |at| BLOCK_BYTES + at + 1);
        let (block, after) = text.split_at(end.min(text.len()));
        blocks.push(block);
        text = after;
    }
    blocks
}

fn schema(names: &str) -> SchemaRef {
    let fields = names.trim_end().split(',').map(|name| {
        let kind = match name {
            "born_on" | "registered_on" => DataType::Date32,
            "annual_income" => DataType::Decimal128(18, 2),
            _text => DataType::Utf8,
        };
        Field::new(name, kind, true)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn masks(schema: &SchemaRef) -> Masks {
    let treatments = schema.fields().iter().map(|field| Treatment {
        column: field.name().clone(),
        mask: match field.name().as_str() {
            "id_number" => Mask::ResidentId,
            "name" => Mask::Name,
            "mobile" => Mask::Mobile,
            "address" => Mask::Address { part: Part::County },
            "division" => Mask::Division { digits: 4 },
            "born_on" => Mask::Date { days: Days::Year },
            "registered_on" => Mask::Date { days: Days::Month },
            "annual_income" => Mask::Amount {
                blur: Blur::Digits { digits: 2 },
                bounds: Bounds { lower: Some(0.0), upper: Some(1_000_000.0) },
            },
            _open => Mask::Keep,
        },
    });
    Masks { treatments: treatments.collect(), subject: None }
}
