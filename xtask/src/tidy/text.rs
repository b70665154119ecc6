//! Rules for all text in the tree: no paths of one machine, links that lead somewhere, no large files.

use std::path::{Component, Path, PathBuf};

use super::{Faults, Tree};

/// Largest file in the tree, bytes; pictures apart.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Words that only mean something on one machine, in two halves: this file is text of the tree too.
const MACHINE_WORDS: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/tmp/ba", "sh"),
    concat!("artif", "actory"),
    concat!("jf", "rog"),
];

/// Nothing in the tree speaks of the machine it was written on.
pub(super) fn machine_words(tree: &Tree, faults: &mut Faults) -> anyhow::Result<()> {
    for file in &tree.files {
        let Some(text) = tree.text(file)? else { continue };
        for (index, line) in text.lines().enumerate() {
            for word in MACHINE_WORDS.iter().filter(|word| stands_alone(line, word)) {
                faults.add(
                    file,
                    index + 1,
                    format!("`{word}` is of one machine"),
                    "name the thing, not where it lies here",
                );
            }
        }
    }
    Ok(())
}

/// Whether `word` stands in `line`, and, when it is a path, at the start of one.
fn stands_alone(line: &str, word: &str) -> bool {
    let goes_on = |c: char| c.is_alphanumeric() || "._-~*}".contains(c);
    line.match_indices(word)
        .any(|(at, _)| !word.starts_with('/') || !line[..at].chars().next_back().is_some_and(goes_on))
}

/// Relative links in Markdown lead to files of the tree.
pub(super) fn links(tree: &Tree, faults: &mut Faults) -> anyhow::Result<()> {
    for file in tree.ending(".md") {
        let text = tree.read(file)?;
        let mut in_block = false;
        for (index, line) in text.lines().enumerate() {
            if line.trim_start().starts_with("```") {
                in_block = !in_block;
            }
            if in_block {
                continue;
            }
            for target in targets(line) {
                let path = target.split('#').next().unwrap_or_default();
                if !path.is_empty() && !leads_somewhere(tree, file, path) {
                    faults.add(file, index + 1, format!("`{target}` leads nowhere"), "mend the link");
                }
            }
        }
    }
    Ok(())
}

/// Relative targets of `[text](target)` in a line.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
}

fn leads_somewhere(tree: &Tree, from: &Path, target: &str) -> bool {
    let mut path = PathBuf::new();
    for part in from.parent().unwrap_or(Path::new("")).join(target).components() {
        match part {
            Component::ParentDir if path.pop() => {}
            Component::Normal(name) => path.push(name),
            Component::CurDir => {}
            _ => return false,
        }
    }
    tree.root.join(path).exists()
}

/// Large files belong elsewhere: a clone should stay quick.
pub(super) fn large_files(tree: &Tree, faults: &mut Faults) -> anyhow::Result<()> {
    for file in &tree.files {
        let bytes = tree.bytes(file)?;
        if bytes > FILE_BYTES_MAX && file.extension().is_none_or(|end| end != "png") {
            faults.add(
                file,
                1,
                format!("{bytes} bytes, over {FILE_BYTES_MAX}"),
                "keep it outside the tree or make it in a test",
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::check_rule;

    #[test]
    fn no_machine_is_named() {
        let word = concat!("/wo", "rk/");
        check_rule(
            machine_words,
            &[("a.md", &format!("net{word}x\nsee {word}x\n")), ("b.bin", &format!("\0{word}"))],
            &format!("a.md:2: `{word}` is of one machine"),
        );
    }

    #[test]
    fn links_lead_to_files() {
        let page = "[a](b.md#top) [c](../README.md) [d](https://example.org/x) [e](#here)\n[f](gone.md)\n```\n[g](h.md)\n```\n";
        check_rule(
            links,
            &[("docs/a.md", page), ("docs/b.md", ""), ("README.md", "[up](../out.md)\n")],
            "README.md:1: `../out.md` leads nowhere
             docs/a.md:2: `gone.md` leads nowhere",
        );
    }

    #[test]
    fn large_files_stay_outside() {
        let large = "x".repeat(1024 * 1024 + 1);
        check_rule(
            large_files,
            &[("a.bin", &large), ("b.png", &large), ("c.bin", &large[1..])],
            "a.bin:1: 1048577 bytes, over 1048576",
        );
    }
}
