//! Test support: builders, a clock that stands still, databases to test on. Development only.
