//! `cargo xtask fuzz`: fills the corpora of the fuzz targets and runs every target over its own, then briefly beyond.
//!
//! Seeds come from `fuzz/seeds/` in the tree and, when it is there, from a folder of captures and lists by others
//! (`NAMEWARD_SHARED`, or `../shared` beside the checkout). Long runs with coverage are for `cargo fuzz`: `fuzz/README.md`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::mutate::Chance;
use crate::repo::{Repo, must, walk};
use crate::{capture, mutate};

/// Every target: one for each door where strangers' bytes come in.
const TARGETS: [&str; 18] = [
    "message",
    "upstream_reply",
    "list",
    "search_text",
    "wal",
    "segment",
    "config",
    "signed",
    "tkey",
    "dso",
    "update",
    "journal",
    "zone_file",
    "transfer",
    "dnstap_stream",
    "cdns",
    "capture",
    "log_lines",
];

/// A short run of one target tries rounds of so many inputs near those of its corpus, until so long has passed.
const ROUNDS_MAX: u64 = 10;
const ROUND_INPUTS: usize = 1_000;
const ROUNDS_TIME_MAX: Duration = Duration::from_secs(10);

/// Largest list head taken as a seed, bytes.
const LIST_SEED_BYTES: usize = 4096;

/// `cargo xtask fuzz [--seed | --smoke] [TARGET]…`.
pub(crate) fn run(repo: &Repo, words: &[String]) -> anyhow::Result<ExitCode> {
    let (options, names): (Vec<&String>, Vec<&String>) = words.iter().partition(|word| word.starts_with('-'));
    if let Some(unknown) = names.iter().find(|name| !TARGETS.contains(&name.as_str())) {
        bail!("no fuzz target `{unknown}`; there are {}", TARGETS.join(", "));
    }
    let names: Vec<&str> = names.into_iter().map(String::as_str).collect();
    match options.as_slice() {
        [option] if *option == "--seed" => seed(repo).map(|()| ExitCode::SUCCESS),
        [option] if *option == "--smoke" => {
            must(repo.command("cargo").args(["build", "--package", "fuzz", "--bins"]))?;
            Ok(if smoke(repo, &names)? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        _ => bail!("fuzz takes --seed, or --smoke and names of targets"),
    }
}

/// Runs built targets (all, or those named) over their corpora, then over inputs near them for a bounded while.
pub(crate) fn smoke(repo: &Repo, names: &[&str]) -> anyhow::Result<bool> {
    seed(repo)?;
    let mut all_passed = true;
    for target in TARGETS.iter().filter(|target| names.is_empty() || names.contains(target)) {
        let passed = replay(repo, target)? && mutate(repo, target)?;
        println!("fuzz {target:<15} {}", if passed { "held" } else { "FAILED" });
        all_passed &= passed;
    }
    Ok(all_passed)
}

/// Runs every input of the corpus once.
fn replay(repo: &Repo, target: &str) -> anyhow::Result<bool> {
    let corpus = corpus(repo, target);
    if walk(&corpus)?.is_empty() {
        bail!("fuzz target `{target}` has no seeds: put some into fuzz/seeds/{target}");
    }
    holds(repo, target, &corpus)
}

/// Tries inputs near those of the corpus. Without coverage libFuzzer cannot choose what to change, so the inputs are
/// made here and run as files.
fn mutate(repo: &Repo, target: &str) -> anyhow::Result<bool> {
    let corpus = corpus(repo, target);
    let mut files = walk(&corpus)?;
    files.sort();
    let inputs = files.iter().map(|file| std::fs::read(corpus.join(file))).collect::<Result<Vec<_>, _>>()?;
    let work = repo.target.join("fuzz-work").join(target);
    let begun = Instant::now();
    for round in 0..ROUNDS_MAX {
        fresh(&work)?;
        let mut chance = Chance::seeded(round);
        for index in 0..ROUND_INPUTS {
            std::fs::write(work.join(format!("{round}-{index:04}")), mutate::near(&inputs, &mut chance))?;
        }
        if !holds(repo, target, &work)? {
            return Ok(false);
        }
        if begun.elapsed() > ROUNDS_TIME_MAX {
            break;
        }
    }
    Ok(true)
}

/// Runs a target over every file of a folder; keeps the input it failed on, and says where.
fn holds(repo: &Repo, target: &str, folder: &Path) -> anyhow::Result<bool> {
    let inputs: Vec<PathBuf> = walk(folder)?.into_iter().map(|file| folder.join(file)).collect();
    let crashes = repo.target.join("fuzz-crashes").join(target);
    std::fs::create_dir_all(&crashes)?;
    let mut prefix = OsString::from("-artifact_prefix=");
    prefix.push(crashes.join(""));
    let mut command = Command::new(repo.built(target));
    let output = command.arg(prefix).args(&inputs).output().with_context(|| format!("cannot run {target}"))?;
    if output.status.success() {
        return Ok(true);
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let (_, last) = text.rsplit_once("Running: ").unwrap_or(("", &text));
    eprintln!("{target} failed on {last}");
    if let Some(input) = last.lines().next().map(Path::new).filter(|input| input.is_file()) {
        let kept = crashes.join(input.file_name().unwrap_or_default());
        std::fs::copy(input, &kept).with_context(|| format!("cannot keep {}", input.display()))?;
        eprintln!("input kept as {}", kept.display());
    }
    Ok(false)
}

fn corpus(repo: &Repo, target: &str) -> PathBuf {
    repo.target.join("fuzz-corpus").join(target)
}

/// Makes every corpus anew from the seeds there are.
fn seed(repo: &Repo) -> anyhow::Result<()> {
    for target in TARGETS {
        let corpus = corpus(repo, target);
        fresh(&corpus)?;
        let seeds = repo.root.join("fuzz/seeds").join(target);
        if seeds.is_dir() {
            for file in walk(&seeds)? {
                let name = file.to_string_lossy().replace('/', "-");
                std::fs::copy(seeds.join(&file), corpus.join(name)).context("cannot copy a seed")?;
            }
        }
    }
    match shared(repo) {
        Some(folder) => seed_from(repo, &folder.join("data")),
        None => {
            println!("no shared folder (NAMEWARD_SHARED): only the seeds in fuzz/seeds");
            Ok(())
        }
    }
}

/// The folder of data by others.
fn shared(repo: &Repo) -> Option<PathBuf> {
    let folder = std::env::var_os("NAMEWARD_SHARED").map_or_else(|| repo.root.join("../shared"), PathBuf::from);
    folder.join("data").is_dir().then_some(folder)
}

fn seed_from(repo: &Repo, data: &Path) -> anyhow::Result<()> {
    let unpacked = repo.target.join("fuzz-unpacked");
    fresh(&unpacked)?;
    for archive in ["wire_bind_fuzz.tar.gz", "pcap_zeek.tar.gz", "pcap_dnscap.tar.gz"] {
        let file = data.join(archive);
        if file.is_file() {
            must(Command::new("tar").arg("-xzf").arg(&file).arg("-C").arg(&unpacked))?;
        }
    }
    let mut messages = Vec::new();
    for file in walk(&unpacked)? {
        let octets = std::fs::read(unpacked.join(&file))?;
        if file.extension().is_some_and(|end| end == "pcap") {
            messages.extend(capture::payloads(&octets).into_iter().map(<[u8]>::to_vec));
        } else {
            messages.push(octets);
        }
    }
    messages.sort_unstable();
    messages.dedup();
    for (index, message) in messages.iter().enumerate() {
        for target in ["message", "upstream_reply"] {
            std::fs::write(corpus(repo, target).join(format!("shared-{index:05}")), message)?;
        }
    }
    seed_lists(repo, data)?;
    println!("{} messages of others in the corpora", messages.len());
    Ok(())
}

/// The head of each list.
fn seed_lists(repo: &Repo, data: &Path) -> anyhow::Result<()> {
    for name in ["list_disposable_mail.txt.gz", "benign_free_mail.txt.gz", "public_suffix_list.dat.gz"] {
        let file = data.join(name);
        if file.is_file() {
            let output = Command::new("gzip").arg("-dc").arg(&file).output().context("cannot run gzip")?;
            let head = &output.stdout[..output.stdout.len().min(LIST_SEED_BYTES)];
            std::fs::write(corpus(repo, "list").join(name), head)?;
        }
    }
    Ok(())
}

/// An empty folder.
fn fresh(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_is_declared_and_has_seeds_in_the_tree() {
        let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
        let manifest: toml::Table = std::fs::read_to_string(fuzz.join("Cargo.toml")).unwrap().parse().unwrap();
        let bins = manifest["bin"].as_array().unwrap();
        let names: Vec<&str> = bins.iter().filter_map(|bin| bin["name"].as_str()).collect();
        assert_eq!(names, TARGETS);
        for target in TARGETS {
            assert!(!walk(&fuzz.join("seeds").join(target)).unwrap().is_empty(), "no seeds for {target}");
        }
    }
}
