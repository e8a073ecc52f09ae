//! What commands print.

use std::{
    error::Error,
    fmt::Arguments,
    io::{ErrorKind, Write},
};

use comfy_table::{ContentArrangement, Table, presets::UTF8_HORIZONTAL_ONLY};
use serde::Serialize;

/// The exit code where nobody reads standard output any more: as of a program that the signal
/// for it (SIGPIPE, 13) ends.
const NOT_READ: i32 = 128 + 13;

/// Prints a line to standard output, in place of the macro of this name in the standard library,
/// which panics where nobody reads it any more: `shuyu law coverage | head -1`.
macro_rules! println {
    ($($line:tt)*) => { $crate::output::line(format_args!($($line)*)) };
}

/// A line to standard output. Where nobody reads it any more, the process ends without a word:
/// what it has written is durable, and what it has begun is as after a crash.
pub(crate) fn line(line: Arguments<'_>) {
    let mut output = std::io::stdout().lock();
    if let Err(error) = output.write_fmt(line).and_then(|()| output.write_all(b"\n")) {
        if error.kind() == ErrorKind::BrokenPipe {
            std::process::exit(NOT_READ);
        }
        self::error(&error);
        std::process::exit(1);
    }
}

/// An error with its causes, one line each, to standard error.
pub(crate) fn error(error: &dyn Error) {
    // Where nobody reads standard error, the exit code says it.
    let _ = write_error(error);
}

fn write_error(error: &dyn Error) -> std::io::Result<()> {
    let mut output = std::io::stderr().lock();
    writeln!(output, "shuyu: {error}")?;
    let mut cause = error.source();
    while let Some(error) = cause {
        writeln!(output, "  because {error}")?;
        cause = error.source();
    }
    Ok(())
}

/// A value as JSON, to standard output.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Box<dyn Error>> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

/// A table with these headings.
pub(crate) fn table<const N: usize>(headings: [&str; N]) -> Table {
    let mut table = Table::new();
    table
        .load_preset(UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(headings);
    table
}
