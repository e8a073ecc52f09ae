//! The operation domain: sessions, checked queries, jobs, disclosure control and the release gate.
