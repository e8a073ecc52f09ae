//! The subjects of this room, under the cities' own packs.
#![expect(clippy::expect_used, reason = "a test that cannot be set up fails")]

mod price;
mod product;
mod settlement;
mod subscription;
mod testing;
