//! Databases to test on.

use std::path::Path;

use shuyu_kernel::{Entropy as _, SystemEntropy};
use shuyu_store::StoreConfig;
use sqlx::{Connection as _, Executor as _, PgConnection};

/// Which database a test runs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backend {
    /// A file in a temporary folder.
    Sqlite,
    /// A database of its own on the server at this address.
    Postgres(String),
}

/// The databases that tests can run on here.
pub fn backends() -> Vec<Backend> {
    std::iter::once(Backend::Sqlite).chain(Backend::postgres()).collect()
}

impl Backend {
    /// The PostgreSQL server that `SHUYU_TEST_POSTGRES` names, if it does.
    #[expect(clippy::disallowed_methods, reason = "tests have no command line of their own")]
    pub fn postgres() -> Option<Self> {
        std::env::var("SHUYU_TEST_POSTGRES").ok().filter(|url| !url.is_empty()).map(Self::Postgres)
    }
}

/// A database that the test drops when it is done.
#[derive(Debug)]
pub struct Fresh {
    pub(crate) config: StoreConfig,
    /// The server, the name of the database on it, and the address of both.
    on_server: Option<(String, String, String)>,
}

impl Fresh {
    /// Makes one.
    pub async fn new(backend: &Backend, folder: &Path) -> Self {
        match backend {
            Backend::Sqlite => {
                Self { config: StoreConfig::sqlite(folder.join("shuyu.db")), on_server: None }
            }
            Backend::Postgres(server) => {
                let mut random = [0; 8];
                SystemEntropy.fill(&mut random);
                let name = format!("shuyu_test_{:016x}", u64::from_be_bytes(random));
                run(server, format!("CREATE DATABASE {name}")).await;
                let (base, options) = match server.split_once('?') {
                    Some((base, options)) => (base, format!("?{options}")),
                    None => (server.as_str(), String::new()),
                };
                let base = base.rsplit_once('/').map_or(base, |(base, _)| base);
                let address = format!("{base}/{name}{options}");
                Self {
                    config: StoreConfig::postgres(address.clone()),
                    on_server: Some((server.clone(), name, address)),
                }
            }
        }
    }

    /// Its address; none: it is a file.
    pub fn address(&self) -> Option<&str> {
        self.on_server.as_ref().map(|(.., address)| address.as_str())
    }

    /// Drops it, whoever is still connected.
    pub async fn drop_database(&self) {
        if let Some((server, name, _)) = &self.on_server {
            run(server, format!("DROP DATABASE {name} WITH (FORCE)")).await;
        }
    }
}

async fn run(server: &str, statement: String) {
    let mut connection = PgConnection::connect(server)
        .await
        .expect("SHUYU_TEST_POSTGRES names a server that answers");
    connection
        .execute(sqlx::AssertSqlSafe(statement))
        .await
        .expect("the server lets tests make databases");
}
