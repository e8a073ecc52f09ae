//! The threads of an ingest: one cuts the file, the others check its blocks and encode the columns
//! of row groups, whichever is there to be done, and the caller puts both in their order.

use std::{
    collections::{BTreeMap, VecDeque},
    io::Read,
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
};

use shuyu_kernel::ContentHash;

use super::{
    check::{Checked, Rules},
    rows::{ColumnTask, Encoded},
};
use crate::{
    Result, VaultError,
    read::{Block, Blocks},
};

/// What comes back from the threads.
enum Done {
    Checked(u64, Result<Checked>),
    Encoded(Box<Result<Encoded>>),
    /// How many blocks there were, and the digest of the file.
    Cut(Result<(u64, ContentHash)>),
}

/// What puts the work of the threads in order, on the thread of the caller.
pub(super) trait Taker {
    /// Takes the next block, in the order of the file; returns columns that can be encoded now.
    fn checked(&mut self, checked: Checked) -> Result<Vec<ColumnTask>>;
    /// After the last block; returns the columns that remain.
    fn ended(&mut self) -> Result<Vec<ColumnTask>>;
    /// Takes an encoded column; they come in no order.
    fn encoded(&mut self, encoded: Encoded) -> Result<()>;
}

/// Cuts a file, has its blocks checked and its columns encoded, and hands both on. Returns the
/// digest of the file.
pub(super) fn work<R: Read + Send>(
    blocks: Blocks<R>,
    rules: &Rules<'_>,
    taker: &mut impl Taker,
) -> Result<ContentHash> {
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let board = Board::new(threads);
    let (done, results) = sync_channel(threads * 2);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (board, done) = (&board, done.clone());
            scope.spawn(move || hand(board, rules, &done));
        }
        let cutter = &board;
        scope.spawn(move || cut(blocks, cutter, &done));
        let outcome = put_in_order(&board, &results, taker);
        board.close();
        // Whoever waits to hand something over is told that nobody takes it.
        drop(results);
        outcome
    })
}

fn put_in_order(
    board: &Board,
    results: &Receiver<Done>,
    taker: &mut impl Taker,
) -> Result<ContentHash> {
    let mut early = BTreeMap::new();
    let (mut next, mut end, mut encoding) = (0, None, 0_usize);
    let mut digest = None;
    loop {
        match results.recv().map_err(|_| VaultError::Interrupted("checking"))? {
            Done::Checked(number, checked) => {
                early.insert(number, checked);
                while let Some(checked) = early.remove(&next) {
                    next += 1;
                    let columns = taker.checked(checked?)?;
                    encoding += columns.len();
                    board.encode(columns);
                }
            }
            Done::Encoded(encoded) => {
                encoding -= 1;
                taker.encoded((*encoded)?)?;
            }
            Done::Cut(outcome) => end = Some(outcome?),
        }
        if let Some((_, of_file)) = end.take_if(|(blocks, _)| *blocks == next) {
            digest = Some(of_file);
            let columns = taker.ended()?;
            encoding += columns.len();
            board.encode(columns);
        }
        if encoding == 0
            && let Some(digest) = digest
        {
            return Ok(digest);
        }
    }
}

fn cut<R: Read>(mut blocks: Blocks<R>, board: &Board, done: &SyncSender<Done>) {
    let _close = CloseOnPanic(board);
    let mut number = 0;
    let outcome = loop {
        match blocks.next() {
            Ok(Some(block)) => {
                // Nobody takes blocks any more once the ingest has failed.
                if !board.check(number, block) {
                    return;
                }
                number += 1;
            }
            Ok(None) => break Ok((number, blocks.digest())),
            Err(error) => break Err(error),
        }
    };
    // Nobody listens only if the ingest has failed.
    let _ = done.send(Done::Cut(outcome));
}

fn hand(board: &Board, rules: &Rules<'_>, done: &SyncSender<Done>) {
    let _close = CloseOnPanic(board);
    while let Some(task) = board.take() {
        let result = match task {
            Task::Check(number, block) => Done::Checked(number, rules.check(number == 0, block)),
            Task::Encode(column) => Done::Encoded(Box::new(column.run())),
        };
        if done.send(result).is_err() {
            return;
        }
    }
}

/// A thread that ends by a panic ends the others: they would wait for it.
struct CloseOnPanic<'a>(&'a Board);

impl Drop for CloseOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.close();
        }
    }
}

enum Task {
    Check(u64, Block),
    Encode(Box<ColumnTask>),
}

/// What is to be done.
///
/// **Invariant:** blocks wait only up to a limit, and are checked only while no column waits, so
/// that memory does not depend on the length of the file.
struct Board {
    limit: usize,
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    blocks: VecDeque<(u64, Block)>,
    columns: VecDeque<ColumnTask>,
    closed: bool,
}

impl Board {
    fn new(limit: usize) -> Self {
        Self { limit, waiting: Mutex::default(), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts up a block, once there is room; false if nobody takes any more.
    fn check(&self, number: u64, block: Block) -> bool {
        let mut waiting = self
            .changed
            .wait_while(self.lock(), |it| !it.closed && it.blocks.len() >= self.limit)
            .unwrap_or_else(PoisonError::into_inner);
        waiting.blocks.push_back((number, block));
        self.changed.notify_all();
        !waiting.closed
    }

    fn encode(&self, columns: Vec<ColumnTask>) {
        if !columns.is_empty() {
            self.lock().columns.extend(columns);
            self.changed.notify_all();
        }
    }

    /// The next task, once there is one; none if there will be none.
    fn take(&self) -> Option<Task> {
        let mut waiting = self
            .changed
            .wait_while(self.lock(), |it| {
                !it.closed && it.columns.is_empty() && it.blocks.is_empty()
            })
            .unwrap_or_else(PoisonError::into_inner);
        if waiting.closed {
            return None;
        }
        if let Some(column) = waiting.columns.pop_front() {
            return Some(Task::Encode(Box::new(column)));
        }
        let (number, block) = waiting.blocks.pop_front()?;
        self.changed.notify_all();
        Some(Task::Check(number, block))
    }

    fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }
}
