//! Rules for Rust and dashboard sources: headers, leftovers, `unsafe`, clocks and sockets, length.

use std::path::Path;

use super::source::{code_only, lines_with_word, without_tests};
use super::{Faults, Tree};

/// Lines of code a file may have: over it there is usually a second idea inside.
const LINES_MAX: usize = 1000;

/// Files that may be longer, and why.
const LONG_FILES: &[(&str, &str)] = &[];

/// Words a header needs at least to say what its file is for.
const HEADER_WORDS_MIN: usize = 3;

/// The room that holds all `unsafe`.
const UNSAFE_ROOM: &str = "crates/sys";

/// Rooms below the edges: time is an argument there, and no file or socket is opened.
const QUIET_ROOMS: &[&str] = &["wire", "event", "api", "zone", "cache", "policy", "engine"];

/// What a quiet room never says, and what it should do.
const EDGE_WORDS: &[(&str, &str)] = &[
    ("Instant::now", "take the time as an argument"),
    ("SystemTime::now", "take the time as an argument"),
    ("UdpSocket", "leave sockets to `front` and `resolve`"),
    ("TcpStream", "leave sockets to `front` and `resolve`"),
    ("TcpListener", "leave sockets to `front` and `resolve`"),
    ("std::fs", "leave files to `control` and `store`"),
    ("tokio::fs", "leave files to `control` and `store`"),
    ("File::open", "leave files to `control` and `store`"),
    ("getrandom", "take randomness as an argument"),
];

fn sources(tree: &Tree) -> impl Iterator<Item = &Path> {
    tree.ending(".rs")
}

fn in_source_folder(file: &Path) -> bool {
    file.components().any(|part| ["src", "fuzz_targets"].iter().any(|name| part.as_os_str() == *name))
        || file.ends_with("build.rs")
}

fn is_test_file(file: &Path) -> bool {
    file.ends_with("tests.rs")
        || file.components().any(|part| part.as_os_str() == "tests" || part.as_os_str() == "benches")
}

/// Every source file opens with `//!`: what it is for and what it does not know. Test modules say it in their tests.
pub(super) fn headers(tree: &Tree, faults: &mut Faults) -> anyhow::Result<()> {
    for file in sources(tree).filter(|file| in_source_folder(file) && !is_test_file(file)) {
        let text = tree.read(file)?;
        let words: usize =
            text.lines().map_while(|line| line.strip_prefix("//!")).map(|line| line.split_whitespace().count()).sum();
        if words < HEADER_WORDS_MIN {
            faults.add(file, 1, "no header", "open with `//!`: what the file is for and what it does not know");
        }
    }
    Ok(())
}

/// No debugging, stubs or notes to oneself are left.
pub(super) fn leftovers(tree: &Tree, faults: &mut Faults) -> anyhow::Result<()> {
    const MACROS: [&str; 3] = ["dbg!", "todo!", "unimplemented!"];
    // In two halves: this file is text of the tree too.
    const NOTES: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];
    for file in sources(tree) {
        let code = code_only(&tree.read(file)?);
        for word in MACROS {
            for line in lines_with_word(&code, word) {
                faults.add(file, line, format!("`{word}` left behind"), "finish it or take it out");
            }
        }
    }
    for end in [".rs", ".ts", ".tsx", ".css", ".md", ".toml", ".sh", ".html"] {
        for file in tree.ending(end) {
            let text = tree.read(file)?;
            for word in NOTES {
                for line in lines_with_word(&text, word) {
                    faults.add(file, line, format!("`{word}` left behind"), "finish it or file an issue");
                }
            }
        }
    }
    Ok(())
}

/// `unsafe` lives in one small room.
pub(super) fn unsafe_in_sys(tree: &Tree, faults: &mut Faults) -> anyhow::Result<()> {
    for file in sources(tree).filter(|file| !file.starts_with(UNSAFE_ROOM)) {
        let code = code_only(&tree.read(file)?);
        for line in lines_with_word(&code, "unsafe") {
            faults.add(file, line, "`unsafe` outside `sys`", "give `sys` a safe function that does it");
        }
    }
    Ok(())
}

