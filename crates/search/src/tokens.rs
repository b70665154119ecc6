//! A search text in pieces, for colours and for completion: what each piece is, whether or not the text can be read.
//!
//! Knows where words begin and end and which stand before a colon; judges nothing.

use std::ops::Range;

use crate::net::Net;
use crate::scan::{Ends, Form, Scan};

/// What a piece of a search text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// The name of a field, or `has`.
    Field,
    /// A sign within a term: colon, comparison, comma, bracket.
    Sign,
    /// A word after the colon.
    Value,
    /// Text in quotes.
    Quoted,
    /// A regular expression.
    Regex,
    /// A word without a field.
    Word,
    /// `AND`, `OR`, `NOT`, `TO` and their signs.
    Keyword,
    /// A parenthesis.
    Parenthesis,
    /// What has no meaning here.
    Stray,
}

/// One piece of a search text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its bytes.
    pub span: Range<usize>,
    /// What it is.
    pub kind: TokenKind,
}

/// The pieces of a search text in order; what lies between them is white space. Gives pieces for any text, also one that
/// `parse` refuses.
#[must_use]
pub fn tokens(text: &str) -> Vec<Token> {
    let mut lexer = Lexer::new(text);
    lexer.run();
    lexer.tokens
}

/// What stands where the text ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Within {
    /// A term may begin.
    Terms,
    /// A value of the field at this place. `fresh`: neither a sign nor a value stands before it.
    Values { field: Range<usize>, fresh: bool },
    /// Quotes or slashes that are not closed.
    Open,
}

struct Lexer<'a> {
    scan: Scan<'a>,
    tokens: Vec<Token>,
    within: Within,
    /// The values stand in parentheses.
    listed: bool,
}

/// The pieces, and what stands where the text ends.
pub(crate) fn lexed(text: &str) -> (Vec<Token>, Within) {
    let mut lexer = Lexer::new(text);
    lexer.run();
    (lexer.tokens, lexer.within)
}

