//! Plays months of a fleet's life from a seed, with the real PostgreSQL, extension and `wab` under a clock that stands still
//! between two steps, and compares what they hold with a model that knows the truth.
//!
//! `draw` makes a life of the seed, `play` plays it on the `stage` and tells the `model`, `checks` compares the two each day.

mod bridges;
mod checks;
mod dead_rows;
mod dice;
mod draw;
mod drift;
mod episodes;
mod happen;
mod jobs;
mod kind;
mod known;
mod life;
mod mismatch;
mod model;
mod moment;
mod mutation;
mod plan;
mod play;
mod polling;
mod rates;
mod rebuild;
mod receiver;
mod session;
mod shrink;
mod stage;
mod tenures;
mod words;

pub use draw::{draw, draw_eventful};
pub use life::{Event, Happening, Life};
pub use mismatch::Mismatch;
pub use moment::Moment;
pub use mutation::{ALL as MUTATIONS, Mutation, put_in_all};
pub use play::{Ending, play};
pub use shrink::shrink;
