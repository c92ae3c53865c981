//! Says why a connection failed, in one line.

use std::error::Error;

/// What the HTTP library says first of every failure.
const OF_EVERY_FAILURE: [&str; 4] =
    ["error sending request", "client error (Connect)", "client error (SendRequest)", "tcp connect error"];

/// The texts of an error and its sources, from the outermost to the innermost, without those that tell nothing.
pub fn cause(error: &dyn Error) -> String {
    let mut texts: Vec<String> =
        std::iter::successors(Some(error), |&error| error.source()).map(ToString::to_string).collect();
    let last = texts.last().cloned().unwrap_or_default();
    texts.retain(|text| !OF_EVERY_FAILURE.contains(&text.as_str()));
    texts.dedup();
    if texts.is_empty() { last } else { texts.join(": ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Told(&'static str, #[source] Option<Box<Told>>);

    fn chain(texts: &[&'static str]) -> Told {
        let inner = texts.iter().rev().fold(None, |inner, text| Some(Box::new(Told(text, inner))));
        *inner.unwrap()
    }

    #[test]
    fn only_what_tells_something_is_kept() {
        let refused =
            ["error sending request", "client error (Connect)", "tcp connect error", "Connection refused"];
        assert_eq!(cause(&chain(&refused)), "Connection refused");
        let unknown = ["error sending request", "client error (Connect)", "dns error", "name not known"];
        assert_eq!(cause(&chain(&unknown)), "dns error: name not known");
        let broken = ["error sending request", "client error (SendRequest)", "connection closed"];
        assert_eq!(cause(&chain(&broken)), "connection closed");
        assert_eq!(cause(&chain(&["error sending request", "tcp connect error"])), "tcp connect error");
    }
}
