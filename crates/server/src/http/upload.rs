//! A body that arrives piece by piece, read as the vault reads: blocking, at its own pace.

use std::io::{self, Read};

use axum::body::{Body, Bytes};
use bytes::Buf;
use futures::StreamExt as _;
use tokio::sync::mpsc;

/// How many pieces may wait; the sender is slowed down when the reader is.
const WAITING: usize = 16;

/// The body of a request as a reader. What breaks off on the way is an error of reading, so that
/// half a file is never taken for a whole one.
pub(super) struct Upload {
    pieces: mpsc::Receiver<Result<Bytes, axum::Error>>,
    rest: Bytes,
}

impl Upload {
    /// Begins to receive `body`.
    pub(super) fn receive(body: Body) -> Self {
        let (sender, pieces) = mpsc::channel(WAITING);
        tokio::spawn(async move {
            let mut stream = body.into_data_stream();
            while let Some(piece) = stream.next().await {
                // A reader that has gone needs no more.
                if sender.send(piece).await.is_err() {
                    break;
                }
            }
        });
        Self { pieces, rest: Bytes::new() }
    }
}

impl Read for Upload {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.pieces.blocking_recv() {
                Some(Ok(piece)) => self.rest = piece,
                Some(Err(error)) => return Err(io::Error::other(error)),
                None => return Ok(0),
            }
        }
        Buf::reader(&mut self.rest).read(buffer)
    }
}
