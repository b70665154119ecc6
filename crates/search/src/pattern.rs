//! Patterns on text: globs and regular expressions, each in the form the row matcher needs and the form the engine
//! needs.
//!
//! In a glob `*` stands for any text and `?` for one character; a backslash before `*`, `?` or `\` makes it plain.

use std::hash::{Hash, Hasher};

use regex::{Regex, RegexBuilder};

/// Longest regular expression, bytes.
pub(crate) const REGEX_BYTES_MAX: usize = 512;

/// Largest compiled regular expression, bytes.
const REGEX_SIZE_MAX: usize = 1 << 20;

/// Whether the letter case of a text counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Case {
    /// It counts: names are stored in lower case.
    Exact,
    /// It does not.
    Any,
}

/// What a pattern is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Form {
    Glob,
    Regex,
}

/// A pattern that was read and compiled. Two are equal when they were written alike.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    form: Form,
    case: Case,
    source: String,
    regex: Regex,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.form == other.form && self.case == other.case && self.source == other.source
    }
}

impl Eq for Pattern {}

impl Hash for Pattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.form, self.case, &self.source).hash(state);
    }
}

impl Pattern {
    /// A glob. `None` when it is too large to compile, which the length limit of a search rules out in practice.
    pub(crate) fn glob(source: &str, case: Case) -> Option<Pattern> {
        let mut expression = String::with_capacity(source.len() + 8);
        expression.push_str("^(?s:");
        for piece in pieces(source) {
            match piece {
                Piece::Any => expression.push_str(".*"),
                Piece::One => expression.push('.'),
                Piece::Char(char) => expression.push_str(&regex::escape(char.encode_utf8(&mut [0; 4]))),
            }
        }
        expression.push_str(")$");
        let regex = build(&expression, case).ok()?;
        Some(Pattern { form: Form::Glob, case, source: source.to_owned(), regex })
    }

    /// A regular expression, found anywhere in the text, any case.
    pub(crate) fn regex(source: &str) -> Result<Pattern, String> {
        if source.len() > REGEX_BYTES_MAX {
            return Err(format!("a regular expression has at most {REGEX_BYTES_MAX} bytes"));
        }
        let regex = build(source, Case::Any).map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => "the regular expression is too large once compiled".to_owned(),
            other => {
                let reason = other.to_string();
                let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
                format!("not a regular expression: {reason}")
            }
        })?;
        Ok(Pattern { form: Form::Regex, case: Case::Any, source: source.to_owned(), regex })
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    pub(crate) fn case(&self) -> Case {
        self.case
    }

    pub(crate) fn is_regex(&self) -> bool {
        self.form == Form::Regex
    }

    /// The plain text of a glob without wildcards; `None` with them, and for regular expressions.
    pub(crate) fn plain(&self) -> Option<String> {
        if self.is_regex() {
            return None;
        }
        pieces(&self.source)
            .map(|piece| match piece {
                Piece::Char(char) => Some(char),
                Piece::Any | Piece::One => None,
            })
            .collect()
    }

    /// The glob in the form of `LIKE`, where `%`, `_` and a backslash are special.
    pub(crate) fn like(&self) -> String {
        let mut like = String::with_capacity(self.source.len() + 8);
        for piece in pieces(&self.source) {
            match piece {
                Piece::Any => like.push('%'),
                Piece::One => like.push('_'),
                Piece::Char(char) => push_like(&mut like, char),
            }
        }
        like
    }
}

fn build(expression: &str, case: Case) -> Result<Regex, regex::Error> {
    RegexBuilder::new(expression).case_insensitive(case == Case::Any).size_limit(REGEX_SIZE_MAX).build()
}

enum Piece {
    Any,
    One,
    Char(char),
}

fn pieces(source: &str) -> impl Iterator<Item = Piece> {
    let mut chars = source.chars();
    std::iter::from_fn(move || {
        Some(match chars.next()? {
            '*' => Piece::Any,
            '?' => Piece::One,
            '\\' => Piece::Char(chars.next().unwrap_or('\\')),
            char => Piece::Char(char),
        })
    })
}

fn push_like(like: &mut String, char: char) {
    if matches!(char, '%' | '_' | '\\') {
        like.push('\\');
    }
    like.push(char);
}

/// Plain text as a glob that matches only itself.
pub(crate) fn glob_plain(text: &str) -> String {
    let mut glob = String::with_capacity(text.len() + 4);
    for char in text.chars() {
        if matches!(char, '*' | '?' | '\\') {
            glob.push('\\');
        }
        glob.push(char);
    }
    glob
}

/// Whether a glob has wildcards.
pub(crate) fn has_wildcards(glob: &str) -> bool {
    pieces(glob).any(|piece| !matches!(piece, Piece::Char(_)))
}

/// The plain text of a glob, its wildcards read as ordinary characters.
pub(crate) fn unescaped(glob: &str) -> String {
    pieces(glob)
        .map(|piece| match piece {
            Piece::Any => '*',
            Piece::One => '?',
            Piece::Char(char) => char,
        })
        .collect()
}
