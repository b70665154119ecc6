//! The grammar: recursive descent over the text, going on after a fault to find the others.
//!
//! ```text
//! or    = and { ("OR" | "||") and }
//! and   = not { [ "AND" | "&&" ] not }
//! not   = { "NOT" | "-" | "!" } term
//! term  = "(" or ")" | field ":" [ "!=" ] values | "has:" field | bare
//! values= value { "," value } | "(" value { ( "," | "OR" ) value } ")"
//! value = [ ">" | ">=" | "<" | "<=" | "=" ] scalar | scalar ".." scalar | "[" scalar "TO" scalar "]"
//! ```

use std::ops::Range;

use crate::ast::{Node, Search, Value};
use crate::fault::{FAULTS_MAX, Fault, floor_boundary, shown};
use crate::fields::{Id, field, meant};
use crate::net::Net;
use crate::pattern::has_wildcards;
use crate::scan::{Ends, Form, Scalar, Scan};
use crate::values::{self, Compare};

/// Longest search text, bytes.
pub const TEXT_BYTES_MAX: usize = 4096;
/// Most values in all terms of a search together.
pub const VALUES_MAX: usize = 256;
/// Most parentheses within parentheses.
pub const NESTING_MAX: usize = 32;
/// Most regular expressions in a search.
pub const REGEXES_MAX: usize = 8;

/// Reads a search. Empty text matches every event.
///
/// # Errors
/// All faults found, in order of place; at least one.
pub fn parse(text: &str) -> Result<Search, Vec<Fault>> {
    if text.len() > TEXT_BYTES_MAX {
        let message = format!("a search has at most {TEXT_BYTES_MAX} bytes; this one has {}", text.len());
        return Err(vec![Fault::new(floor_boundary(text, TEXT_BYTES_MAX)..text.len(), message)]);
    }
    let mut parser =
        Parser { scan: Scan::new(text), depth: 0, values: 0, regexes: 0, unequal: false, faults: Vec::new() };
    let root = parser.whole();
    let mut faults = parser.faults;
    if faults.is_empty() {
        return Ok(Search { root });
    }
    faults.sort_by_key(|fault| fault.span.start);
    Err(faults)
}

/// What was found where a term may stand.
enum Found {
    Nothing,
    /// Something that was told as a fault.
    Faulty,
    Node(Node),
}

impl Found {
    fn of(node: Option<Node>) -> Found {
        node.map_or(Found::Faulty, Found::Node)
    }
}

/// A fault was told; there is no value.
struct Told;

struct Parser<'a> {
    scan: Scan<'a>,
    depth: usize,
    values: usize,
    regexes: usize,
    /// The values being read follow `!=`.
    unequal: bool,
    faults: Vec<Fault>,
}

