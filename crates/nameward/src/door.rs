//! How the command line finds the server on this machine: a file in the state folder that only its user can read,
//! with the address of the API and a token.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

/// What the file says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Door {
    /// Address of the API, such as `http://127.0.0.1:8053`.
    pub(crate) url: String,
    /// The command line's token.
    pub(crate) token: String,
}

/// The file while the server runs; removed when dropped.
pub(crate) struct Opened(PathBuf);

impl Drop for Opened {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
        // Folders that only this file needed go too; those that hold something stay.
        for folder in self.0.ancestors().skip(1).take(2) {
            let _ = fs::remove_dir(folder);
        }
    }
}

fn folder(state: &Path) -> PathBuf {
    state.join("doors")
}

/// Leaves the file, named by the port so that several servers of one user do not meet.
pub(crate) fn open(state: &Path, port: u16, door: &Door) -> anyhow::Result<Opened> {
    let folder = folder(state);
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    let path = folder.join(format!("{port}.json"));
    let _ = fs::remove_file(&path);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    file.write_all(serde_json::to_string(door)?.as_bytes())?;
    Ok(Opened(path))
}

/// Finds a server: the one at `server` when named, else the one that started last.
pub(crate) fn find(states: &[PathBuf], server: Option<&str>) -> Option<Door> {
    let files = states.iter().filter_map(|state| fs::read_dir(folder(state)).ok()).flatten().flatten();
    let mut found: Vec<(std::time::SystemTime, Door)> = files
        .filter_map(|file| {
            let started = file.metadata().and_then(|data| data.modified()).ok()?;
            let door: Door = serde_json::from_str(&fs::read_to_string(file.path()).ok()?).ok()?;
            Some((started, door))
        })
        .filter(|(_, door)| server.is_none_or(|server| server.trim_end_matches('/') == door.url))
        .collect();
    found.sort_by_key(|(started, _)| *started);
    found.pop().map(|(_, door)| door)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_door_is_found_while_open_and_only_by_its_user() {
        use std::os::unix::fs::PermissionsExt as _;
        let state = tempfile::tempdir().unwrap();
        let states = [state.path().to_owned()];
        let door = Door { url: "http://127.0.0.1:8053".to_owned(), token: "secret".to_owned() };

        let opened = open(state.path(), 8053, &door).unwrap();
        assert_eq!(fs::metadata(&opened.0).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(find(&states, None), Some(door.clone()));
        assert_eq!(find(&states, Some("http://127.0.0.1:8053/")), Some(door));
        assert_eq!(find(&states, Some("http://127.0.0.1:9")), None);

        drop(opened);
        assert_eq!(find(&states, None), None);
    }
}
