//! Datasets at rest: ingest, profile, encrypt, version, seal, destroy.
