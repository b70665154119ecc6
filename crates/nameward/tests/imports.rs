//! `nameward import` as an operator runs it: files of others into a log, again, and into a log that a server holds.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use store::{Settings, Store};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../import/tests/data").join(name)
}

fn import(log: &Path, files: &[PathBuf]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nameward"));
    // The user's own settings and state are none of the test's.
    command.env("HOME", log).env_remove("XDG_STATE_HOME");
    command.args(["import", "--folder"]).arg(log).args(files).output().unwrap()
}

/// The numbers in the line of a file: records, kept, already there, bad.
fn line(output: &Output, name: &str) -> Vec<u64> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let line = text.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("{text}"));
    line.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

fn rows(log: &Path) -> u64 {
    let (store, opened) = Store::open(Settings { folder: log.to_owned(), ..Settings::default() }).unwrap();
    assert_eq!(opened.notes, [""; 0]);
    let rows = store.health().rows;
    store.close();
    rows
}

#[test]
fn files_are_kept_once_however_often_they_are_imported() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let files = ["bind.log", "unbound.log", "unbound.fstrm"];
    let first = import(&log, &files.map(data));
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    let mut kept = 0;
    for name in files {
        let [records, of_them, there, bad] = line(&first, name)[..] else { panic!("{name}") };
        assert!(records > 0 && of_them > 0 && there == 0 && of_them + bad == records, "{name}");
        kept += of_them;
    }
    assert_eq!(rows(&log), kept);

    let again = import(&log, &files.map(data));
    for name in files {
        let [records, of_them, there, _] = line(&again, name)[..] else { panic!("{name}") };
        assert_eq!((of_them, there), (0, records), "{name}");
    }
    assert_eq!(rows(&log), kept);
}

#[test]
fn a_log_that_grew_gives_only_what_is_new() {
    let folder = tempfile::tempdir().unwrap();
    let (log, file) = (folder.path().join("log"), folder.path().join("query.log"));
    let whole = std::fs::read_to_string(data("bind.log")).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let (begin, rest) = lines.split_at(lines.len() / 2);
    std::fs::write(&file, begin.join("\n") + "\n").unwrap();
    let first = line(&import(&log, std::slice::from_ref(&file)), "query.log");
    std::fs::write(&file, whole.as_bytes()).unwrap();
    let second = line(&import(&log, std::slice::from_ref(&file)), "query.log");
    assert_eq!((first[0], second[2]), (begin.len() as u64, begin.len() as u64));
    assert_eq!(second[0] - second[2], rest.len() as u64);
    assert_eq!(rows(&log), first[1] + second[1]);
}

#[test]
fn what_would_be_dropped_at_once_is_left_out_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let (state, file) = (folder.path().join("state"), folder.path().join("query.log"));
    let config = folder.path().join("nameward.toml");
    std::fs::write(&config, format!("state = {state:?}\n[log]\nkeep_age = \"7 days\"\n")).unwrap();
    let line_of = |time: jiff::Timestamp| {
        format!(
            "{time:.3} queries: info: client @0x7f 127.0.0.1#48820 (www.example): query: www.example IN A + (127.0.0.1)\n"
        )
    };
    let now = jiff::Timestamp::now();
    let ages = [8, 9, 6, 1].map(|days| now - jiff::SignedDuration::from_hours(days * 24));
    std::fs::write(&file, ages.map(line_of).concat()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_nameward"));
    let output = command.env("HOME", &state).args(["import", "--config"]).arg(&config).arg(&file).output().unwrap();
    assert_eq!(line(&output, "query.log"), [4, 2, 0, 0], "{}", String::from_utf8_lossy(&output.stderr));
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains("left out: 2 events older than log.keep_age"), "{told}");
    assert_eq!(rows(&state.join("log")), 2);

    // A log of its own keeps them all.
    let log = folder.path().join("archive");
    assert_eq!(line(&import(&log, &[file]), "query.log"), [4, 4, 0, 0]);
    assert_eq!(rows(&log), 4);
}

#[test]
fn a_log_in_use_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let (server, _) = Store::open(Settings { folder: folder.path().to_owned(), ..Settings::default() }).unwrap();
    let refused = import(folder.path(), &[data("bind.log")]);
    server.close();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(said.contains("in use by a running server") && said.contains("--folder"), "{said}");
}

#[test]
fn what_is_no_log_is_named_and_the_others_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (log, junk) = (folder.path().join("log"), folder.path().join("junk.bin"));
    std::fs::write(&junk, [7_u8; 4_096]).unwrap();
    let output = import(&log, &[junk, data("bind.log")]);
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("junk.bin"), "{said}");
    assert_eq!(rows(&log), line(&output, "bind.log")[1]);
}