impl Parser<'_> {
    fn tell(&mut self, fault: Fault) -> Told {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(fault);
        }
        Told
    }

    fn fault(&mut self, span: Range<usize>, message: impl Into<String>) -> Told {
        self.tell(Fault::new(span, message))
    }

    /// A limit is reached: says so and reads no further.
    fn stop(&mut self, span: Range<usize>, message: String) -> Told {
        self.scan.skip_to_end();
        self.fault(span, message)
    }

    fn whole(&mut self) -> Option<Node> {
        let mut root = None;
        // Each turn but the last takes a stray parenthesis, so the text bounds the turns.
        loop {
            if let Found::Node(node) = self.any_of() {
                root = Some(node);
            }
            match self.scan.take(")") {
                Some(span) => self.fault(span, "no parenthesis is open here"),
                None => break,
            };
        }
        let at = self.scan.at();
        if !self.scan.at_end() && self.faults.is_empty() {
            // Nothing is ever passed over in silence.
            self.fault(at..at + self.scan.rest().len(), "this cannot be read");
        }
        root
    }

    fn any_of(&mut self) -> Found {
        let mut sides = Vec::new();
        let mut faulty = false;
        let mut before: Option<Range<usize>> = None;
        loop {
            let side = self.all_of();
            let or = self.take_or();
            match side {
                Found::Node(node) => sides.push(node),
                Found::Faulty => faulty = true,
                Found::Nothing => {
                    if let Some(span) = before.take().or_else(|| or.clone()) {
                        self.fault(span, "`OR` needs a term on each side");
                        faulty = true;
                    }
                }
            }
            match or {
                Some(span) => before = Some(span),
                None => break,
            }
        }
        if faulty { Found::Faulty } else { Node::or(sides).map_or(Found::Nothing, Found::Node) }
    }

    fn take_or(&mut self) -> Option<Range<usize>> {
        self.scan.skip_space();
        self.scan.take_keyword("OR").or_else(|| self.scan.take("||"))
    }

    fn take_and(&mut self) -> Option<Range<usize>> {
        self.scan.skip_space();
        self.scan.take_keyword("AND").or_else(|| self.scan.take("&&"))
    }

    fn all_of(&mut self) -> Found {
        let mut parts = Vec::new();
        let mut faulty = false;
        loop {
            let and = self.take_and();
            let first = parts.is_empty() && !faulty;
            match self.negated() {
                Found::Node(node) => parts.push(node),
                Found::Faulty => faulty = true,
                Found::Nothing => {
                    if let Some(span) = and {
                        self.fault(span, "`AND` needs a term on each side");
                        faulty = true;
                    }
                    break;
                }
            }
            if let Some(span) = and.filter(|_| first) {
                self.fault(span, "`AND` needs a term on each side");
                faulty = true;
            }
        }
        if faulty { Found::Faulty } else { Node::and(parts).map_or(Found::Nothing, Found::Node) }
    }

    fn negated(&mut self) -> Found {
        let mut negation: Option<Range<usize>> = None;
        let mut negated = false;
        loop {
            self.scan.skip_space();
            let sign = self.scan.take_keyword("NOT").or_else(|| self.scan.take("-")).or_else(|| self.scan.take("!"));
            let Some(span) = sign else { break };
            negated = !negated;
            negation = Some(span);
        }
        match (self.term(), negation) {
            (Found::Nothing, Some(span)) => {
                self.fault(span, "a negation needs a term after it");
                Found::Faulty
            }
            (Found::Node(node), _) if negated => Found::Node(node.negated()),
            (found, _) => found,
        }
    }

    fn term(&mut self) -> Found {
        let scan = &mut self.scan;
        scan.skip_space();
        if let Some(open) = scan.take("(") {
            return self.group(open);
        }
        let run = scan.peek_run(Ends::Bare);
        // Before fields: `fe80::1` looks like one.
        if let Ok(net) = Net::read(run) {
            let start = scan.at();
            while scan.at() < start + run.len() {
                scan.take_char();
            }
            return Found::of(self.bare_address(net, start..start + run.len()));
        }
        if let Some(name) = scan.take_field() {
            return Found::of(self.field_term(name).ok());
        }
        let at = scan.at();
        match scan.peek() {
            None | Some(')') => Found::Nothing,
            _ if scan.rest().starts_with("||")
                || is_next_keyword(scan, &["OR", "AND"])
                || scan.rest().starts_with("&&") =>
            {
                Found::Nothing
            }
            Some('|') => {
                self.stop(at..at + 1, "`|` is reserved: searches cannot be piped yet".to_owned());
                Found::Faulty
            }
            Some(',') => {
                scan.take(",");
                self.fault(at..at + 1, "a comma separates the values of one field, with no space around it");
                Found::Faulty
            }
            Some(_) => Found::of(self.bare()),
        }
    }

    fn group(&mut self, open: Range<usize>) -> Found {
        if self.depth == NESTING_MAX {
            self.stop(open, format!("parentheses go at most {NESTING_MAX} deep"));
            return Found::Faulty;
        }
        self.depth += 1;
        let inner = self.any_of();
        self.depth -= 1;
        self.scan.skip_space();
        match self.scan.take(")") {
            None => {
                // Text that was given up at a limit has no closing parenthesis to be missed.
                if self.faults.is_empty() {
                    self.fault(open, "this parenthesis is not closed");
                }
                Found::Faulty
            }
            Some(close) if matches!(inner, Found::Nothing) => {
                self.fault(open.start..close.end, "nothing is in these parentheses");
                Found::Faulty
            }
            Some(_) => inner,
        }
    }

    fn count_value(&mut self, span: &Range<usize>) -> Result<(), Told> {
        self.values += 1;
        if self.values > VALUES_MAX {
            return Err(self.stop(span.clone(), format!("a search has at most {VALUES_MAX} values")));
        }
        Ok(())
    }

    /// An address or network: who asked, or what was answered.
    fn bare_address(&mut self, net: Net, span: Range<usize>) -> Option<Node> {
        self.count_value(&span).ok()?;
        Node::or([Id::Client, Id::Answer].map(|id| Node::Term(id, vec![Value::Net(net)])))
    }

    /// A word, quoted text or regular expression: part of the name.
    fn bare(&mut self) -> Option<Node> {
        let mut scalar = self.scalar(Ends::Bare).ok()??;
        self.count_value(&scalar.span).ok()?;
        let written = self.scan.slice(scalar.span.clone());
        if scalar.form == Form::Word {
            if let Err(Some(reason)) = Net::read(written) {
                self.fault(scalar.span, reason);
                return None;
            }
            let upper = written.to_uppercase();
            if matches!(upper.as_str(), "AND" | "OR" | "NOT") {
                let message = format!("keywords are in capitals; in quotes `{written}` is part of a name");
                self.tell(Fault::new(scalar.span, message).suggest(Some(upper)));
                return None;
            }
            if written.starts_with(['<', '>', '=']) {
                self.fault(scalar.span, "a comparison needs a field before it, such as `latency:>50ms`");
                return None;
            }
        }
        if scalar.form != Form::Regex && !has_wildcards(&scalar.glob) {
            if scalar.glob.is_empty() {
                self.fault(scalar.span, "nothing is in these quotes");
                return None;
            }
            scalar.glob = format!("*{}*", scalar.glob);
        }
        // Wildcards were put around quoted text: it is a glob now.
        if scalar.form == Form::Quoted {
            scalar.form = Form::Word;
        }
        match values::read(Id::Domain, Compare::Plain, &scalar) {
            Ok(values) => Some(Node::Term(Id::Domain, values)),
            Err(fault) => {
                self.tell(fault);
                None
            }
        }
    }

    fn scalar(&mut self, ends: Ends) -> Result<Option<Scalar>, Told> {
        let scalar = self.scan.scalar(ends).map_err(|fault| self.tell(fault))?;
        if let Some(scalar) = &scalar
            && scalar.form == Form::Regex
        {
            self.regexes += 1;
            if self.regexes > REGEXES_MAX {
                let span = scalar.span.clone();
                return Err(self.stop(span, format!("a search has at most {REGEXES_MAX} regular expressions")));
            }
        }
        Ok(scalar)
    }

    /// After `field:`; `name` is its place.
    fn field_term(&mut self, name: Range<usize>) -> Result<Node, Told> {
        let written = self.scan.slice(name.clone());
        if written.eq_ignore_ascii_case("has") {
            return self.has();
        }
        let Some(known) = field(written) else {
            let fault = Fault::new(name, format!("no field `{}`", shown(written))).suggest(meant(written));
            let told = self.tell(fault);
            // The values are read over, so that what follows is judged on its own.
            self.values_of(None)?;
            return Err(told);
        };
        let negated = self.scan.take("!=").is_some();
        self.unequal = negated;
        let values = self.values_of(Some(known.id));
        self.unequal = false;
        let values = values?;
        // `*` alone fits every value, those without a name too.
        let any = |value: &Value| matches!(value, Value::Named(pattern) if pattern.source() == "*");
        let term = if values.iter().any(any) { Node::Has(known.id) } else { Node::Term(known.id, values) };
        Ok(if negated { term.negated() } else { term })
    }

    fn has(&mut self) -> Result<Node, Told> {
        let at = self.scan.at();
        let Some(scalar) = self.scalar(Ends::Value)? else {
            return Err(self.fault(at..at, "`has:` needs a field, such as `has:ede`"));
        };
        self.count_value(&scalar.span)?;
        let written = self.scan.slice(scalar.span.clone());
        match field(written) {
            Some(known) => Ok(Node::Has(known.id)),
            None => {
                let near = meant(written);
                Err(self.tell(Fault::new(scalar.span, format!("no field `{}`", shown(written))).suggest(near)))
            }
        }
    }

    /// One value, a list with commas, or a list in parentheses. Without a field only their places are read.
    fn values_of(&mut self, id: Option<Id>) -> Result<Vec<Value>, Told> {
        let open = self.scan.take("(");
        let mut values = Vec::new();
        let mut failed = None;
        loop {
            if open.is_some() {
                self.scan.skip_space();
            }
            match self.value(id) {
                Ok(more) => values.extend(more),
                Err(told) => failed = Some(told),
            }
            if open.is_some() {
                self.scan.skip_space();
                if self.scan.take_keyword("OR").or_else(|| self.scan.take("||")).is_some() {
                    continue;
                }
            }
            if self.scan.take(",").is_none() {
                break;
            }
        }
        if let Some(open) = open
            && self.scan.take(")").is_none()
        {
            return Err(self.unclosed_list(open));
        }
        failed.map_or(Ok(values), Err)
    }

    fn unclosed_list(&mut self, open: Range<usize>) -> Told {
        if self.scan.at_end() {
            return if self.faults.is_empty() { self.fault(open, "this parenthesis is not closed") } else { Told };
        }
        let at = self.scan.at();
        let run = self.scan.peek_run(Ends::Value).len().max(1);
        self.stop(at..at + run, "between values goes a comma or `OR`".to_owned())
    }

    fn value(&mut self, id: Option<Id>) -> Result<Vec<Value>, Told> {
        let start = self.scan.at();
        if let Some(span) = self.scan.take("!=") {
            // `a,!=b` would be everything: any value is unequal to one of two.
            self.scalar(Ends::Value)?;
            let message = "`!=` goes right after the colon and is for the whole list; elsewhere write `-field:value`";
            return Err(self.fault(span, message));
        }
        let compare = self.take_compare();
        if compare == Compare::Plain
            && let Some(open) = self.scan.take("[")
        {
            return self.bracketed(id, open);
        }
        let Some(scalar) = self.scalar(Ends::Value)? else {
            let at = self.scan.at();
            return Err(self.fault(start.min(at)..at, "a value is missing here"));
        };
        self.count_value(&scalar.span)?;
        let Some(id) = id else { return Ok(Vec::new()) };
        // `!=` is the opposite of `=`: for names, of just that name.
        let exactly = self.unequal && id.is_text() && scalar.form != Form::Regex && !has_wildcards(&scalar.glob);
        let compare = if exactly && compare == Compare::Plain { Compare::Equal } else { compare };
        values::read(id, compare, &scalar).map_err(|fault| self.tell(fault))
    }

    fn take_compare(&mut self) -> Compare {
        // Longer signs first.
        let signs = [
            (">=", Compare::AtLeast),
            ("<=", Compare::AtMost),
            (">", Compare::More),
            ("<", Compare::Less),
            ("=", Compare::Equal),
        ];
        let found = signs.into_iter().find(|(sign, _)| self.scan.take(sign).is_some());
        found.map_or(Compare::Plain, |(_, compare)| compare)
    }

    /// `[a TO b]`.
    fn bracketed(&mut self, id: Option<Id>, open: Range<usize>) -> Result<Vec<Value>, Told> {
        let form = "a range in brackets is `[from TO to]`";
        self.scan.skip_space();
        let from = self.scalar(Ends::Bracket)?;
        self.scan.skip_space();
        let to = self.scan.take_keyword("TO");
        self.scan.skip_space();
        let up_to = self.scalar(Ends::Bracket)?;
        self.scan.skip_space();
        let close = self.scan.take("]");
        let (Some(from), Some(_), Some(up_to), Some(close)) = (from, to, up_to, close) else {
            let end = self.scan.at();
            return Err(self.fault(open.start..end, form));
        };
        self.count_value(&(open.start..close.end))?;
        if from.form == Form::Regex || up_to.form == Form::Regex {
            return Err(self.fault(open.start..close.end, form));
        }
        let Some(id) = id else { return Ok(Vec::new()) };
        // `*` leaves an end open.
        let end = |scalar: Scalar| (scalar.form != Form::Word || scalar.glob != "*").then_some(scalar);
        let value = values::range(id, end(from).as_ref(), end(up_to).as_ref(), &(open.start..close.end));
        value.map(|value| vec![value]).map_err(|fault| self.tell(fault))
    }
}

fn is_next_keyword(scan: &Scan<'_>, keywords: &[&str]) -> bool {
    keywords.iter().any(|keyword| {
        let after = scan.rest().strip_prefix(keyword);
        after.is_some_and(|after| after.chars().next().is_none_or(|c| c.is_whitespace() || matches!(c, '(' | ')')))
    })
}
