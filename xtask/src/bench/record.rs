//! The record of instruction counts: read, written, compared. Knows no callgrind.
//!
//! ```text
//! version = 1
//! date = "2026-12-01"
//! compiler = "rustc 1.95.0 (…)"
//! host = "x86_64-unknown-linux-gnu"
//! valgrind = "valgrind-3.19.0"
//!
//! [instructions]
//! read = 95                                     # read a query with OPT
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context, bail, ensure};

/// Form of the file. Counted up when an older reader would misread it.
const VERSION: i64 = 1;
/// By how much a part may become dearer unsaid, per cent: compilers and libraries move parts by one or two.
const DEARER_PERCENT_MAX: u64 = 5;
/// Below this a part's neighbours in the code move it by more than per cent can say: so many instructions pass.
const DEARER_INSTRUCTIONS_MIN: u64 = 4;
/// Largest figure believed: 2^40 instructions are minutes.
const INSTRUCTIONS_MAX: i64 = 1 << 40;

/// Counts of one day, by one compiler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) date: String,
    pub(super) compiler: String,
    pub(super) host: String,
    pub(super) valgrind: String,
    /// In the order of the program that has the parts.
    pub(super) counts: Vec<Count>,
}

/// What doing one part once takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) part: String,
    pub(super) about: String,
    pub(super) instructions: u64,
}

/// Two records beside each other.
pub(super) struct Comparison {
    pub(super) table: String,
    /// What became dearer than allowed, and what lacks on one side.
    pub(super) faults: Vec<String>,
}

impl Record {
    /// Reads a record as `text` writes it.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub(super) fn read(text: &str) -> anyhow::Result<Record> {
        let table: toml::Table = text.parse().context("not TOML")?;
        match table.get("version").and_then(toml::Value::as_integer) {
            Some(VERSION) => {}
            Some(other) => bail!("its form is version {other}, not {VERSION}"),
            None => bail!("`version` is missing or no number"),
        }
        let word = |name: &str| -> anyhow::Result<String> {
            let word = table.get(name).and_then(toml::Value::as_str);
            Ok(word.with_context(|| format!("`{name}` is missing or no text"))?.to_owned())
        };
        let figures = table.get("instructions").and_then(toml::Value::as_table);
        let figures = figures.context("the table `instructions` is missing")?;
        let abouts = abouts(text);
        let mut counts = Vec::new();
        for (part, value) in figures {
            let instructions = value.as_integer().filter(|value| (0..=INSTRUCTIONS_MAX).contains(value));
            let instructions = instructions.with_context(|| format!("`{part}` is no number of instructions"))?;
            let (line, about) = abouts.get(part.as_str()).copied().unwrap_or_default();
            counts
                .push((line, Count { part: part.clone(), about: about.to_owned(), instructions: instructions as u64 }));
        }
        ensure!(!counts.is_empty(), "it names no part");
        // A table knows no order; the lines do.
        counts.sort_by_key(|(line, _)| *line);
        let counts = counts.into_iter().map(|(_, count)| count).collect();
        let [date, compiler, host, valgrind] = ["date", "compiler", "host", "valgrind"].map(word);
        Ok(Record { date: date?, compiler: compiler?, host: host?, valgrind: valgrind?, counts })
    }

    /// The record as a file.
    pub(super) fn text(&self) -> String {
        let quoted = |word: &str| toml::Value::String(word.to_owned()).to_string();
        let mut text = String::from(
            "# Instructions that each part of a query's walk takes, done once. Counted by callgrind in the release profile:\n\
             # `cargo xtask bench` prints them, `--compare` holds them against these, `--save` writes this file.\n",
        );
        let _ = writeln!(text, "version = {VERSION}");
        for (name, word) in
            [("date", &self.date), ("compiler", &self.compiler), ("host", &self.host), ("valgrind", &self.valgrind)]
        {
            let _ = writeln!(text, "{name} = {}", quoted(word));
        }
        text.push_str("\n[instructions]\n");
        for count in &self.counts {
            let figure = format!("{} = {}", count.part, count.instructions);
            let _ = writeln!(text, "{figure:<20} # {}", count.about);
        }
        text
    }

    /// The record for people.
    pub(super) fn table(&self) -> String {
        let mut text = format!("{}, {}\n", self.compiler, self.valgrind);
        for Count { part, about, instructions } in &self.counts {
            let _ = writeln!(text, "{part:<14} {instructions:>7}  {about}");
        }
        text
    }

    /// Holds a later record against this one.
    pub(super) fn compare(&self, new: &Record) -> Comparison {
        let mut table = format!(
            "old: {}, {}, {}\nnew: {}, {}\n",
            self.date, self.compiler, self.valgrind, new.compiler, new.valgrind
        );
        let mut faults = Vec::new();
        if (&self.compiler, &self.host) != (&new.compiler, &new.host) {
            table.push_str("compilers differ: so may the counts, with nothing changed\n");
        }
        let _ = writeln!(table, "{:<14} {:>7} {:>7} {:>8}", "part", "old", "new", "change");
        for Count { part, about, instructions } in &new.counts {
            let Some(old) = self.counts.iter().find(|count| count.part == *part) else {
                let _ = writeln!(table, "{part:<14} {:>7} {instructions:>7} {:>8}  {about}", "-", "");
                faults.push(format!("{part}: not on record yet"));
                continue;
            };
            let old = old.instructions;
            let percent = (*instructions as f64 / old.max(1) as f64 - 1.0) * 100.0;
            let _ = writeln!(table, "{part:<14} {old:>7} {instructions:>7} {percent:>+7.1}%  {about}");
            let dearer = *instructions * 100 > old * (100 + DEARER_PERCENT_MAX);
            if dearer && *instructions > old + DEARER_INSTRUCTIONS_MIN {
                faults.push(format!("{part}: {percent:.1} % dearer, where {DEARER_PERCENT_MAX} % are allowed"));
            }
        }
        for old in self.counts.iter().filter(|old| !new.counts.iter().any(|new| new.part == old.part)) {
            let _ = writeln!(table, "{:<14} {:>7} {:>7} {:>8}  {}", old.part, old.instructions, "-", "", old.about);
            faults.push(format!("{}: on record, but no longer a part", old.part));
        }
        Comparison { table, faults }
    }
}

