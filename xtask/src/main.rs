//! `cargo xtask`: the chores of the house. One command runs every test, others keep code, docs and fuzz corpora in order.
//!
//! Knows the tools of the workshop; knows nothing of DNS. Light dependencies, so that it builds in seconds.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod bench;
mod capture;
mod demo;
mod docs;
mod fuzz;
mod mutate;
mod needs;
mod repo;
mod test;
mod tidy;

use std::process::ExitCode;

use repo::Repo;

const HELP: &str = "\
cargo xtask COMMAND

  test [--only STEP]… [--skip STEP]… [--list]   run every test; installs what it needs when root
  tidy                                          rules that clippy cannot know: arrows, headers, leftovers
  docs [--check]                                write the generated reference pages, or compare them
  fuzz [--seed | --smoke] [TARGET]…             fill the corpora, or run every target over them briefly
  bench [--save | --compare]                    instructions of the parts of a query's walk (valgrind); keep, or compare them
  help                                          this text

Exit code: 0 all well, 1 something failed, 2 wrong usage or a tool is missing.
";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match run(&words) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(words: &[String]) -> anyhow::Result<ExitCode> {
    let (command, rest) = words.split_first().map_or(("help", words), |(first, rest)| (first.as_str(), rest));
    match command {
        "test" => test::run(&Repo::open()?, rest),
        "tidy" => tidy::run(&Repo::open()?, rest),
        "docs" => docs::run(&Repo::open()?, rest),
        "fuzz" => fuzz::run(&Repo::open()?, rest),
        "bench" => bench::run(&Repo::open()?, rest),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        other => anyhow::bail!("no command `{other}`; see `cargo xtask help`"),
    }
}
