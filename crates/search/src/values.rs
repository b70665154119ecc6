//! Values of a field: from a piece of text to what it asks for, checked against the field.

use std::net::IpAddr;
use std::ops::Range;

use crate::ast::{Bound, Value};
use crate::fault::{Fault, nearest, shown};
use crate::fields::{Id, Kind};
use crate::moment::Moment;
use crate::names;
use crate::net::Net;
use crate::pattern::{Case, Pattern, glob_plain, has_wildcards, unescaped};
use crate::scan::{Form, Scalar};

/// Longest domain name in presentation form, bytes: 255 octets, each written as `\ddd`.
const NAME_BYTES_MAX: usize = 1020;

/// What stands before a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compare {
    Plain,
    Equal,
    Less,
    AtMost,
    More,
    AtLeast,
}

impl Compare {
    fn bound<T>(self, it: T) -> Bound<T> {
        match self {
            Compare::Plain | Compare::Equal => Bound::Is(it),
            Compare::Less => Bound::Less(it),
            Compare::AtMost => Bound::AtMost(it),
            Compare::More => Bound::More(it),
            Compare::AtLeast => Bound::AtLeast(it),
        }
    }

    fn is_order(self) -> bool {
        !matches!(self, Compare::Plain | Compare::Equal)
    }
}

/// Reads one value, which may stand for several (`code:16`).
pub(crate) fn read(id: Id, compare: Compare, scalar: &Scalar) -> Result<Vec<Value>, Fault> {
    let kind = id.kind();
    let named = id.is_text();
    let fail = |message: String| Fault::new(scalar.span.clone(), message);
    if scalar.form == Form::Regex && !named {
        return Err(fail(format!("`{}` takes no regular expression", id.field().name)));
    }
    if compare.is_order() && !matches!(kind, Kind::Numbered | Kind::Quantity(_) | Kind::Time) {
        return Err(fail(format!("`{}` has no order: `=` and `!=` are all it can be compared by", id.field().name)));
    }
    if named {
        return text(id, compare, scalar).map(|value| vec![value]);
    }
    if scalar.form == Form::Word
        && compare == Compare::Plain
        && let Some((from, up_to)) = range_ends(scalar)
    {
        return range(id, from.as_ref(), up_to.as_ref(), &scalar.span).map(|value| vec![value]);
    }
    let word = unescaped(&scalar.glob);
    if scalar.form == Form::Word && compare == Compare::Plain && has_wildcards(&scalar.glob) {
        return named_glob(id, scalar);
    }
    match kind {
        Kind::Address => Net::read(&word).map(|net| vec![Value::Net(net)]).map_err(|reason| {
            let none = || format!("`{}` is no address, network or range: {ADDRESS_HINT}", shown(&word));
            fail(reason.unwrap_or_else(none))
        }),
        Kind::Time => moment(scalar).and_then(|moment| match (compare, moment) {
            (Compare::Plain, Moment::Ago(_)) => {
                let fault = fail("a span before now is never the very time of an event".to_owned());
                Err(fault.suggest(Some(format!(">={word}"))))
            }
            _ => Ok(vec![Value::Time(compare.bound(moment))]),
        }),
        _ if compare.is_order() || matches!(kind, Kind::Quantity(_)) => {
            let bound = number(id, scalar).map(|number| compare.bound(number))?;
            possible(id, bound, &scalar.span).map(|bound| vec![Value::Number(bound)])
        }
        _ => match id.keys(&word) {
            Some(keys) => Ok(keys.into_iter().map(|key| Value::Number(Bound::Is(key))).collect()),
            None => Err(unknown(id, scalar, &word)),
        },
    }
}

const ADDRESS_HINT: &str = "write 192.0.2.7, 10.0.0.0/8, 2001:db8::/32 or 192.0.2.1..192.0.2.9";

