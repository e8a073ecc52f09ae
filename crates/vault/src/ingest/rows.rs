//! The rows of a version as encrypted Parquet: gathered into row groups, whose columns can be
//! encoded by any thread, and which are written in their order.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::ArrayRef,
    datatypes::{FieldRef, Schema},
    record_batch::RecordBatch,
};
use parquet::{
    arrow::{
        ArrowSchemaConverter,
        arrow_writer::{
            ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, ArrowWriter,
            ArrowWriterOptions, compute_leaves,
        },
    },
    basic::Compression,
    encryption::encrypt::FileEncryptionProperties,
    file::{
        properties::{EnabledStatistics, WriterProperties},
        writer::SerializedFileWriter,
    },
    schema::types::ColumnPath,
};

use crate::{FieldSpec, Result, VaultError, column, spec::schema_of, upload::UploadWriter};

/// How many rows a group of the Parquet file holds.
const GROUP_ROWS: usize = 128 * 1024;

/// A column of a row group, to be encoded.
pub(super) struct ColumnTask {
    group: usize,
    column: usize,
    field: FieldRef,
    writer: ArrowColumnWriter,
    arrays: Vec<ArrayRef>,
}

/// A column of a row group, encoded, compressed and encrypted.
pub(super) struct Encoded {
    group: usize,
    column: usize,
    chunk: ArrowColumnChunk,
}

impl ColumnTask {
    pub(super) fn run(mut self) -> Result<Encoded> {
        for array in &self.arrays {
            for leaf in compute_leaves(&self.field, array)? {
                self.writer.write(&leaf)?;
            }
        }
        let chunk = self.writer.close()?;
        Ok(Encoded { group: self.group, column: self.column, chunk })
    }
}

/// The file of the rows, as it is written.
pub(super) struct Rows {
    file: SerializedFileWriter<UploadWriter>,
    columns: ArrowRowGroupWriterFactory,
    schema: Arc<Schema>,
    /// Rows that are not yet a group, and how many.
    gathered: Vec<RecordBatch>,
    waiting: usize,
    begun: usize,
    written: usize,
    /// Encoded columns of groups that cannot be written yet.
    encoded: BTreeMap<usize, BTreeMap<usize, ArrowColumnChunk>>,
}

impl Rows {
    /// Begins the file. `repeats` says for each field whether its values repeat themselves so
    /// much that a dictionary of them saves space and time.
    pub(super) fn begin(
        writer: UploadWriter,
        fields: &[FieldSpec],
        repeats: &[bool],
        encryption: Arc<FileEncryptionProperties>,
    ) -> Result<Self> {
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::LZ4_RAW)
            .set_dictionary_enabled(false)
            // Nothing but rows passes a scan, so that nobody would read them.
            .set_statistics_enabled(EnabledStatistics::None)
            .set_offset_index_disabled(true)
            .with_file_encryption_properties(encryption);
        for (field, _) in fields.iter().zip(repeats).filter(|(_, repeats)| **repeats) {
            let column = ColumnPath::from(field.name.as_str());
            properties = properties.set_column_dictionary_enabled(column, true);
        }
        let schema = schema_of(fields);
        let stored = Arc::new(column::stored(&schema));
        // The columns come as their buffers are, and are stored as what they are.
        let options = ArrowWriterOptions::new()
            .with_properties(properties.build())
            .with_parquet_schema(ArrowSchemaConverter::new().convert(&schema)?)
            .with_skip_arrow_metadata(true);
        let (file, columns) = ArrowWriter::try_new_with_options(writer, stored.clone(), options)?
            .into_serialized_writer()?;
        Ok(Self {
            file,
            columns,
            schema: stored,
            gathered: Vec::new(),
            waiting: 0,
            begun: 0,
            written: 0,
            encoded: BTreeMap::new(),
        })
    }

    /// Adds rows; returns the columns of the groups that have become full.
    pub(super) fn add(&mut self, batch: &RecordBatch) -> Result<Vec<ColumnTask>> {
        let (mut tasks, mut from) = (Vec::new(), 0);
        while from < batch.num_rows() {
            let length = (GROUP_ROWS - self.waiting).min(batch.num_rows() - from);
            self.gathered.push(batch.slice(from, length));
            self.waiting += length;
            from += length;
            if self.waiting == GROUP_ROWS {
                tasks.extend(self.group()?);
            }
        }
        Ok(tasks)
    }

    /// Makes what has been gathered a group, and returns its columns.
    pub(super) fn group(&mut self) -> Result<Vec<ColumnTask>> {
        if self.waiting == 0 {
            return Ok(Vec::new());
        }
        let (group, batches) = (self.begun, std::mem::take(&mut self.gathered));
        self.begun += 1;
        self.waiting = 0;
        let writers = self.columns.create_column_writers(group)?;
        Ok(self
            .schema
            .fields()
            .iter()
            .zip(writers)
            .enumerate()
            .map(|(column, (field, writer))| ColumnTask {
                group,
                column,
                field: field.clone(),
                writer,
                arrays: batches.iter().map(|batch| batch.column(column).clone()).collect(),
            })
            .collect())
    }

    /// Takes an encoded column, and writes the groups that are complete.
    pub(super) fn put(&mut self, encoded: Encoded) -> Result<()> {
        let Encoded { group, column, chunk } = encoded;
        self.encoded.entry(group).or_default().insert(column, chunk);
        let columns = self.schema.fields().len();
        while let Some(complete) = self
            .encoded
            .first_entry()
            .filter(|it| *it.key() == self.written && it.get().len() == columns)
        {
            let mut group = self.file.next_row_group()?;
            for chunk in complete.remove().into_values() {
                chunk.append_to_row_group(&mut group)?;
            }
            group.close()?;
            self.written += 1;
        }
        Ok(())
    }

    pub(super) fn close(self) -> Result<()> {
        if self.written < self.begun || self.waiting > 0 {
            return Err(VaultError::Interrupted("encoding"));
        }
        self.file.close()?;
        Ok(())
    }
}
