//! Places in a search text: white space, words, quoted text, regular expressions.
//!
//! Knows what ends a word; knows no field and no grammar.

use std::ops::Range;

use crate::fault::{Fault, is_invisible};

/// What a value was written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A word, where `*` and `?` are wildcards.
    Word,
    /// Text in quotes, where nothing is.
    Quoted,
    /// Between slashes.
    Regex,
}

/// One piece of text with its place.
#[derive(Clone, Debug)]
pub(crate) struct Scalar {
    pub(crate) span: Range<usize>,
    pub(crate) form: Form,
    /// A glob for words and quoted text, the expression itself for regular expressions.
    pub(crate) glob: String,
}

/// Where a word ends, beside white space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ends {
    /// Outside a term: at parentheses, commas and bars.
    Bare,
    /// In a term: at a comma, a closing parenthesis or a bar.
    Value,
    /// In brackets: at the closing bracket too.
    Bracket,
}

impl Ends {
    pub(crate) fn ends(self, char: char) -> bool {
        match self {
            _ if char.is_whitespace() => true,
            Ends::Bare => matches!(char, '(' | ')' | ',' | '|'),
            Ends::Value => matches!(char, ')' | ',' | '|'),
            Ends::Bracket => matches!(char, ')' | ',' | '|' | ']'),
        }
    }
}

/// Quotes of typography, which texts pasted from elsewhere have.
fn is_typographic_quote(char: char) -> bool {
    matches!(char, '\u{2018}'..='\u{201f}' | '«' | '»')
}

/// Characters that mean something somewhere, or are not to be seen; a backslash in a word makes them plain.
pub(crate) fn is_special(char: char) -> bool {
    char.is_whitespace()
        || is_invisible(char)
        || is_typographic_quote(char)
        || matches!(
            char,
            '*' | '?' | '\\' | '"' | ',' | '(' | ')' | '|' | '[' | ']' | '<' | '>' | '=' | '!' | '/' | '-'
        )
}

/// A place in a text that only moves on.
pub(crate) struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(text: &'a str) -> Scan<'a> {
        Scan { text, at: 0 }
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    pub(crate) fn slice(&self, span: Range<usize>) -> &'a str {
        self.text.get(span).unwrap_or_default()
    }

    pub(crate) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(crate) fn at_end(&self) -> bool {
        self.at == self.text.len()
    }

    pub(crate) fn skip_to_end(&mut self) {
        self.at = self.text.len();
    }

    pub(crate) fn skip_space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    /// Takes `wanted` when it is next.
    pub(crate) fn take(&mut self, wanted: &str) -> Option<Range<usize>> {
        self.rest().starts_with(wanted).then(|| self.advance(wanted.len()))
    }

    /// Takes `wanted` when it is next and a word of its own.
    pub(crate) fn take_keyword(&mut self, wanted: &str) -> Option<Range<usize>> {
        let after = self.rest().strip_prefix(wanted)?;
        let alone = after.chars().next().is_none_or(|char| char.is_whitespace() || matches!(char, '(' | ')'));
        alone.then(|| self.advance(wanted.len()))
    }

    /// Passes over one character.
    pub(crate) fn take_char(&mut self) {
        self.at += self.peek().map_or(0, char::len_utf8);
    }

    fn advance(&mut self, bytes: usize) -> Range<usize> {
        let start = self.at;
        self.at += bytes;
        start..self.at
    }

    /// A name followed by a colon: `code:`. Gives the place of the name.
    pub(crate) fn take_field(&mut self) -> Option<Range<usize>> {
        let rest = self.rest();
        let length = rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
        let is_field = length > 0 && !rest.as_bytes()[0].is_ascii_digit() && rest.as_bytes().get(length) == Some(&b':');
        is_field.then(|| {
            let span = self.advance(length);
            self.advance(1);
            span
        })
    }

    /// What is next up to white space or the end of a word, without reading it.
    pub(crate) fn peek_run(&self, ends: Ends) -> &'a str {
        let rest = self.rest();
        &rest[..rest.find(|char| ends.ends(char)).unwrap_or(rest.len())]
    }

    /// Quoted text, a regular expression or a word. `Ok(None)`: nothing is here.
    pub(crate) fn scalar(&mut self, ends: Ends) -> Result<Option<Scalar>, Fault> {
        match self.peek() {
            Some('"') => self.quoted().map(Some),
            Some('/') => self.regex().map(Some),
            Some(char) if !ends.ends(char) => self.word(ends).map(Some),
            _ => Ok(None),
        }
    }

    fn word(&mut self, ends: Ends) -> Result<Scalar, Fault> {
        let start = self.at;
        let mut glob = String::new();
        let mut fault = None;
        while let Some(char) = self.peek().filter(|char| !ends.ends(*char)) {
            let span = self.advance(char.len_utf8());
            if is_invisible(char) {
                let message =
                    format!("U+{:04X} stands here and cannot be seen: text with it goes in quotes", u32::from(char));
                fault.get_or_insert(Fault::new(span, message));
            } else if is_typographic_quote(char) && span.start == start {
                let message = "quotes are straight ones here";
                fault.get_or_insert(Fault::new(span, message).suggest(Some("\"")));
            }
            if char != '\\' {
                glob.push(char);
                continue;
            }
            match self.peek().filter(|next| is_special(*next)) {
                Some(next) => {
                    self.advance(next.len_utf8());
                    push_plain(&mut glob, next);
                }
                // Names escape with backslashes too (`a\.b.example`): those stay.
                None => glob.push_str("\\\\"),
            }
        }
        fault.map_or(Ok(Scalar { span: start..self.at, form: Form::Word, glob }), Err)
    }

    fn quoted(&mut self) -> Result<Scalar, Fault> {
        let start = self.at;
        self.advance(1);
        let mut glob = String::new();
        while let Some(char) = self.peek() {
            self.advance(char.len_utf8());
            match (char, self.peek()) {
                ('"', _) => return Ok(Scalar { span: start..self.at, form: Form::Quoted, glob }),
                ('\\', Some(next @ ('"' | '\\'))) => {
                    self.advance(1);
                    push_plain(&mut glob, next);
                }
                _ => push_plain(&mut glob, char),
            }
        }
        Err(Fault::new(start..self.at, "this quote is not closed"))
    }

    fn regex(&mut self) -> Result<Scalar, Fault> {
        let start = self.at;
        self.advance(1);
        let mut glob = String::new();
        while let Some(char) = self.peek() {
            self.advance(char.len_utf8());
            match (char, self.peek()) {
                ('/', _) => return Ok(Scalar { span: start..self.at, form: Form::Regex, glob }),
                ('\\', Some('/')) => {
                    self.advance(1);
                    glob.push('/');
                }
                ('\\', Some(next)) => {
                    self.advance(next.len_utf8());
                    glob.extend(['\\', next]);
                }
                _ => glob.push(char),
            }
        }
        Err(Fault::new(start..self.at, "this regular expression is not closed: it ends with `/`"))
    }
}

fn push_plain(glob: &mut String, char: char) {
    if matches!(char, '*' | '?' | '\\') {
        glob.push('\\');
    }
    glob.push(char);
}