/// Line and remark of every figure: `read = 95 # read a query` is of `read`.
fn abouts(text: &str) -> BTreeMap<&str, (usize, &str)> {
    let mut abouts = BTreeMap::new();
    for (at, line) in text.lines().enumerate() {
        if let Some((part, rest)) = line.split_once('=') {
            let about = rest.split_once('#').map_or("", |(_, about)| about);
            abouts.insert(part.trim(), (at, about.trim()));
        }
    }
    abouts
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        "version = 1\ndate = \"2026-12-01\"\ncompiler = \"rustc 1.95.0\"\nhost = \"x86\"\nvalgrind = \"3.19\"\n";

    fn record(figures: &str) -> Record {
        Record::read(&format!("{HEAD}[instructions]\n{figures}")).unwrap()
    }

    #[test]
    fn a_record_comes_back_as_it_went() {
        let record = record("walk = 1500 # the whole walk\nread = 95 # read a query\nbare = 7\n");
        let parts: Vec<&str> = record.counts.iter().map(|count| count.part.as_str()).collect();
        assert_eq!(parts, ["walk", "read", "bare"]);
        assert_eq!(record.counts[1].about, "read a query");
        assert_eq!(Record::read(&record.text()).unwrap(), record);
    }

    #[test]
    fn what_is_no_record_says_why() {
        let headless = HEAD.replace("compiler", "compeller");
        for (text, expected) in [
            ("\0\u{1}", "not TOML"),
            ("", "`version` is missing"),
            ("version = \"1\"", "`version` is missing or no number"),
            ("version = 2", "its form is version 2, not 1"),
            ("version = 1\nread = 95", "the table `instructions` is missing"),
            ("version = 1\ninstructions = 95", "the table `instructions` is missing"),
            ("version = 1\n[instructions]", "it names no part"),
            ("version = 1\n[instructions]\nread = -1", "`read` is no number of instructions"),
            ("version = 1\n[instructions]\nread = 9223372036854775807", "`read` is no number of instructions"),
            ("version = 1\n[instructions]\nread = 1.5", "`read` is no number of instructions"),
            ("version = 1\n[instructions]\nread = 1\nread = 2", "not TOML"),
            ("version = 1\n[instructions.read]\nread = 1", "`read` is no number of instructions"),
            (&format!("{headless}[instructions]\nread = 1"), "`compiler` is missing or no text"),
        ] {
            let error = format!("{:#}", Record::read(text).unwrap_err());
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn what_became_dearer_or_lacks_is_a_fault() {
        for (old, new, expected) in [
            ("read = 100", "read = 100", ""),
            ("read = 100", "read = 105", ""),
            ("read = 100", "read = 106", "read: 6.0 % dearer, where 5 % are allowed"),
            ("read = 100", "read = 50", ""),
            ("fold = 20", "fold = 24", ""),
            ("fold = 20", "fold = 25", "fold: 25.0 % dearer, where 5 % are allowed"),
            ("fold = 0", "fold = 9", "fold: 800.0 % dearer, where 5 % are allowed"),
            ("read = 100", "read = 100\nfold = 1", "fold: not on record yet"),
            ("read = 100\nfold = 1", "read = 100", "fold: on record, but no longer a part"),
        ] {
            let comparison = record(old).compare(&record(new));
            assert_eq!(comparison.faults.join("; "), expected, "{old} -> {new}");
        }
    }

    #[test]
    fn the_table_shows_old_new_and_change() {
        let comparison = record("read = 100\ngone = 5").compare(&record("read = 150 # read a query\nnew = 3"));
        let lines: Vec<String> = comparison
            .table
            .lines()
            .skip(3)
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(lines, ["read 100 150 +50.0% read a query", "new - 3", "gone 5 -"]);
        let other = Record { compiler: "rustc 1.96.0".to_owned(), ..record("read = 100") };
        assert!(record("read = 100").compare(&other).table.contains("compilers differ"));
    }
}
