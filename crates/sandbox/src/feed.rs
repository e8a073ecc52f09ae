//! What a program is given goes through pipes into memory of its own.

use std::{
    io::{self, PipeWriter, Write},
    thread,
};

use arrow::ipc::writer::FileWriter;
use tokio::sync::oneshot;

use crate::{Failure, Input};

/// What goes through a pipe.
#[derive(Debug)]
pub(crate) enum Source {
    /// These bytes.
    Bytes(Vec<u8>),
    /// The rows of an input, as an Arrow IPC file.
    Input(Input),
}

/// Writes sources into their pipes, one after another, in a thread of its own: rows may be long in
/// coming. Tells the end, or the failure of an input; if the reader goes away, that it did.
pub(crate) fn feed(
    sources: Vec<(PipeWriter, Source)>,
    input_bytes: u64,
) -> io::Result<oneshot::Receiver<Result<(), Failure>>> {
    let (told, end) = oneshot::channel();
    thread::Builder::new().name("sandbox-feed".to_owned()).spawn(move || {
        let mut room = input_bytes;
        let fed = sources.into_iter().try_for_each(|(pipe, source)| one(pipe, source, &mut room));
        // A reader that went away has a reason of its own, which is the one to tell.
        if !matches!(fed, Err(Stopped::Reader)) {
            let _ = told.send(fed.map_err(|it| match it {
                Stopped::Size => Failure::InputSize,
                Stopped::Rows | Stopped::Reader => Failure::Input,
            }));
        }
    })?;
    Ok(end)
}

/// Why feeding stopped.
#[derive(Debug)]
enum Stopped {
    Reader,
    Rows,
    Size,
}

fn one(mut pipe: PipeWriter, source: Source, room: &mut u64) -> Result<(), Stopped> {
    let input = match source {
        Source::Bytes(bytes) => return pipe.write_all(&bytes).map_err(|_| Stopped::Reader),
        Source::Input(input) => input,
    };
    let mut bounded = Bounded { pipe, room, stopped: None };
    let written = rows(&mut bounded, input);
    match (bounded.stopped, written) {
        (Some(stopped), _) => Err(stopped),
        (None, Err(_)) => Err(Stopped::Rows),
        (None, Ok(())) => Ok(()),
    }
}

fn rows(into: &mut Bounded<'_>, input: Input) -> Result<(), arrow::error::ArrowError> {
    let mut writer = FileWriter::try_new(into, &input.schema)?;
    for batch in input.rows {
        writer.write(&batch?)?;
    }
    writer.finish()
}

/// A pipe that takes no more than there is room for.
struct Bounded<'a> {
    pipe: PipeWriter,
    room: &'a mut u64,
    stopped: Option<Stopped>,
}

impl Write for Bounded<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(room) = self.room.checked_sub(bytes.len() as u64) else {
            self.stopped = Some(Stopped::Size);
            return Err(io::ErrorKind::FileTooLarge.into());
        };
        self.pipe.write_all(bytes).inspect_err(|_| self.stopped = Some(Stopped::Reader))?;
        *self.room = room;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.pipe.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Read, sync::Arc};

    use arrow::{
        array::{Int64Array, RecordBatch},
        datatypes::{DataType, Field, Schema},
        error::ArrowError,
        ipc::reader::FileReader,
    };

    use super::*;

    fn input(batches: Vec<Result<Vec<i64>, ArrowError>>) -> Input {
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
        let made = Arc::clone(&schema);
        let rows = batches.into_iter().map(move |batch| {
            RecordBatch::try_new(Arc::clone(&made), vec![Arc::new(Int64Array::from(batch?))])
        });
        Input { name: "t".to_owned(), schema, rows: Box::new(rows) }
    }

    async fn fed(input: Input, most: u64) -> (Vec<u8>, Option<Result<(), Failure>>) {
        let (mut reader, writer) = io::pipe().unwrap();
        let end = feed(vec![(writer, Source::Input(input))], most).unwrap();
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).unwrap();
        (bytes, end.await.ok())
    }

    #[tokio::test]
    async fn rows_arrive_as_an_arrow_file() {
        let (bytes, end) = fed(input(vec![Ok(vec![1, 2]), Ok(vec![3])]), 1 << 20).await;

        assert_eq!(end, Some(Ok(())));
        let reader = FileReader::try_new(io::Cursor::new(bytes), None).unwrap();
        let rows: usize = reader.map(|batch| batch.unwrap().num_rows()).sum();
        assert_eq!(rows, 3);
    }

    #[tokio::test]
    async fn too_much_and_broken_rows_are_told_apart() {
        let (bytes, end) = fed(input(vec![Ok(vec![7; 1_000])]), 1_000).await;
        assert_eq!(end, Some(Err(Failure::InputSize)));
        assert!(bytes.len() <= 1_000);

        let broken = Err(ArrowError::ComputeError("the row of li".to_owned()));
        let (_, end) = fed(input(vec![Ok(vec![1]), broken]), 1 << 20).await;
        assert_eq!(end, Some(Err(Failure::Input)));
    }

    #[tokio::test]
    async fn a_reader_that_went_away_is_not_the_inputs_fault() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);

        let end = feed(vec![(writer, Source::Bytes(vec![1]))], 1).unwrap().await;

        assert!(end.is_err());
    }
}