impl<'a> Lexer<'a> {
    fn new(text: &'a str) -> Lexer<'a> {
        Lexer { scan: Scan::new(text), tokens: Vec::new(), within: Within::Terms, listed: false }
    }

    fn push(&mut self, span: Range<usize>, kind: TokenKind) {
        self.tokens.push(Token { span, kind });
    }

    fn run(&mut self) {
        while !self.scan.at_end() {
            let before = self.scan.at();
            self.scan.skip_space();
            let spaced = self.scan.at() > before;
            if self.scan.at_end() {
                if spaced && !self.listed {
                    self.within = Within::Terms;
                }
                return;
            }
            let start = self.scan.at();
            let in_terms = self.within == Within::Terms;
            match self.within.clone() {
                Within::Values { field, fresh } if self.listed || !spaced => self.in_values(field, fresh),
                _ => self.in_terms(),
            }
            if in_terms && self.scan.at() == start {
                self.scan.take_char();
                self.push(start..self.scan.at(), TokenKind::Stray);
            }
        }
    }

    fn sign(&mut self, signs: &[&str]) -> Option<Range<usize>> {
        signs.iter().find_map(|sign| self.scan.take(sign))
    }

    fn keyword(&mut self, words: &[&str], signs: &[&str]) -> Option<Range<usize>> {
        words.iter().find_map(|word| self.scan.take_keyword(word)).or_else(|| self.sign(signs))
    }

    fn in_terms(&mut self) {
        self.within = Within::Terms;
        self.listed = false;
        if let Some(span) = self.sign(&["(", ")"]) {
            return self.push(span, TokenKind::Parenthesis);
        }
        if let Some(span) = self.keyword(&["AND", "OR", "NOT"], &["&&", "||", "-", "!"]) {
            return self.push(span, TokenKind::Keyword);
        }
        let run = self.scan.peek_run(Ends::Bare);
        if !run.is_empty() && Net::read(run).is_ok() {
            return self.scalar(Ends::Bare, TokenKind::Word);
        }
        if let Some(field) = self.scan.take_field() {
            self.push(field.clone(), TokenKind::Field);
            self.push(field.end..self.scan.at(), TokenKind::Sign);
            self.within = Within::Values { field, fresh: true };
            return;
        }
        self.scalar(Ends::Bare, TokenKind::Word);
    }

    fn in_values(&mut self, field: Range<usize>, fresh: bool) {
        if fresh && let Some(span) = self.sign(&["("]) {
            self.listed = true;
            return self.push(span, TokenKind::Parenthesis);
        }
        if self.listed
            && let Some(span) = self.sign(&[")"])
        {
            self.within = Within::Terms;
            self.listed = false;
            return self.push(span, TokenKind::Parenthesis);
        }
        if let Some(span) = self.sign(&[",", "!=", ">=", "<=", ">", "<", "="]) {
            let fresh = self.scan.slice(span.clone()) == ",";
            self.within = Within::Values { field, fresh };
            return self.push(span, TokenKind::Sign);
        }
        if self.listed
            && let Some(span) = self.keyword(&["OR"], &["||"])
        {
            self.within = Within::Values { field, fresh: true };
            return self.push(span, TokenKind::Keyword);
        }
        self.within = Within::Values { field, fresh: false };
        if let Some(open) = self.sign(&["["]) {
            return self.bracketed(open);
        }
        let start = self.scan.at();
        self.scalar(Ends::Value, TokenKind::Value);
        if self.scan.at() == start {
            self.within = Within::Terms;
            self.listed = false;
        }
    }

    fn bracketed(&mut self, open: Range<usize>) {
        self.push(open, TokenKind::Sign);
        loop {
            self.scan.skip_space();
            if let Some(close) = self.sign(&["]"]) {
                return self.push(close, TokenKind::Sign);
            }
            let start = self.scan.at();
            match self.scan.take_keyword("TO") {
                Some(span) => self.push(span, TokenKind::Keyword),
                None => self.scalar(Ends::Bracket, TokenKind::Value),
            }
            if self.scan.at() == start {
                return;
            }
        }
    }

    fn scalar(&mut self, ends: Ends, word: TokenKind) {
        let start = self.scan.at();
        let first = self.scan.peek();
        let kind = match self.scan.scalar(ends) {
            Ok(None) => return,
            Ok(Some(scalar)) => match scalar.form {
                Form::Word => word,
                Form::Quoted => TokenKind::Quoted,
                Form::Regex => TokenKind::Regex,
            },
            Err(_) => match first {
                Some('"') => self.open(TokenKind::Quoted),
                Some('/') => self.open(TokenKind::Regex),
                _ => word,
            },
        };
        self.push(start..self.scan.at(), kind);
    }

    fn open(&mut self, kind: TokenKind) -> TokenKind {
        self.within = Within::Open;
        kind
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        let short = |kind| match kind {
            TokenKind::Field => 'f',
            TokenKind::Sign => 's',
            TokenKind::Value => 'v',
            TokenKind::Quoted => 'q',
            TokenKind::Regex => 'r',
            TokenKind::Word => 'w',
            TokenKind::Keyword => 'k',
            TokenKind::Parenthesis => 'p',
            TokenKind::Stray => 'x',
        };
        tokens(text).iter().map(|token| format!("{}{} ", short(token.kind), &text[token.span.clone()])).collect()
    }

    #[test]
    fn pieces_of_texts() {
        for (text, pieces) in [
            ("code:NXDOMAIN,3 x", "fcode s: vNXDOMAIN s, v3 wx "),
            ("-(latency:>=5ms OR has:ede)", "k- p( flatency s: s>= v5ms kOR fhas s: vede p) "),
            ("code:(3 OR 5, 7) AND 10.0.0.0/8", "fcode s: p( v3 kOR v5 s, v7 p) kAND w10.0.0.0/8 "),
            ("fe80::1 rule:\"a b\" /x\\/y/", "wfe80::1 frule s: q\"a b\" r/x\\/y/ "),
            ("code:[16 TO 23]", "fcode s: s[ v16 kTO v23 s] "),
            ("rule:\"open", "frule s: q\"open "),
            ("a | b ,", "wa x| wb x, "),
            ("code: x) ]", "fcode s: wx p) w] "),
            ("code:!=3", "fcode s: s!= v3 "),
            ("code:[16 TO", "fcode s: s[ v16 kTO "),
        ] {
            assert_eq!(told(text), pieces, "{text}");
        }
    }
}
