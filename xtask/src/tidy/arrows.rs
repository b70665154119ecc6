//! Arrows between rooms point down only: the table of floors in ARCHITECTURE.md, kept here as data.

use std::path::Path;

use anyhow::Context;

use super::{Faults, Tree};

/// Floor of every room. Rooms of one floor do not know each other.
const FLOORS: &[(&str, u8)] = &[
    ("sys", 0),
    ("testkit", 0),
    ("wire", 1),
    ("telemetry", 1),
    ("event", 1),
    ("api", 1),
    ("webui", 1),
    ("zone", 2),
    ("cache", 2),
    ("policy", 2),
    ("store", 2),
    ("dnstap", 1),
    ("import", 2),
    ("output", 2),
    ("resolve", 3),
    ("search", 3),
    ("engine", 4),
    ("control", 4),
    ("front", 5),
    ("web", 5),
    ("lab", 5),
    ("nameward", 6),
];

/// The one arrow along a floor: an event names return codes, and `wire` holds their registry.
const NEIGHBOURS: &[(&str, &str)] = &[("event", "wire")];

fn floor(name: &str) -> Option<u8> {
    FLOORS.iter().find(|(room, _)| *room == name).map(|(_, floor)| *floor)
}

/// Every room has a floor, and depends on lower floors alone (tests may reach anywhere).
pub(super) fn down_only(tree: &Tree, faults: &mut Faults) -> anyhow::Result<()> {
    for file in tree.ending("Cargo.toml").filter(|file| file.starts_with("crates")) {
        let text = tree.read(file)?;
        let manifest: toml::Table = text.parse().with_context(|| format!("cannot read {}", file.display()))?;
        let Some(room) = room_of(file) else { continue };
        let Some(from) = floor(&room) else {
            faults.add(file, 1, format!("room `{room}` has no floor"), "give it one in xtask/src/tidy/arrows.rs");
            continue;
        };
        for section in ["dependencies", "build-dependencies"] {
            let Some(needs) = manifest.get(section).and_then(toml::Value::as_table) else { continue };
            for name in needs.keys().filter(|name| floor(name).is_some_and(|to| to >= from)) {
                if !NEIGHBOURS.contains(&(room.as_str(), name.as_str())) {
                    let what = format!("`{room}` points at `{name}`, which lies no lower");
                    faults.add(file, line_of(&text, name), what, "let the two meet one floor up");
                }
            }
        }
    }
    Ok(())
}

/// `crates/cache/Cargo.toml` is the manifest of `cache`.
fn room_of(manifest: &Path) -> Option<String> {
    let mut parts = manifest.components().map(|part| part.as_os_str().to_string_lossy().into_owned());
    (parts.next()? == "crates").then(|| parts.next()).flatten().filter(|_| manifest.components().count() == 3)
}

/// Line of a key in a manifest, from 1.
pub(super) fn line_of(text: &str, key: &str) -> usize {
    let starts = |line: &str| line.strip_prefix(key).is_some_and(|rest| rest.starts_with(['.', ' ', '=']));
    1 + text.lines().position(starts).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::check_rule;

    fn check(room: &str, needs: &str, expected: &str) {
        let manifest =
            format!("[package]\nname = \"{room}\"\n[dependencies]\n{needs}\n[dev-dependencies]\nfront = 1\n");
        check_rule(down_only, &[(&format!("crates/{room}/Cargo.toml"), &manifest)], expected);
    }

    #[test]
    fn arrows_point_down() {
        check("engine", "wire.workspace = true\ntokio.workspace = true", "");
        check(
            "engine",
            "front.workspace = true",
            "crates/engine/Cargo.toml:4: `engine` points at `front`, which lies no lower",
        );
        check(
            "cache",
            "wire = 1\npolicy = 1",
            "crates/cache/Cargo.toml:5: `cache` points at `policy`, which lies no lower",
        );
        check("event", "wire = 1", "");
        check("wire", "event = 1", "crates/wire/Cargo.toml:4: `wire` points at `event`, which lies no lower");
    }

    #[test]
    fn a_new_room_needs_a_floor() {
        check("attic", "", "crates/attic/Cargo.toml:1: room `attic` has no floor");
    }
}