/// Quiet rooms read no clock and open no file or socket, tests apart.
pub(super) fn edges(tree: &Tree, faults: &mut Faults) -> anyhow::Result<()> {
    for room in QUIET_ROOMS {
        let folder = Path::new("crates").join(room).join("src");
        for file in sources(tree).filter(|file| file.starts_with(&folder) && !is_test_file(file)) {
            let code = without_tests(&code_only(&tree.read(file)?));
            for (word, mend) in EDGE_WORDS {
                for line in lines_with_word(&code, word) {
                    faults.add(file, line, format!("`{word}` in quiet room `{room}`"), mend);
                }
            }
        }
    }
    Ok(())
}

/// Files stay short enough to be read once, top to bottom.
pub(super) fn length(tree: &Tree, faults: &mut Faults) -> anyhow::Result<()> {
    for end in [".rs", ".ts", ".tsx", ".css"] {
        for file in tree.ending(end) {
            let lines = tree.read(file)?.lines().count();
            let allowed = LONG_FILES.iter().any(|(name, _)| file == Path::new(name));
            if lines > LINES_MAX && !allowed {
                let mend = "look for the second idea inside and give it a file of its own";
                faults.add(file, LINES_MAX + 1, format!("{lines} lines, over {LINES_MAX}"), mend);
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
    fn sources_open_with_a_header() {
        check_rule(
            headers,
            &[
                ("crates/a/src/lib.rs", "//! Answers we already have.\n"),
                ("crates/a/src/b.rs", "// plain\n"),
                ("crates/a/src/c.rs", "//! (empty)\n"),
                ("crates/a/build.rs", "fn main() {}\n"),
                ("crates/a/tests/d.rs", "fn t() {}\n"),
                ("crates/a/src/b/tests.rs", "fn t() {}\n"),
            ],
            "crates/a/build.rs:1: no header
             crates/a/src/b.rs:1: no header
             crates/a/src/c.rs:1: no header",
        );
    }

    #[test]
    fn nothing_is_left_behind() {
        let todo = concat!("TO", "DO");
        check_rule(
            leftovers,
            &[
                ("src/a.rs", "fn f() {\n    dbg!(1);\n    todo!()\n}\nconst T: &str = \"todo!\";\n"),
                ("src/b.rs", &format!("// {todo}: later\n")),
                ("c.md", &format!("AUTODO\n{todo}\n")),
            ],
            &format!(
                "c.md:2: `{todo}` left behind
                 src/a.rs:2: `dbg!` left behind
                 src/a.rs:3: `todo!` left behind
                 src/b.rs:1: `{todo}` left behind"
            ),
        );
    }

    #[test]
    fn unsafe_has_one_room() {
        check_rule(
            unsafe_in_sys,
            &[
                ("crates/sys/src/lib.rs", "unsafe { f() }\n"),
                ("crates/front/src/lib.rs", "// unsafe here is a comment\nlet x = unsafe { f() };\n"),
            ],
            "crates/front/src/lib.rs:2: `unsafe` outside `sys`",
        );
    }

    #[test]
    fn quiet_rooms_take_time_as_an_argument() {
        let text = "//! Instant::now is not read.\nlet t = Instant::now();\n#[cfg(test)]\nmod tests { fn f() { Instant::now(); } }\n";
        check_rule(
            edges,
            &[
                ("crates/cache/src/lib.rs", text),
                ("crates/front/src/lib.rs", text),
                ("crates/wire/src/x/tests.rs", "std::fs::read(p)\n"),
                ("crates/policy/src/lists.rs", "use std::fs;\n"),
            ],
            "crates/cache/src/lib.rs:2: `Instant::now` in quiet room `cache`
             crates/policy/src/lists.rs:1: `std::fs` in quiet room `policy`",
        );
    }

    #[test]
    fn files_have_one_idea() {
        let long = "x\n".repeat(1001);
        check_rule(length, &[("a.rs", &long), ("b.ts", &long[2..])], "a.rs:1001: 1001 lines, over 1000");
    }
}
