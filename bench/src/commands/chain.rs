//! The peer in PostgreSQL: a table whose trigger chains each row to the one before by SHA-256.

use std::time::{Duration, Instant};

use sqlx::{Connection as _, Executor as _, PgConnection};

use super::{CALLERS, Turn};
use crate::Failure;

const SCHEMA: &str = "
    DROP SCHEMA IF EXISTS chain CASCADE;
    CREATE SCHEMA chain;
    CREATE TABLE chain.head (
        id   int    PRIMARY KEY CHECK (id = 1),
        seq  bigint NOT NULL,
        hash bytea  NOT NULL
    );
    INSERT INTO chain.head VALUES (1, 0, sha256(''));
    CREATE TABLE chain.entry (
        seq    bigint PRIMARY KEY,
        stream text   NOT NULL,
        act    text   NOT NULL,
        person text   NOT NULL,
        at     timestamptz NOT NULL,
        body   jsonb  NOT NULL,
        hash   bytea  NOT NULL
    );
    CREATE FUNCTION chain.link() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        last chain.head;
    BEGIN
        SELECT * INTO last FROM chain.head WHERE id = 1 FOR UPDATE;
        NEW.seq := last.seq + 1;
        NEW.at := clock_timestamp();
        NEW.hash := sha256(last.hash || convert_to(concat_ws('|', NEW.seq, NEW.stream, NEW.act,
            NEW.person, NEW.at, NEW.body), 'UTF8'));
        UPDATE chain.head SET seq = NEW.seq, hash = NEW.hash WHERE id = 1;
        RETURN NEW;
    END $$;
    CREATE TRIGGER link BEFORE INSERT ON chain.entry
        FOR EACH ROW EXECUTE FUNCTION chain.link();";

/// One turn of the callers, each on a connection of its own.
pub(super) async fn turn(server: &str, time: Duration) -> Result<Turn, Failure> {
    PgConnection::connect(server).await?.execute(SCHEMA).await?;
    let mut connections = Vec::with_capacity(CALLERS);
    for _ in 0..CALLERS {
        connections.push(PgConnection::connect(server).await?);
    }
    let begin = Instant::now();
    let callers: Vec<_> = connections
        .into_iter()
        .enumerate()
        .map(|(caller, connection)| tokio::spawn(call(connection, caller, begin + time)))
        .collect();
    let mut times = Vec::new();
    for caller in callers {
        times.extend(caller.await??);
    }
    Ok(Turn { times, elapsed: begin.elapsed() })
}

async fn call(
    mut connection: PgConnection,
    caller: usize,
    until: Instant,
) -> Result<Vec<Duration>, Failure> {
    let stream = format!("account/acc-{caller}");
    let mut times = Vec::new();
    while Instant::now() < until {
        let begin = Instant::now();
        sqlx::query(
            "INSERT INTO chain.entry (stream, act, person, body)
             VALUES ($1, 'account.pay', 'per-1', '{\"event\": \"Paid\", \"fen\": 1}')",
        )
        .bind(&stream)
        .execute(&mut connection)
        .await?;
        times.push(begin.elapsed());
    }
    Ok(times)
}
