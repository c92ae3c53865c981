//! Writes a result to the place that `--out` names: a file, a device, a pipe, or stdout for `-`.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Where a result goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// `-`
    Stdout,
    /// A device, a FIFO, or a name under /dev or /proc such as /dev/stdout: it is written into, never replaced.
    Stream(&'a Path),
    /// A regular file, or one that does not exist yet.
    File(&'a Path),
}

impl<'a> Place<'a> {
    /// What this path names; links are followed.
    pub fn of(path: &'a Path) -> Self {
        let is_system = path.starts_with("/dev") || path.starts_with("/proc");
        match fs::metadata(path) {
            _ if path == Path::new("-") => Self::Stdout,
            Ok(_) if is_system => Self::Stream(path),
            Ok(found) if !found.is_file() && !found.is_dir() => Self::Stream(path),
            _ => Self::File(path),
        }
    }

    /// Writes the bytes. A file that exists is replaced as a whole and keeps its mode; a new one gets the mode that the
    /// umask gives.
    pub fn write(self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(bytes).and_then(|()| stdout.flush())
            }
            // Appending, because /dev/stdout may be a file that others write too.
            Self::Stream(path) => OpenOptions::new().append(true).open(path)?.write_all(bytes),
            Self::File(path) => replace(&target(path)?, bytes),
        }
    }

    /// Writes the bytes; a file is made for this user only.
    pub fn write_private(self, bytes: &[u8], old: Old) -> io::Result<()> {
        let Self::File(path) = self else { return self.write(bytes) };
        let mut options = OpenOptions::new();
        options.write(true).mode(0o600);
        match old {
            Old::Kept => options.create_new(true),
            Old::Replaced => options.create(true).truncate(true),
        };
        let mut file = options.open(path)?;
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.write_all(bytes)
    }

    /// Takes all rights to an existing file from other users, before it gets contents that are for this user only.
    pub fn make_private(self) -> io::Result<()> {
        match self {
            Self::File(path) => fs::set_permissions(path, Permissions::from_mode(0o600)),
            Self::Stdout | Self::Stream(_) => Ok(()),
        }
    }
}

/// What to do with an existing file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Old {
    /// It is an error.
    Kept,
    /// It gets the new contents.
    Replaced,
}

/// The file at the end of links, which need not exist yet. The number of links is the one that Linux follows at most.
fn target(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..40 {
        let Ok(next) = fs::read_link(&path) else { return Ok(path) };
        path = folder(&path).join(next);
    }
    Err(io::Error::other("too many symbolic links"))
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Replaces the file atomically: it holds either the new contents or the old. Where that cannot be, because its folder
/// is read-only or the file is a mount point, an existing file is written in place.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let old = fs::metadata(path).ok();
    let mode = old.as_ref().map_or(0o666, |old| old.permissions().mode() & 0o7777);
    let replaced = tempfile::Builder::new()
        .permissions(Permissions::from_mode(mode & 0o666))
        .tempfile_in(folder(path))
        .and_then(|mut file| {
            file.write_all(bytes)?;
            if let Some(old) = &old {
                file.as_file().set_permissions(old.permissions())?;
            }
            file.as_file().sync_all()?;
            file.persist(path).map(drop).map_err(|error| error.error)
        });
    match replaced {
        Err(error) if cannot_be_replaced(&error) && old.is_some_and(|old| old.is_file()) => {
            OpenOptions::new().write(true).truncate(true).open(path)?.write_all(bytes)
        }
        other => other,
    }
}

/// Whether the place and not the disk is the reason. After any other error, writing in place would lose the old contents too.
fn cannot_be_replaced(error: &io::Error) -> bool {
    use io::ErrorKind::{CrossesDevices, PermissionDenied, ReadOnlyFilesystem, ResourceBusy};
    matches!(error.kind(), CrossesDevices | PermissionDenied | ReadOnlyFilesystem | ResourceBusy)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_full_disk_does_not_cost_the_old_contents() {
        assert!(!cannot_be_replaced(&io::ErrorKind::StorageFull.into()));
        assert!(cannot_be_replaced(&io::ErrorKind::ReadOnlyFilesystem.into()));
    }

    #[test]
    fn a_file_is_replaced_through_links_and_keeps_its_mode() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("sub")).unwrap();
        symlink("link2", at("link")).unwrap();
        symlink("sub/plan", at("link2")).unwrap();
        Place::of(&at("link")).write(b"one").unwrap();
        assert_eq!(fs::read(at("sub/plan")).unwrap(), b"one", "a link to no file yet");
        fs::write(at("other"), "").unwrap();
        assert_eq!(mode(&at("sub/plan")), mode(&at("other")), "as the umask says");
        fs::set_permissions(at("sub/plan"), Permissions::from_mode(0o640)).unwrap();
        Place::of(&at("link")).write(b"two").unwrap();
        assert!(at("link").is_symlink() && at("link2").is_symlink());
        assert_eq!((fs::read(at("sub/plan")).unwrap(), mode(&at("sub/plan"))), (b"two".to_vec(), 0o640));
        assert_eq!(fs::read_dir(at("sub")).unwrap().count(), 1, "no temporary file is left");
        symlink("loop", at("loop")).unwrap();
        Place::of(&at("loop")).write(b"x").unwrap_err();
        Place::of(&at("sub")).write(b"x").unwrap_err();
        assert!(at("sub").is_dir());
    }

    #[test]
    fn a_device_and_a_pipe_are_written_into() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        symlink("fifo", dir.path().join("link")).unwrap();
        for name in ["fifo", "link"] {
            let path = dir.path().join(name);
            let reader = std::thread::spawn({
                let fifo = fifo.clone();
                move || fs::read(fifo).unwrap()
            });
            assert!(matches!(Place::of(&path), Place::Stream(_)));
            Place::of(&path).write(b"plan").unwrap();
            assert_eq!(reader.join().unwrap(), b"plan");
        }
        Place::of(Path::new("/dev/null")).write(b"x").unwrap();
        Place::of(Path::new("/dev/null")).write_private(b"x", Old::Kept).unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
        assert_eq!(Place::of(Path::new("-")), Place::Stdout);
        Place::of(Path::new("/dev/full")).write(b"x").unwrap_err();
    }

    #[test]
    fn a_private_file_is_private_even_if_it_was_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("code.png");
        Place::of(&path).write_private(b"1", Old::Kept).unwrap();
        Place::of(&path).write_private(b"2", Old::Kept).unwrap_err();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        Place::of(&path).write_private(b"3", Old::Replaced).unwrap();
        assert_eq!((fs::read(&path).unwrap(), mode(&path)), (b"3".to_vec(), 0o600));
    }
}
