//! How a run ended.

use serde_json::{Value, json};
use thiserror::Error;

use crate::{Cost, Log, Made};

/// How a run ended.
///
/// All of it is the program's doing, or may be, and so depends on the data that it read: it is
/// quarantined as a whole and told to whoever reviews, not to whoever wrote the program.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Whether it made what it was to make.
    pub end: End,
    /// What it wrote to its standard output and standard error.
    pub log: Log,
    /// What it used.
    pub cost: Cost,
}

impl Outcome {
    /// What reviewers read beside the outputs: how it ended, what it said, what it used. It is
    /// sealed with them.
    pub fn report(&self) -> Value {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let ended = match &self.end {
            End::Completed(_) => "it made what it was to make".to_owned(),
            End::Failed(failure) => failure.to_string(),
        };
        json!({
            "ended": ended,
            "out": text(&self.log.out),
            "err": text(&self.log.err),
            "is_cut": self.log.is_cut,
            "cost": self.cost,
        })
    }
}

/// Whether a program made what it was to make.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    /// It came to its end by itself, and every declared output is there and well-formed.
    Completed(Vec<Made>),
    /// It did not.
    Failed(Failure),
}

/// Why a program did not make what it was to make.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Failure {
    /// It was stopped from outside, or whoever waited for it went away.
    #[error("it was stopped")]
    Stopped,
    /// It ran for longer than it may.
    #[error("it ran for longer than it may")]
    WallTime,
    /// It used more processor time than it may.
    #[error("it used more processor time than it may")]
    ProcessorTime,
    /// It needed more memory than it may.
    #[error("it needed more memory than it may")]
    Memory,
    /// It ended with an error: its exit status, from 1, or 128 and the number of a signal.
    #[error("it ended with status {0}")]
    Status(i32),
    /// Its inputs are larger than they may be.
    #[error("its inputs are larger than they may be")]
    InputSize,
    /// Its inputs could not be read to their end.
    #[error("its inputs could not be read to their end")]
    Input,
    /// An output is not what was declared.
    #[error("an output is not what was declared: {0}")]
    Output(Fault),
}

/// What is wrong with an output. It names outputs and columns as declared, and no value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Fault {
    /// There is a file, link, directory or device that nobody declared.
    #[error("there is something that was not declared")]
    Undeclared,
    /// A declared output is not there.
    #[error("`{0}` is not there")]
    Missing(String),
    /// It is not a plain file.
    #[error("`{0}` is not a plain file")]
    NotAFile(String),
    /// It is larger, or has more rows, than it may.
    #[error("`{0}` is too large")]
    Size(String),
    /// It cannot be read in the declared form.
    #[error("`{0}` cannot be read in its form")]
    Form(String),
    /// Its columns are not those declared, in their order.
    #[error("the columns of `{0}` are not those declared")]
    Columns(String),
    /// A value is not of the kind of its column.
    #[error("in `{output}`, a value of `{column}` is not of its kind")]
    Value {
        /// The output.
        output: String,
        /// The column.
        column: String,
    },
}

/// Why a run could not take place, or could not be brought to its end. None of it is the
/// program's doing.
#[derive(Debug, Error)]
pub enum SandboxError {
    /// The program or its inputs are not well-formed.
    #[error(transparent)]
    Program(#[from] crate::ProgramError),
    /// The host's files or processes failed.
    #[error("the sandbox could not {what}")]
    Host {
        /// What was being done.
        what: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The walls did not stand as they should before the program began. It did not begin.
    #[error("the walls do not stand: {0}")]
    Walls(String),
    /// Something of the program is still there although it was killed.
    #[error("a program could not be ended")]
    NotEnded,
}

impl SandboxError {
    pub(crate) fn host(what: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Host { what, source }
    }
}