/// Both ends of `a..b`; either may be missing.
fn range_ends(scalar: &Scalar) -> Option<(Option<Scalar>, Option<Scalar>)> {
    let (from, up_to) = scalar.glob.split_once("..")?;
    let start = scalar.span.start;
    // Escapes are rare in numbers; with them a place inside the range could be off, so it is the whole range.
    let exact = scalar.glob.len() == scalar.span.len();
    let part = |glob: &str, from: usize| {
        let span = if exact { start + from..start + from + glob.len() } else { scalar.span.clone() };
        (!glob.is_empty()).then(|| Scalar { span, form: Form::Word, glob: glob.to_owned() })
    };
    Some((part(from, 0), part(up_to, scalar.glob.len() - up_to.len())))
}

/// Reads `from..up_to`, both included, either open; `span` is the whole of it.
pub(crate) fn range(
    id: Id,
    from: Option<&Scalar>,
    up_to: Option<&Scalar>,
    span: &Range<usize>,
) -> Result<Value, Fault> {
    let place = |from: &Scalar, up_to: &Scalar| from.span.start..up_to.span.end;
    match (id.kind(), from, up_to) {
        (Kind::Address, Some(from), Some(up_to)) => {
            let (low, high) = (address(from)?, address(up_to)?);
            if low.is_ipv4() != high.is_ipv4() {
                return Err(Fault::new(place(from, up_to), "a range goes from IPv4 to IPv4 or from IPv6 to IPv6"));
            }
            ascending(low <= high, from, up_to)?;
            Ok(Value::Addresses(low, high))
        }
        (Kind::Numbered | Kind::Quantity(_), from, up_to) => {
            let (low, high) =
                (from.map(|from| number(id, from)).transpose()?, up_to.map(|up_to| number(id, up_to)).transpose()?);
            let bound = bounded(low, high, from, up_to, span)?;
            possible(id, bound, span).map(Value::Number)
        }
        (Kind::Time, from, up_to) => {
            let (low, high) = (from.map(moment).transpose()?, up_to.map(moment).transpose()?);
            // Instants and spans before now can only be ordered once now is known.
            match (low, high) {
                (Some(low), Some(high)) => {
                    if let (Some(from), Some(up_to)) = (from, up_to) {
                        ascending(!low.is_after(high), from, up_to)?;
                    }
                    Ok(Value::Time(Bound::Range(low, high)))
                }
                (Some(low), None) => Ok(Value::Time(Bound::AtLeast(low))),
                (None, Some(high)) => Ok(Value::Time(Bound::AtMost(high))),
                (None, None) => Err(Fault::new(span.clone(), "a range needs an end")),
            }
        }
        _ => Err(Fault::new(span.clone(), format!("`{}` takes no such range", id.field().name))),
    }
}

fn bounded(
    low: Option<u64>,
    high: Option<u64>,
    from: Option<&Scalar>,
    up_to: Option<&Scalar>,
    span: &Range<usize>,
) -> Result<Bound<u64>, Fault> {
    if let (Some(low), Some(high), Some(from), Some(up_to)) = (low, high, from, up_to) {
        ascending(low <= high, from, up_to)?;
    }
    match (low, high) {
        (Some(low), Some(high)) => Ok(Bound::Range(low, high)),
        (Some(low), None) => Ok(Bound::AtLeast(low)),
        (None, Some(high)) => Ok(Bound::AtMost(high)),
        (None, None) => Err(Fault::new(span.clone(), "a range needs an end")),
    }
}

/// Refuses what no event can have: a search for it would find nothing and not say why.
fn possible(id: Id, bound: Bound<u64>, span: &Range<usize>) -> Result<Bound<u64>, Fault> {
    let max = id.number_max();
    let beyond = match bound {
        Bound::Is(least) | Bound::Range(least, _) | Bound::AtLeast(least) | Bound::More(least) => least > max,
        Bound::Less(_) | Bound::AtMost(_) => false,
    };
    if !beyond {
        return Ok(bound);
    }
    let most = match id.kind() {
        Kind::Quantity(unit) => unit.write(max),
        _ => max.to_string(),
    };
    Err(Fault::new(span.clone(), format!("`{}` goes from 0 to {most}", id.field().name)))
}

