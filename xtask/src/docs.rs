//! Generated reference pages: the product writes them from its own tables, this compares or keeps them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::Context;

use crate::repo::{Repo, must};

const FOLDER: &str = "docs/src/reference";

/// `cargo xtask docs [--check]`.
pub(crate) fn run(repo: &Repo, words: &[String]) -> anyhow::Result<ExitCode> {
    must(repo.command("cargo").args(["build", "--package", "nameward"]))?;
    match words {
        [] => write(repo, &repo.root.join(FOLDER)).map(|()| ExitCode::SUCCESS),
        [word] if word == "--check" => Ok(if check(repo)? { ExitCode::SUCCESS } else { ExitCode::FAILURE }),
        _ => anyhow::bail!("docs takes nothing but --check"),
    }
}

/// Has the built product write its reference pages into `folder`.
fn write(repo: &Repo, folder: &Path) -> anyhow::Result<()> {
    let mut product = Command::new(repo.built("nameward"));
    must(product.current_dir(&repo.root).args(["reference", "--folder"]).arg(folder))
}

/// Whether the pages in the tree are what the built product would write now; says which are not.
pub(crate) fn check(repo: &Repo) -> anyhow::Result<bool> {
    let fresh = repo.target.join("reference-check");
    if fresh.exists() {
        std::fs::remove_dir_all(&fresh).with_context(|| format!("cannot empty {}", fresh.display()))?;
    }
    std::fs::create_dir_all(&fresh)?;
    write(repo, &fresh)?;
    let faults = differences(&pages(&repo.root.join(FOLDER))?, &pages(&fresh)?);
    for fault in &faults {
        eprintln!("{FOLDER}/{fault}: run `cargo xtask docs` and commit the result");
    }
    Ok(faults.is_empty())
}

fn pages(folder: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let mut pages = BTreeMap::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|_| path.is_file()) {
            pages.insert(name.to_owned(), std::fs::read_to_string(&path)?);
        }
    }
    Ok(pages)
}

/// Pages that the product writes and that differ or lack in the tree. Pages written by hand are not its business.
fn differences(kept: &BTreeMap<String, String>, fresh: &BTreeMap<String, String>) -> Vec<String> {
    let differs = |(name, text): (&String, &String)| match kept.get(name) {
        Some(old) if old == text => None,
        Some(old) => {
            let line = 1 + old.lines().zip(text.lines()).take_while(|(old, new)| old == new).count();
            Some(format!("{name}:{line}: out of date"))
        }
        None => Some(format!("{name}: missing")),
    };
    fresh.iter().filter_map(differs).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(list: &[(&str, &str)]) -> BTreeMap<String, String> {
        list.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn only_generated_pages_are_compared() {
        let kept = pages(&[("a.md", "one\ntwo\n"), ("by-hand.md", "mine")]);
        assert!(differences(&kept, &pages(&[("a.md", "one\ntwo\n")])).is_empty());
        assert_eq!(differences(&kept, &pages(&[("a.md", "one\n2\n")])), ["a.md:2: out of date"]);
        assert_eq!(differences(&kept, &pages(&[("b.md", "")])), ["b.md: missing"]);
    }
}
