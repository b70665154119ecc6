//! Rust source without what only looks like code: comments, literals and test modules are blanked, lines stay where they
//! were. A lexer of one page, enough for words; it knows no grammar.

/// Code alone: comments and the insides of literals become spaces.
pub(super) fn code_only(source: &str) -> String {
    let mut lexer = Lexer { rest: source, out: String::with_capacity(source.len()) };
    while lexer.step() {}
    lexer.out
}

/// Blanks modules and functions marked `#[cfg(test)]`. Takes the output of `code_only`, whose braces are all code.
pub(super) fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut out = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find(MARK) {
        out.push_str(&rest[..at]);
        let end = at + MARK.len() + item_len(&rest[at + MARK.len()..]);
        out.extend(rest[at..end].chars().map(blank));
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

/// Bytes to the end of the first item: a semicolon before any brace, or the brace that closes the first one.
fn item_len(code: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in code.char_indices() {
        match c {
            ';' if depth == 0 => return at + 1,
            '{' => depth += 1,
            '}' if depth <= 1 => return at + 1,
            '}' => depth -= 1,
            _ => {}
        }
    }
    code.len()
}

/// Lines (from 1) on which `word` stands as a whole word.
pub(super) fn lines_with_word<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let hits = move |line: &str| {
        line.match_indices(word).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            let after = line[at + word.len()..].chars().next();
            let longer = before.is_some_and(is_word) || (word.ends_with(is_word) && after.is_some_and(is_word));
            !longer
        })
    };
    code.lines().enumerate().filter(move |(_, line)| hits(line)).map(|(index, _)| index + 1)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn blank(c: char) -> char {
    if c == '\n' { '\n' } else { ' ' }
}

struct Lexer<'a> {
    rest: &'a str,
    out: String,
}

impl Lexer<'_> {
    /// Takes one piece; false at the end.
    fn step(&mut self) -> bool {
        let Some(first) = self.rest.chars().next() else { return false };
        let after_word = self.out.ends_with(is_word);
        if self.rest.starts_with("//") {
            self.skip(self.rest.find('\n').unwrap_or(self.rest.len()));
        } else if self.rest.starts_with("/*") {
            self.skip(block_comment_len(self.rest));
        } else if first == '"' {
            self.skip(string_len(self.rest));
        } else if let Some(len) = raw_string_len(self.rest).filter(|_| !after_word) {
            self.skip(len);
        } else if let Some(len) = char_len(self.rest) {
            self.skip(len);
        } else {
            self.out.push(first);
            self.rest = &self.rest[first.len_utf8()..];
        }
        true
    }

    fn skip(&mut self, len: usize) {
        let (skipped, rest) = self.rest.split_at(len);
        self.out.extend(skipped.chars().map(blank));
        self.rest = rest;
    }
}

fn block_comment_len(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(found) = text[at..].find(['/', '*']) {
        at += found;
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

fn string_len(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Length of `r"…"`, `br#"…"#`, …; `None` when no raw string starts here.
fn raw_string_len(text: &str) -> Option<usize> {
    let body = text.strip_prefix("br").or_else(|| text.strip_prefix("cr")).or_else(|| text.strip_prefix('r'))?;
    let hashes = body.len() - body.trim_start_matches('#').len();
    let inside = body[hashes..].strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let start = text.len() - inside.len();
    Some(inside.find(&close).map_or(text.len(), |end| start + end + close.len()))
}

/// Length of a character literal; `None` for lifetimes and all else.
fn char_len(text: &str) -> Option<usize> {
    let mut chars = text.strip_prefix('\'')?.char_indices();
    let (_, first) = chars.next()?;
    if first == '\\' {
        let (escape, _) = chars.next()?;
        let after = 1 + escape + 1;
        return text[after..].find('\'').map(|end| after + end + 1);
    }
    let (next, quote) = chars.next()?;
    (quote == '\'').then_some(1 + next + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, expected: &str) {
        assert_eq!(code_only(source), expected);
    }

    #[test]
    fn comments_and_literals_are_blanked() {
        check("a // b\nc", "a     \nc");
        check("a /* b /* c */ d */ e", "a                   e");
        check(r#"f("x\"y") + g"#, r#"f(      ) + g"#);
        check("r#\"a\" b\"# c", "          c");
        check("'{' 'a' '\\'' '\\u{7d}' x", "                      x");
        check("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)");
        check("for\"a\"", "for   ");
        check("\"open", "     ");
        check("/* open", "       ");
        check("'", "'");
    }

    #[test]
    fn test_modules_are_blanked_and_lines_stay() {
        let code = "a\n#[cfg(test)]\nmod tests { x { y } }\nb\n#[cfg(test)]\nmod more;\nc\n";
        let left = without_tests(code);
        let words: Vec<(usize, &str)> = left
            .lines()
            .enumerate()
            .map(|(at, line)| (at + 1, line.trim()))
            .filter(|(_, line)| !line.is_empty())
            .collect();
        assert_eq!(words, [(1, "a"), (4, "b"), (7, "c")]);
    }

    #[test]
    fn words_are_whole() {
        let code = "unsafe_code\nunsafe {\n my_unsafe\n x(unsafe)";
        assert_eq!(lines_with_word(code, "unsafe").collect::<Vec<_>>(), [2, 4]);
        assert_eq!(lines_with_word("todo!()\nmytodo!()", "todo!").collect::<Vec<_>>(), [1]);
    }
}
