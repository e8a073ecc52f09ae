//! Test support: builders, a clock that stands still, databases to test on. Development only.
//!
//! A [`TestDesk`] is a whole store on a database of its own, SQLite in a temporary folder or
//! PostgreSQL where a server is at hand. [`TestDesk::finish`] verifies its ledger.
#![expect(clippy::expect_used, reason = "a test that cannot be set up fails")]

mod act;
mod actors;
mod database;
mod desk;
mod law;

pub use act::{act_at, law_in};
pub use actors::{actor, organisation, person};
pub use database::{Backend, Fresh, backends};
pub use desk::{KEY_NAME, TestDesk};
pub use law::{law_of, permissive_law};

/// Runs tests on both databases: on SQLite always, on PostgreSQL if `SHUYU_TEST_POSTGRES` gives
/// the address of a server. Each gets a [`Backend`].
///
/// ```ignore
/// shuyu_testkit::on_both! {
///     async fn what_is_acknowledged_survives(backend: Backend) { … }
/// }
/// ```
#[macro_export]
macro_rules! on_both {
    ($($(#[$meta:meta])* async fn $name:ident($backend:ident: Backend) $body:block)*) => {
        $(
            mod $name {
                use super::*;

                async fn run($backend: $crate::Backend) $body

                $(#[$meta])*
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn on_sqlite() {
                    run($crate::Backend::Sqlite).await;
                }

                $(#[$meta])*
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn on_postgres() {
                    match $crate::Backend::postgres() {
                        Some(backend) => run(backend).await,
                        None => println!("skipped: SHUYU_TEST_POSTGRES is not set"),
                    }
                }
            }
        )*
    };
}
