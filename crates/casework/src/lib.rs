//! Cases that run through the procedures of a regulation pack, and what they decide.
