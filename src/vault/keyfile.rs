//! Private files: made with mode 0600, refused when others can read them.
//!
//! Every write is whole or not at all, whenever the machine stops. It does not know what
//! the files are for.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use tracing::info;
use zeroize::Zeroizing;

/// What a private file holds; wiped when dropped.
pub type Contents = Zeroizing<Vec<u8>>;

/// More than any key needs.
const LARGEST: u64 = 1 << 20;

#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    #[error("could not {doing} {path}")]
    Io {
        doing: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("others can read {path} (mode {mode:04o}): run `chmod 600 {path}`")]
    Exposed { path: PathBuf, mode: u32 },
    #[error("{path} is not a regular file")]
    NotAFile { path: PathBuf },
    #[error("{path} is larger than any key")]
    TooLarge { path: PathBuf },
}

/// Reads a private file.
pub fn load(path: &Path) -> Result<Contents, KeyFileError> {
    let mut file = File::open(path).map_err(failed("open", path))?;
    // Asked of the open file, so that nobody can swap it in between.
    let metadata = file.metadata().map_err(failed("look at", path))?;
    if !metadata.is_file() {
        return Err(KeyFileError::NotAFile {
            path: path.to_owned(),
        });
    }
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::Exposed {
            path: path.to_owned(),
            mode,
        });
    }
    if metadata.len() > LARGEST {
        return Err(KeyFileError::TooLarge {
            path: path.to_owned(),
        });
    }
    // Large enough at once: a buffer that grows leaves copies of the key behind.
    let size = usize::try_from(metadata.len()).expect("bounded above");
    let mut contents = Zeroizing::new(vec![0; size]);
    file.read_exact(&mut contents)
        .map_err(failed("read", path))?;
    Ok(contents)
}

/// Reads a private file, or makes it, and the directory it is in, if it is not there.
pub fn load_or_create(
    path: &Path,
    make: impl FnOnce() -> Contents,
) -> Result<Contents, KeyFileError> {
    // What is there may be on a volume that can only be read.
    if let Some(contents) = load_if_there(path)? {
        return Ok(contents);
    }
    private_directory(directory(path))?;
    let _lock = lock(path)?;
    // Another process may have been faster.
    if let Some(contents) = load_if_there(path)? {
        return Ok(contents);
    }
    let contents = make();
    write(path, &contents)?;
    info!(path = %path.display(), "Made a private file");
    Ok(contents)
}

fn load_if_there(path: &Path) -> Result<Option<Contents>, KeyFileError> {
    match load(path) {
        Ok(contents) => Ok(Some(contents)),
        Err(KeyFileError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Changes a private file; two who do so at once do it one after the other.
pub fn update<E: From<KeyFileError>>(
    path: &Path,
    change: impl FnOnce(&[u8]) -> Result<Contents, E>,
) -> Result<(), E> {
    let _lock = lock(path)?;
    let before = load(path)?;
    let after = change(&before)?;
    Ok(write(path, &after)?)
}

/// Writes a private file, over one that is there.
pub fn replace(path: &Path, contents: &[u8]) -> Result<(), KeyFileError> {
    private_directory(directory(path))?;
    let _lock = lock(path)?;
    write(path, contents)
}

/// Makes a directory that only its owner enters; one that exists is left as it is.
pub fn private_directory(path: &Path) -> Result<(), KeyFileError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(failed("make", path))
}

/// INVARIANT: called with the directory locked, so a temporary file that is there was left
/// by a crash.
fn write(path: &Path, contents: &[u8]) -> Result<(), KeyFileError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.new"));
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(failed("remove", &temporary)(error));
        }
        _ => {}
    }
    let create = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary);
    let mut file = create.map_err(failed("make", &temporary))?;
    // The umask may have taken more than group and others, never less.
    file.set_permissions(Permissions::from_mode(0o600))
        .map_err(failed("protect", &temporary))?;
    file.write_all(contents)
        .map_err(failed("write", &temporary))?;
    // On the disk before it gets its name, and the name on the disk before anybody relies on it.
    file.sync_all().map_err(failed("write", &temporary))?;
    fs::rename(&temporary, path).map_err(failed("replace", path))?;
    let directory = directory(path);
    let opened = File::open(directory).map_err(failed("open", directory))?;
    opened.sync_all().map_err(failed("write", directory))
}

/// Held while a file in this directory is made or changed, by whichever process.
fn lock(path: &Path) -> Result<File, KeyFileError> {
    let directory = directory(path);
    let file = File::open(directory).map_err(failed("open", directory))?;
    file.lock().map_err(failed("lock", directory))?;
    Ok(file)
}

fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> KeyFileError {
    let path = path.to_owned();
    move |source| KeyFileError::Io {
        doing,
        path,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(text: &str) -> Contents {
        Zeroizing::new(text.as_bytes().to_vec())
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn it_is_made_once_private_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data/deep/key");
        assert_eq!(
            **load_or_create(&path, || contents("first")).unwrap(),
            *b"first"
        );
        assert_eq!(
            **load_or_create(&path, || contents("second")).unwrap(),
            *b"first"
        );
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn one_that_others_can_read_is_refused_with_the_command_that_mends_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, "secret").unwrap();
        for mode in [0o644, 0o640, 0o601, 0o620, 0o660] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let error = load(&path).unwrap_err().to_string();
            let path = path.display();
            assert_eq!(
                error,
                format!("others can read {path} (mode {mode:04o}): run `chmod 600 {path}`")
            );
        }
        for mode in [0o600, 0o400] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert_eq!(**load(&path).unwrap(), *b"secret");
        }
    }

    #[test]
    fn what_is_no_file_or_too_large_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(
            load(folder.path()),
            Err(KeyFileError::NotAFile { .. })
        ));
        let path = folder.path().join("key");
        replace(&path, &vec![0; usize::try_from(LARGEST).unwrap() + 1]).unwrap();
        assert!(matches!(load(&path), Err(KeyFileError::TooLarge { .. })));
    }

    #[test]
    fn what_a_crash_left_behind_is_no_obstacle() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        replace(&path, b"before").unwrap();
        fs::write(folder.path().join(".key.new"), "half a k").unwrap();
        assert_eq!(**load(&path).unwrap(), *b"before");
        replace(&path, b"after").unwrap();
        assert_eq!(**load(&path).unwrap(), *b"after");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert_eq!(mode(&path), 0o600);
    }

    #[test]
    fn a_change_that_fails_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        replace(&path, b"before").unwrap();
        let failed = update(&path, |_| {
            Err(KeyFileError::NotAFile { path: path.clone() })
        });
        assert!(failed.is_err());
        assert_eq!(**load(&path).unwrap(), *b"before");
    }

    #[test]
    fn changes_at_once_lose_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        replace(&path, b"").unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..5 {
                        let one_more = |before: &[u8]| {
                            Ok::<_, KeyFileError>(Zeroizing::new([before, b"x"].concat()))
                        };
                        update(&path, one_more).unwrap();
                    }
                });
            }
        });
        assert_eq!(load(&path).unwrap().len(), 40);
    }

    #[test]
    fn several_that_make_it_at_once_agree_on_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let made: Vec<Contents> = std::thread::scope(|scope| {
            let makers: Vec<_> = (0..8_u8)
                .map(|number| {
                    let path = &path;
                    scope.spawn(move || {
                        load_or_create(path, || Zeroizing::new(vec![number])).unwrap()
                    })
                })
                .collect();
            makers
                .into_iter()
                .map(|maker| maker.join().unwrap())
                .collect()
        });
        assert!(made.iter().all(|contents| *contents == made[0]));
    }
}