fn ascending(ordered: bool, from: &Scalar, up_to: &Scalar) -> Result<(), Fault> {
    if ordered {
        return Ok(());
    }
    let turned = format!("{}..{}", unescaped(&up_to.glob), unescaped(&from.glob));
    Err(Fault::new(from.span.start..up_to.span.end, "the range ends before it begins").suggest(Some(turned)))
}

fn moment(scalar: &Scalar) -> Result<Moment, Fault> {
    Moment::read(&unescaped(&scalar.glob)).map_err(|reason| Fault::new(scalar.span.clone(), reason))
}

fn address(scalar: &Scalar) -> Result<IpAddr, Fault> {
    let word = unescaped(&scalar.glob);
    let address = word.parse::<IpAddr>().map(|address| address.to_canonical());
    address.map_err(|_| Fault::new(scalar.span.clone(), format!("`{}` is no address", shown(&word))))
}

fn number(id: Id, scalar: &Scalar) -> Result<u64, Fault> {
    let word = unescaped(&scalar.glob);
    match id.kind() {
        Kind::Quantity(unit) => unit.read(&word).ok_or_else(|| Fault::new(scalar.span.clone(), unit.refusal(&word))),
        _ => id.number(&word).ok_or_else(|| unknown(id, scalar, &word)),
    }
}

fn unknown(id: Id, scalar: &Scalar, word: &str) -> Fault {
    let name = id.field().name;
    if !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit()) {
        let message = match id.kind() {
            Kind::Word | Kind::Flags => format!("`{name}` takes names, not numbers"),
            _ => format!("`{name}` goes from 0 to {}", id.number_max()),
        };
        return Fault::new(scalar.span.clone(), message);
    }
    // A name of the wrong place: 16 is BADVERS in OPT, BADSIG in TSIG and TKEY.
    let number = wire::code::Code::from_name(word).map(|code| u64::from(code.number()));
    let same = id.names().iter().find(|(known, _)| Some(*known) == number && id.is_code());
    let near = same.map(|(_, name)| name.as_str());
    let near = near.or_else(|| nearest(word, id.names().iter().map(|(_, name)| name.as_str())));
    let message = match id.names() {
        names if names.len() <= 9 && near.is_none() => {
            let all: Vec<&str> = names.iter().map(|(_, name)| name.as_str()).collect();
            format!("`{name}` is never `{}`: it is one of {}", shown(word), all.join(", "))
        }
        _ => format!("`{name}` is never `{}`", shown(word)),
    };
    Fault::new(scalar.span.clone(), message).suggest(near.map(crate::print::plain))
}

/// `BAD*`: every registered name that fits.
fn named_glob(id: Id, scalar: &Scalar) -> Result<Vec<Value>, Fault> {
    let word = unescaped(&scalar.glob);
    let fail = |message: String| Fault::new(scalar.span.clone(), message);
    match id.kind() {
        Kind::Numbered | Kind::Word | Kind::Flags => {}
        Kind::Address => return Err(fail(format!("`{}` takes no wildcards: {ADDRESS_HINT}", id.field().name))),
        _ => return Err(fail(format!("`{}` takes no wildcards", id.field().name))),
    }
    let pattern = glob(&scalar.glob, Case::Any, scalar)?;
    if id.names().iter().any(|(_, name)| pattern.matches(name)) {
        Ok(vec![Value::Named(pattern)])
    } else {
        Err(fail(format!("no name of `{}` fits `{}`", id.field().name, shown(&word))))
    }
}

