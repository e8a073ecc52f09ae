-- The log: every act, in order. `seq` is the index of the entry's leaf in the Merkle tree.
-- Instants are microseconds since 1970 (UTC). `version` counts the events of a stream; a journal
-- entry (a read, a call, a refusal) changes nothing and has none. JSON stands in TEXT, because
-- the leaf is the digest of its very bytes.
CREATE TABLE event (
    seq          BIGINT PRIMARY KEY CHECK (seq >= 0),
    stream       TEXT   NOT NULL CHECK (stream LIKE '_%/_%'),
    kind         TEXT   NOT NULL CHECK (starts_with(stream, kind || '/')),
    version      BIGINT CHECK (version > 0),
    act          TEXT   NOT NULL CHECK (act <> ''),
    event        TEXT   CHECK (event <> ''),
    at           BIGINT NOT NULL,
    decided_at   BIGINT NOT NULL CHECK (decided_at <= at),
    person       TEXT   NOT NULL,
    organisation TEXT   NOT NULL,
    roles        TEXT   NOT NULL,
    pack         TEXT   NOT NULL,
    clauses      TEXT   NOT NULL,
    body         TEXT   NOT NULL,
    commitment   TEXT   CHECK (length(commitment) = 44),
    leaf         TEXT   NOT NULL CHECK (length(leaf) = 44),
    CHECK ((version IS NULL) = (event IS NULL)),
    UNIQUE (stream, version)
);
CREATE INDEX event_journal ON event (stream, act, at) WHERE version IS NULL;

CREATE FUNCTION the_log_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the log is append-only';
END;
$$;
CREATE TRIGGER event_is_never_changed BEFORE UPDATE OR DELETE ON event
    FOR EACH ROW EXECUTE FUNCTION the_log_is_append_only();
CREATE TRIGGER event_is_never_emptied BEFORE TRUNCATE ON event
    FOR EACH STATEMENT EXECUTE FUNCTION the_log_is_append_only();

-- Personal fields of events, kept outside the leaf, which commits to them. Erasable.
CREATE TABLE personal (
    seq  BIGINT PRIMARY KEY REFERENCES event (seq),
    salt TEXT NOT NULL CHECK (length(salt) = 64),
    body TEXT NOT NULL
);

-- What the events of each stream amount to.
CREATE TABLE state (
    stream  TEXT   PRIMARY KEY,
    kind    TEXT   NOT NULL,
    id      TEXT   NOT NULL,
    version BIGINT NOT NULL CHECK (version > 0),
    status  TEXT   NOT NULL,
    owner   TEXT,
    parent  TEXT,
    name    TEXT,
    due_at  BIGINT,
    body    TEXT   NOT NULL,
    CHECK (stream = kind || '/' || id)
);
CREATE UNIQUE INDEX state_name ON state (kind, name) WHERE name IS NOT NULL;
CREATE INDEX state_status ON state (kind, status, id);
CREATE INDEX state_owner ON state (kind, owner, id) WHERE owner IS NOT NULL;
CREATE INDEX state_parent ON state (kind, parent, id) WHERE parent IS NOT NULL;
CREATE INDEX state_due ON state (kind, due_at, id) WHERE due_at IS NOT NULL;

-- The end of the log, one row, which whoever appends holds a lock on: how many leaves, the
-- instant of the last, and the compact frontier from which the next root follows.
CREATE TABLE head (
    id       BIGINT PRIMARY KEY CHECK (id = 1),
    size     BIGINT NOT NULL CHECK (size >= 0),
    last_at  BIGINT NOT NULL,
    frontier TEXT   NOT NULL
);
INSERT INTO head (id, size, last_at, frontier) VALUES (1, 0, 0, '[]');

-- Signed statements of what the log held after each group of acts.
CREATE TABLE checkpoint (
    size BIGINT PRIMARY KEY CHECK (size > 0),
    root TEXT NOT NULL CHECK (length(root) = 44),
    note TEXT NOT NULL
);

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
