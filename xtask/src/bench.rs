//! `cargo xtask bench`: instructions of the parts that queries pay for, counted by callgrind, beside those on record.
//!
//! A part is run twice, for a number of turns and for twice as many: the difference is turns alone, whatever it takes to make
//! ready. That repeats to a small part of a per cent where seconds on a shared machine differ by a tenth. Instructions are not
//! time: a miss of the cache is not among them. Knows nothing of what the parts do.

mod record;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, bail};

use crate::needs::{self, Need};
use crate::repo::{Repo, must, shown};
use record::{Count, Record};

/// The program that has the parts: an example of the crate that sees them all.
const PACKAGE: &str = "engine";
const EXAMPLE: &str = "parts";
/// Turns of the shorter run. Enough that what differs between two runs in making ready (keys of hashes are drawn anew each
/// time) comes to less than half an instruction a turn.
const TURNS: u64 = 1 << 14;
/// Where the figures are kept, from the root of the checkout.
const RECORD: &str = "benches/instructions.toml";

/// `cargo xtask bench [--save | --compare]`.
pub(crate) fn run(repo: &Repo, words: &[String]) -> anyhow::Result<ExitCode> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let path = repo.root.join(RECORD);
    match words[..] {
        [] => {
            print!("{}", measure(repo)?.table());
            Ok(ExitCode::SUCCESS)
        }
        ["--save"] => {
            let record = measure(repo)?;
            print!("{}", record.table());
            std::fs::write(&path, record.text()).with_context(|| format!("cannot write {RECORD}"))?;
            println!("\nwritten to {RECORD}");
            Ok(ExitCode::SUCCESS)
        }
        ["--compare"] => {
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("cannot read {RECORD}: `cargo xtask bench --save` writes it"))?;
            let old = Record::read(&text)
                .with_context(|| format!("cannot use {RECORD}; `cargo xtask bench --save` writes it anew"))?;
            let comparison = old.compare(&measure(repo)?);
            print!("{}", comparison.table);
            if comparison.faults.is_empty() {
                return Ok(ExitCode::SUCCESS);
            }
            eprintln!();
            comparison.faults.iter().for_each(|fault| eprintln!("{fault}"));
            eprintln!("if that is meant: `cargo xtask bench --save`, and commit {RECORD} with the reason");
            Ok(ExitCode::FAILURE)
        }
        _ => bail!("bench takes nothing, --save or --compare"),
    }
}

/// Builds the parts and counts each.
fn measure(repo: &Repo) -> anyhow::Result<Record> {
    needs::ensure(repo, &[Need::Compiler, Need::Valgrind])?;
    must(repo.command("cargo").args(["build", "--release", "--package", PACKAGE, "--example", EXAMPLE]))?;
    let program = repo.target.join("release/examples").join(EXAMPLE);
    let list = output(Command::new(&program).arg("--list"))?;
    let mut counts = Vec::new();
    for line in list.lines() {
        let (part, about) = line.split_once('\t').context("the list of parts is no list of parts")?;
        eprint!("\rcounting {part:<20}");
        let (once, twice) = (count(repo, &program, part, TURNS)?, count(repo, &program, part, 2 * TURNS)?);
        let turns = twice.checked_sub(once).with_context(|| format!("{part}: more turns cost less"))?;
        let instructions = (turns + TURNS / 2) / TURNS;
        counts.push(Count { part: part.to_owned(), about: about.to_owned(), instructions });
    }
    eprint!("\r{:<29}\r", "");
    let compiler = output(repo.command("rustc").arg("-vV"))?;
    let host = compiler.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
    Ok(Record {
        date: output(Command::new("date").args(["-u", "+%F"]))?.trim().to_owned(),
        compiler: compiler.lines().next().unwrap_or_default().to_owned(),
        host: host.to_owned(),
        valgrind: output(Command::new("valgrind").arg("--version"))?.trim().to_owned(),
        counts,
    })
}

/// Instructions of one whole run.
fn count(repo: &Repo, program: &Path, part: &str, turns: u64) -> anyhow::Result<u64> {
    let out: PathBuf = repo.target.join("bench").join(format!("{part}.callgrind"));
    std::fs::create_dir_all(repo.target.join("bench"))?;
    let mut file = std::ffi::OsString::from("--callgrind-out-file=");
    file.push(&out);
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--quiet"]).arg(file).arg(program).arg(part).arg(turns.to_string());
    must(command.stdin(Stdio::null()))?;
    let text = std::fs::read_to_string(&out).with_context(|| format!("cannot read {}", out.display()))?;
    summary(&text).with_context(|| format!("no sum in {}", out.display()))
}

/// The sum callgrind writes below its head: `summary: 1234`.
fn summary(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("summary: "))?.trim().parse().ok()
}

fn output(command: &mut Command) -> anyhow::Result<String> {
    let output = command.stderr(Stdio::inherit()).output().with_context(|| format!("cannot run {}", shown(command)))?;
    if !output.status.success() {
        bail!("failed: {}", shown(command));
    }
    String::from_utf8(output.stdout).with_context(|| format!("no text from {}", shown(command)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_of_a_run_is_read() {
        let text = "# callgrind format\nversion: 1\nevents: Ir\nsummary: 118203\n\n\nfl=(1)\n";
        assert_eq!(summary(text), Some(118_203));
        for wrong in ["", "summary:", "summary: many", "summary: -1", "totals: 7"] {
            assert_eq!(summary(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_record_in_the_tree_is_read() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(RECORD);
        let record = Record::read(&std::fs::read_to_string(path).unwrap()).unwrap();
        assert!(!record.counts.is_empty());
        assert_eq!(Record::read(&record.text()).unwrap(), record);
    }
}
