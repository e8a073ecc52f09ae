//! The rooms composed into one application.
//!
//! **Invariant:** what happens, happens through an act of the application, whoever asks for it:
//! the command line, the demonstration, or a test.

pub mod app;
pub mod http;
mod vocabulary;

pub use vocabulary::vocabulary;
