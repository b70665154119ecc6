//! What is wrong with a search text: the place, the reason, the nearest right word, and how it looks on a terminal.
//!
//! Knows text and places; knows no field.

use std::ops::Range;

/// Most faults told at once; more would only repeat the first mistake.
pub(crate) const FAULTS_MAX: usize = 16;

/// Likeness (Jaro-Winkler, 0 to 1) from which a word counts as meant.
const LIKENESS_MIN: f64 = 0.78;

/// Longest word that is compared with others, bytes: likeness costs the product of both lengths.
const NEAREST_BYTES_MAX: usize = 64;

/// Longest piece of a search repeated in a message, characters.
const SHOWN_CHARS_MAX: usize = 60;

/// What is wrong with a search text, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Bytes of the text at fault.
    pub span: Range<usize>,
    /// What is wrong there.
    pub message: String,
    /// Text to put there instead, when one is near.
    pub suggestion: Option<String>,
}

impl Fault {
    pub(crate) fn new(span: Range<usize>, message: impl Into<String>) -> Fault {
        let message: String = message.into();
        Fault { span, message: message.chars().map(visible).collect(), suggestion: None }
    }

    pub(crate) fn suggest(mut self, suggestion: Option<impl Into<String>>) -> Fault {
        self.suggestion = suggestion.map(Into::into);
        self
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, "; did you mean `{suggestion}`?"),
            None => Ok(()),
        }
    }
}

/// The word most like `word`, any case, when one is near enough to have been meant.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.is_empty() || word.len() > NEAREST_BYTES_MAX {
        return None;
    }
    let word = word.to_lowercase();
    let likeness = |other: &str| strsim::jaro_winkler(&word, &other.to_lowercase());
    known
        .into_iter()
        .map(|other| (likeness(other), other))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, other)| other)
}

/// Shows a fault under the text it is in, for terminals:
///
/// ```text
/// cod:NXDOMAIN
/// ^^^ no field `cod`; did you mean `code`?
/// ```
#[must_use]
pub fn caret(text: &str, fault: &Fault) -> String {
    let start = floor_boundary(text, fault.span.start);
    let end = floor_boundary(text, fault.span.end.max(start));
    // Only the line at fault is shown; a search is one line unless pasted.
    let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
    let shown: String = text[line_start..line_end].chars().map(visible).collect();
    let before = text[line_start..start].chars().count();
    let width = text[start..end.min(line_end).max(start)].chars().count().max(1);
    format!("{shown}\n{}{} {fault}", " ".repeat(before), "^".repeat(width))
}

/// Control characters would move the cursor of a terminal, and with it the caret; others turn the direction of text.
fn visible(char: char) -> char {
    if is_invisible(char) { ' ' } else { char }
}

/// Whether a character leaves no mark, or changes how its neighbours are shown.
pub(crate) fn is_invisible(char: char) -> bool {
    char.is_control()
        || matches!(
            char,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

/// A piece of a search as a message repeats it.
pub(crate) fn shown(text: &str) -> std::borrow::Cow<'_, str> {
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]).into(),
        None => text.into(),
    }
}

/// The last place at or before `at` that cuts no character.
pub(crate) fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
