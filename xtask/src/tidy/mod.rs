//! `cargo xtask tidy`: what clippy cannot know. Each rule reads files of the tree and says what is wrong, where, and how to
//! mend it.
//!
//! Rules see a list of files and their text, so a test is a folder with a few lines in it.

mod arrows;
mod code;
mod manifest;
mod source;
mod text;

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;

use crate::repo::Repo;

/// One offence.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Fault {
    file: PathBuf,
    line: usize,
    what: String,
    mend: &'static str,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.file.display(), self.line, self.what, self.mend)
    }
}

/// Files to look at, relative to `root`.
struct Tree {
    root: PathBuf,
    files: Vec<PathBuf>,
}

impl Tree {
    /// Files whose name ends so.
    fn ending<'a>(&'a self, end: &'a str) -> impl Iterator<Item = &'a Path> {
        self.files.iter().map(PathBuf::as_path).filter(move |file| file.to_string_lossy().ends_with(end))
    }

    fn has(&self, file: &Path) -> bool {
        self.files.iter().any(|known| known == file)
    }

    fn read(&self, file: &Path) -> anyhow::Result<String> {
        std::fs::read_to_string(self.root.join(file)).with_context(|| format!("cannot read {}", file.display()))
    }

    /// Text of a file; `None` when it is not text.
    fn text(&self, file: &Path) -> anyhow::Result<Option<String>> {
        let octets = std::fs::read(self.root.join(file)).with_context(|| format!("cannot read {}", file.display()))?;
        Ok(String::from_utf8(octets).ok().filter(|text| !text.contains('\0')))
    }

    fn bytes(&self, file: &Path) -> anyhow::Result<u64> {
        Ok(std::fs::metadata(self.root.join(file))?.len())
    }
}

/// Gathers faults of one rule.
#[derive(Default)]
struct Faults(Vec<Fault>);

impl Faults {
    fn add(&mut self, file: &Path, line: usize, what: impl Into<String>, mend: &'static str) {
        self.0.push(Fault { file: file.to_path_buf(), line, what: what.into(), mend });
    }
}

type Rule = fn(&Tree, &mut Faults) -> anyhow::Result<()>;

const RULES: &[Rule] = &[
    arrows::down_only,
    manifest::versions_in_root,
    manifest::reasons,
    manifest::lock_hosts,
    manifest::cargo_config,
    code::headers,
    code::leftovers,
    code::unsafe_in_sys,
    code::edges,
    code::length,
    text::machine_words,
    text::links,
    text::large_files,
];

/// `cargo xtask tidy`.
pub(crate) fn run(repo: &Repo, words: &[String]) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(words.is_empty(), "tidy takes no arguments");
    Ok(if check(repo)? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether the tree is tidy; prints every fault.
pub(crate) fn check(repo: &Repo) -> anyhow::Result<bool> {
    let tree = Tree { root: repo.root.clone(), files: repo.files()? };
    let faults = look(&tree, RULES)?;
    for fault in &faults {
        eprintln!("{fault}");
    }
    if faults.is_empty() {
        println!("tidy: {} files, {} rules", tree.files.len(), RULES.len());
    } else {
        eprintln!("tidy: {} faults", faults.len());
    }
    Ok(faults.is_empty())
}

fn look(tree: &Tree, rules: &[Rule]) -> anyhow::Result<Vec<Fault>> {
    let mut faults = Faults::default();
    for rule in rules {
        rule(tree, &mut faults)?;
    }
    faults.0.sort();
    Ok(faults.0)
}

/// Lays files into a folder, runs one rule and compares `file:line: what` of its faults, one a line.
#[cfg(test)]
fn check_rule(rule: Rule, files: &[(&str, &str)], expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let files = crate::repo::walk(folder.path()).unwrap();
    let tree = Tree { root: folder.path().to_path_buf(), files };
    let faults = look(&tree, &[rule]).unwrap();
    let lines: Vec<String> =
        faults.iter().map(|fault| format!("{}:{}: {}", fault.file.display(), fault.line, fault.what)).collect();
    let expected: Vec<&str> = expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(lines, expected);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_says_where_what_and_how_to_mend_it() {
        let mut faults = Faults::default();
        faults.add(Path::new("crates/cache/src/lib.rs"), 7, "reads a clock", "take the time as an argument");
        assert_eq!(faults.0[0].to_string(), "crates/cache/src/lib.rs:7: reads a clock: take the time as an argument");
    }
}
