-- The log: every act, in order. `seq` is the index of the entry's leaf in the Merkle tree.
-- Instants are microseconds since 1970 (UTC). `version` counts the events of a stream; a journal
-- entry (a read, a call, a refusal) changes nothing and has none.
CREATE TABLE event (
    seq          INTEGER PRIMARY KEY CHECK (seq >= 0),
    stream       TEXT    NOT NULL CHECK (stream LIKE '_%/_%'),
    kind         TEXT    NOT NULL CHECK (stream LIKE kind || '/%'),
    version      INTEGER CHECK (version > 0),
    act          TEXT    NOT NULL CHECK (act <> ''),
    event        TEXT    CHECK (event <> ''),
    at           INTEGER NOT NULL,
    decided_at   INTEGER NOT NULL CHECK (decided_at <= at),
    person       TEXT    NOT NULL,
    organisation TEXT    NOT NULL,
    roles        TEXT    NOT NULL CHECK (json_valid(roles)),
    pack         TEXT    NOT NULL,
    clauses      TEXT    NOT NULL CHECK (json_valid(clauses)),
    body         TEXT    NOT NULL CHECK (json_valid(body)),
    commitment   TEXT    CHECK (length(commitment) = 44),
    leaf         TEXT    NOT NULL CHECK (length(leaf) = 44),
    CHECK ((version IS NULL) = (event IS NULL)),
    UNIQUE (stream, version)
);
CREATE INDEX event_journal ON event (stream, act, at) WHERE version IS NULL;

CREATE TRIGGER event_is_never_changed BEFORE UPDATE ON event
BEGIN
    SELECT RAISE(ABORT, 'the log is append-only');
END;
CREATE TRIGGER event_is_never_dropped BEFORE DELETE ON event
BEGIN
    SELECT RAISE(ABORT, 'the log is append-only');
END;

-- Personal fields of events, kept outside the leaf, which commits to them. Erasable.
CREATE TABLE personal (
    seq  INTEGER PRIMARY KEY REFERENCES event (seq),
    salt TEXT NOT NULL CHECK (length(salt) = 64),
    body TEXT NOT NULL CHECK (json_valid(body))
);

-- What the events of each stream amount to.
CREATE TABLE state (
    stream  TEXT    PRIMARY KEY,
    kind    TEXT    NOT NULL,
    id      TEXT    NOT NULL,
    version INTEGER NOT NULL CHECK (version > 0),
    status  TEXT    NOT NULL,
    owner   TEXT,
    parent  TEXT,
    name    TEXT,
    due_at  INTEGER,
    body    TEXT    NOT NULL CHECK (json_valid(body)),
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
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    size     INTEGER NOT NULL CHECK (size >= 0),
    last_at  INTEGER NOT NULL,
    frontier TEXT    NOT NULL CHECK (json_valid(frontier))
);
INSERT INTO head (id, size, last_at, frontier) VALUES (1, 0, 0, '[]');

-- Signed statements of what the log held after each group of acts.
CREATE TABLE checkpoint (
    size INTEGER PRIMARY KEY CHECK (size > 0),
    root TEXT NOT NULL CHECK (length(root) = 44),
    note TEXT NOT NULL
);

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
