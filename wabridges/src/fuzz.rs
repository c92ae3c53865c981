//! What must hold of whatever the provider answers and whatever is written in settings; the corpora are in `fuzz/corpus`.

mod answers;
mod texts;
