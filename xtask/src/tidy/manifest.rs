//! Manifests, lock files and cargo's own configuration: versions in one place, a reason for each crate, no hosts.

use std::path::Path;

use anyhow::Context;

use super::arrows::line_of;
use super::{Faults, Tree};

/// The only source a crate may come from.
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Crates take every dependency from the workspace, so that a version and its reason stand once.
pub(super) fn versions_in_root(tree: &Tree, faults: &mut Faults) -> anyhow::Result<()> {
    for file in tree.ending("Cargo.toml").filter(|file| *file != Path::new("Cargo.toml")) {
        let text = tree.read(file)?;
        let manifest: toml::Table = text.parse().with_context(|| format!("cannot read {}", file.display()))?;
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(needs) = manifest.get(section).and_then(toml::Value::as_table) else { continue };
            for (name, need) in needs {
                if need.get("workspace").and_then(toml::Value::as_bool) != Some(true) {
                    let what = format!("`{name}` does not come from the workspace");
                    faults.add(
                        file,
                        line_of(&text, name),
                        what,
                        "write `.workspace = true`, and version and reason in the root",
                    );
                }
            }
        }
    }
    Ok(())
}

/// Each block of dependencies in the root manifest opens with a comment: why the crate is here, who keeps it.
pub(super) fn reasons(tree: &Tree, faults: &mut Faults) -> anyhow::Result<()> {
    let file = Path::new("Cargo.toml");
    if !tree.has(file) {
        return Ok(());
    }
    let text = tree.read(file)?;
    let mut inside = false;
    let mut explained = false;
    for (index, line) in text.lines().map(str::trim).enumerate() {
        if line.starts_with('[') {
            inside = line == "[workspace.dependencies]";
            explained = false;
        } else if line.starts_with('#') {
            explained = true;
        } else if line.is_empty() {
            explained = false;
        } else if inside && !explained && line.contains('=') {
            let name = line.split(['=', '.', ' ']).next().unwrap_or(line);
            let what = format!("no reason for `{name}`");
            faults.add(file, index + 1, what, "say above it why it is here and who keeps it");
        }
    }
    Ok(())
}

/// Lock files name no mirror: cargo's source is crates.io, npm's entries carry no address.
pub(super) fn lock_hosts(tree: &Tree, faults: &mut Faults) -> anyhow::Result<()> {
    for file in tree.ending("Cargo.lock") {
        for (index, line) in tree.read(file)?.lines().enumerate() {
            if line.strip_prefix("source = \"").is_some_and(|rest| rest.trim_end_matches('"') != CRATES_IO) {
                faults.add(file, index + 1, "a source other than crates.io", "take the crate from crates.io");
            }
        }
    }
    for file in tree.ending("package-lock.json") {
        for (index, line) in tree.read(file)?.lines().enumerate() {
            if line.trim_start().starts_with("\"resolved\"") {
                let mend = "write the file with `npm install --omit-lockfile-registry-resolved`";
                faults.add(file, index + 1, "an address of a registry", mend);
            }
        }
    }
    Ok(())
}

/// Configuration in the tree sets no registry: which one is used is the machine's business.
pub(super) fn cargo_config(tree: &Tree, faults: &mut Faults) -> anyhow::Result<()> {
    const CONFIGS: [(&str, &[&str]); 2] =
        [(".cargo/config.toml", &["[source", "[registr", "[http"]), (".npmrc", &["registry"])];
    for (name, words) in CONFIGS {
        for file in tree.ending(name) {
            for (index, line) in tree.read(file)?.lines().enumerate() {
                if words.iter().any(|word| line.trim_start().starts_with(word)) {
                    faults.add(file, index + 1, "sets a registry", "leave that to the machine's own configuration");
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::check_rule;

    #[test]
    fn versions_stand_in_the_root() {
        let good = "[dependencies]\nwire.workspace = true\ntokio = { workspace = true, features = [\"net\"] }\n";
        check_rule(versions_in_root, &[("crates/a/Cargo.toml", good)], "");
        let bad = "[dev-dependencies]\nrand = \"0.1\"\nsys = { path = \"../sys\" }\n";
        check_rule(
            versions_in_root,
            &[("crates/a/Cargo.toml", bad)],
            "crates/a/Cargo.toml:2: `rand` does not come from the workspace
             crates/a/Cargo.toml:3: `sys` does not come from the workspace",
        );
    }

    #[test]
    fn each_block_of_crates_has_a_reason() {
        let text = "[workspace.dependencies]\n# JSON. dtolnay.\nserde = 1\nserde_json = 1\n\nrand = 1\n[profile.dev]\ndebug = 0\n";
        check_rule(reasons, &[("Cargo.toml", text)], "Cargo.toml:6: no reason for `rand`");
    }

    #[test]
    fn locks_name_no_mirror() {
        let lock = format!("source = \"{CRATES_IO}\"\nsource = \"sparse+https://mirror.example/index\"\n");
        check_rule(lock_hosts, &[("Cargo.lock", &lock)], "Cargo.lock:2: a source other than crates.io");
        let npm = "{\n  \"resolved\": \"https://mirror.example/a.tgz\",\n  \"integrity\": \"sha512\"\n}\n";
        check_rule(lock_hosts, &[("web/package-lock.json", npm)], "web/package-lock.json:2: an address of a registry");
    }

    #[test]
    fn configuration_sets_no_registry() {
        check_rule(cargo_config, &[(".cargo/config.toml", "[alias]\nx = \"y\"\n")], "");
        check_rule(
            cargo_config,
            &[
                (".cargo/config.toml", "[alias]\n[source.crates-io]\n"),
                ("web/.npmrc", "registry=https://mirror.example\n"),
            ],
            ".cargo/config.toml:2: sets a registry
             web/.npmrc:1: sets a registry",
        );
    }
}
