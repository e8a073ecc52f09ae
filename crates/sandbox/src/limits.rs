//! What a program may use, and what it used.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a program may use. None of it can be exceeded: the kernel or the platform ends the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// The longest time from the first act for it to the last.
    pub wall: Duration,
    /// The most processor time of all its processes together.
    pub cpu: Duration,
    /// How many processor cores it has at once; also the number of threads that libraries start.
    pub cores: u32,
    /// The most memory: its processes, its inputs, its scratch files and its outputs together,
    /// because all of them lie in memory.
    pub memory_bytes: u64,
    /// The most processes and threads at once, some four of which are the room's own.
    pub processes: u32,
    /// The greatest size of all inputs together, as Arrow IPC files.
    pub input_bytes: u64,
    /// The greatest size of its scratch files together.
    pub scratch_bytes: u64,
    /// The greatest size of its outputs together.
    pub output_bytes: u64,
    /// How much is kept of its standard output, and of its standard error.
    pub log_bytes: usize,
    /// The greatest number of rows of a table among its outputs.
    pub rows: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            wall: Duration::from_mins(10),
            cpu: Duration::from_mins(10),
            cores: 1,
            memory_bytes: 2 << 30,
            processes: 64,
            input_bytes: 1 << 30,
            scratch_bytes: 256 << 20,
            output_bytes: 16 << 20,
            log_bytes: 64 << 10,
            rows: 100_000,
        }
    }
}

/// What a program used.
///
/// It depends on the data that the program read, so it is told to nobody who may not see them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Processor time of all its processes, in microseconds.
    pub cpu_micros: u64,
    /// The most memory at any moment, in bytes.
    pub peak_bytes: u64,
    /// Time from the first act for it to the last, in microseconds.
    pub wall_micros: u64,
}
