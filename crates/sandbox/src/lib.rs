#![doc = include_str!("../README.md")]

mod cgroup;
mod collect;
mod document;
mod feed;
mod filter;
mod host;
mod limits;
mod log;
mod outcome;
mod program;
mod room;
mod runtime;
mod table;
mod walls;
mod watch;

pub use document::Document;
pub use host::{Host, Unfit};
pub use limits::{Cost, Limits};
pub use log::Log;
pub use outcome::{End, Failure, Fault, Outcome, SandboxError};
pub use program::{Content, Declared, Form, Input, Made, Program, ProgramError, Rows};
pub use room::Room;
pub use runtime::Runtime;
pub use table::{Column, Kind, Table};
