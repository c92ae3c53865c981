//! Fuzz tests of the readers of answers and settings. The corpora are in `fuzz/corpus`.

mod answers;
mod texts;