fn glob(source: &str, case: Case, scalar: &Scalar) -> Result<Pattern, Fault> {
    Pattern::glob(source, case).ok_or_else(|| Fault::new(scalar.span.clone(), "this pattern is too large"))
}

fn text(id: Id, compare: Compare, scalar: &Scalar) -> Result<Value, Fault> {
    if scalar.form == Form::Regex {
        let pattern = Pattern::regex(&scalar.glob).map_err(|reason| Fault::new(scalar.span.clone(), reason))?;
        return Ok(Value::Text(pattern));
    }
    let wild = compare == Compare::Plain && has_wildcards(&scalar.glob);
    match id.kind() {
        Kind::Domain => domain(compare, scalar, wild),
        Kind::Name if wild => glob(&scalar.glob.to_lowercase(), Case::Exact, scalar).map(Value::Text),
        Kind::Name => {
            let whole = unescaped(&scalar.glob);
            if id == Id::Tld && matches!(whole.as_str(), "." | "..") {
                return Err(Fault::new(scalar.span.clone(), "the root has no TLD: `domain:.` finds it"));
            }
            let name = name(whole.strip_prefix('.').filter(|_| id == Id::Tld).unwrap_or(&whole), scalar)?;
            if id == Id::Tld && names::labels(&name).len() > 1 {
                let last = names::top_level(&name);
                return Err(Fault::new(scalar.span.clone(), "a TLD is one label").suggest(last));
            }
            Ok(Value::Exact(name))
        }
        _ => {
            let whole = unescaped(&scalar.glob);
            if id == Id::Answer && compare == Compare::Plain && scalar.form == Form::Word {
                match Net::read(&whole) {
                    Ok(net) => return Ok(Value::Net(net)),
                    Err(Some(reason)) => return Err(Fault::new(scalar.span.clone(), reason)),
                    Err(None) => {}
                }
            }
            if whole.is_empty() && compare == Compare::Plain {
                let message = format!("nothing is in these quotes; empty is `-has:{}`", id.field().name);
                return Err(Fault::new(scalar.span.clone(), message));
            }
            let source = match (wild, compare) {
                (true, _) => scalar.glob.clone(),
                (false, Compare::Plain) if id.kind() == Kind::Text => {
                    format!("*{}*", glob_plain(&whole))
                }
                _ => glob_plain(&whole),
            };
            glob(&source, Case::Any, scalar).map(Value::Text)
        }
    }
}

fn domain(compare: Compare, scalar: &Scalar, wild: bool) -> Result<Value, Fault> {
    if wild {
        return match scalar.glob.strip_prefix("*.") {
            Some(rest) if !has_wildcards(rest) => name(&unescaped(rest), scalar).map(Value::Under),
            _ => glob(&scalar.glob.to_lowercase(), Case::Exact, scalar).map(Value::Text),
        };
    }
    let whole = unescaped(&scalar.glob);
    if compare == Compare::Equal || whole == "." {
        return name(&whole, scalar).map(Value::Exact);
    }
    match whole.strip_prefix('.') {
        Some(below) => name(below, scalar).map(Value::Under),
        None => name(&whole, scalar).map(Value::Below),
    }
}

/// A name as the log has it: lower case, no final dot, other scripts as they travel.
fn name(text: &str, scalar: &Scalar) -> Result<String, Fault> {
    if text == "." {
        return Ok(text.to_owned());
    }
    let fail =
        |reason: &str| Fault::new(scalar.span.clone(), format!("`{}` is not a domain name: {reason}", shown(text)));
    let name = names::without_final_dot(text).to_lowercase();
    if names::labels(&name).iter().any(|label| label.is_empty()) {
        return Err(fail("a label is empty"));
    }
    if names::is_cut(&name) {
        return Err(fail("nothing follows its last backslash"));
    }
    let name = names::as_it_travels(&name).filter(|name| name.len() <= NAME_BYTES_MAX);
    name.ok_or_else(|| fail("it is too long"))
}
