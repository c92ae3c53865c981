//! Reads a file that the user names, up to a limit: a device such as /dev/zero has no end.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};
use std::path::Path;

/// The largest file that is read, in bytes. A plan of 100,000 bridges has some 30 MB.
const LARGEST: u64 = 256 * 1024 * 1024;

/// The content of a file.
///
/// # Errors
/// Those of opening and reading, and `InvalidData` for a file that is too large.
pub fn read(path: impl AsRef<Path>) -> Result<Vec<u8>> {
    all(File::open(path)?)
}

/// As `read`, for a file that must be text.
pub fn read_text(path: impl AsRef<Path>) -> Result<String> {
    all_text(File::open(path)?)
}

/// Everything that a stream still has, which must be text.
pub fn all_text(stream: impl Read) -> Result<String> {
    String::from_utf8(all(stream)?).map_err(|error| Error::new(ErrorKind::InvalidData, error.utf8_error()))
}

fn all(stream: impl Read) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    stream.take(LARGEST + 1).read_to_end(&mut content)?;
    if content.len() as u64 <= LARGEST {
        return Ok(content);
    }
    Err(Error::new(ErrorKind::InvalidData, format!("it is larger than {} MB", LARGEST / 1024 / 1024)))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_device_without_an_end_is_an_error() {
        let error = super::read("/dev/zero").unwrap_err();
        assert_eq!(error.to_string(), "it is larger than 256 MB");
    }
}
