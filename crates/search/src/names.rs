//! Domain names in presentation form: where a label ends, what lies below a name, and names of other scripts as they
//! travel.
//!
//! A dot behind a backslash is part of a label (RFC 1035 §5.1), so `x\.example.com` does not lie below `example.com`.

/// Longest label in the form it travels in, octets (RFC 1035 §2.3.4).
const LABEL_BYTES_MAX: usize = 63;

/// Whether what stands at this byte is behind an odd number of backslashes.
fn escaped(name: &[u8], at: usize) -> bool {
    name[..at].iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

/// Whether the name ends within an escape, which no name does.
pub(crate) fn is_cut(name: &str) -> bool {
    escaped(name.as_bytes(), name.len())
}

/// The name without its final dot.
pub(crate) fn without_final_dot(name: &str) -> &str {
    match name.strip_suffix('.') {
        Some(rest) if !is_cut(rest) => rest,
        _ => name,
    }
}

/// The labels of a name, from the host to the root.
pub(crate) fn labels(name: &str) -> Vec<&str> {
    let bytes = name.as_bytes();
    let dots = (0..bytes.len()).filter(|at| bytes[*at] == b'.' && !escaped(bytes, *at));
    let mut labels = Vec::new();
    let mut start = 0;
    for dot in dots {
        labels.push(&name[start..dot]);
        start = dot + 1;
    }
    labels.push(&name[start..]);
    labels
}

/// The last label of a name; the root has none.
pub(crate) fn top_level(name: &str) -> Option<&str> {
    let bytes = name.as_bytes();
    let dot = (0..bytes.len()).rev().find(|at| bytes[*at] == b'.' && !escaped(bytes, *at));
    let label = dot.map_or(name, |dot| &name[dot + 1..]);
    (!label.is_empty()).then_some(label)
}

/// Whether `name` lies below `above`; everything but the root lies below the root.
pub(crate) fn is_below(name: &str, above: &str) -> bool {
    if above == "." {
        return !matches!(name, "" | ".");
    }
    if is_cut(name) {
        // Imported from a text that was no name: as the column of reversed names has it.
        let (name, above) = (event::reversed_domain(name), event::reversed_domain(above));
        return name.len() > above.len() && name.starts_with(&above);
    }
    name.strip_suffix(above)
        .and_then(|front| front.strip_suffix('.'))
        .is_some_and(|front| !front.is_empty() && !is_cut(front))
}

/// Whether `name` is `above` or lies below it.
pub(crate) fn is_in(name: &str, above: &str) -> bool {
    if is_cut(name) {
        return event::reversed_domain(name).starts_with(&event::reversed_domain(above));
    }
    name == above || is_below(name, above)
}

/// A name with labels of other scripts as it travels: `bücher.example` is `xn--bcher-kva.example`. `None` when a label
/// is too long for that.
pub(crate) fn as_it_travels(name: &str) -> Option<String> {
    if name.is_ascii() {
        return Some(name.to_owned());
    }
    let mut travels = Vec::new();
    for label in labels(name) {
        travels.push(if label.is_ascii() { label.to_owned() } else { format!("xn--{}", punycode(label)?) });
    }
    Some(travels.join("."))
}

/// Punycode (RFC 3492) of one label.
fn punycode(label: &str) -> Option<String> {
    let mut encoded: String = label.chars().filter(char::is_ascii).collect();
    let chars: Vec<u32> = label.chars().map(u32::from).collect();
    let basic = u32::try_from(encoded.len()).ok()?;
    let total = u32::try_from(chars.len()).ok()?;
    if basic > 0 {
        encoded.push('-');
    }
    let (mut next, mut delta, mut bias, mut done) = (128_u32, 0_u32, 72_u32, basic);
    while done < total {
        let least = chars.iter().copied().filter(|char| *char >= next).min()?;
        delta = delta.checked_add((least - next).checked_mul(done + 1)?)?;
        next = least;
        for char in &chars {
            if *char < next {
                delta = delta.checked_add(1)?;
            }
            if *char == next {
                push_number(&mut encoded, delta, bias);
                bias = adapted(delta, done + 1, done == basic);
                delta = 0;
                done += 1;
            }
        }
        delta = delta.checked_add(1)?;
        next += 1;
        if encoded.len() + "xn--".len() > LABEL_BYTES_MAX {
            return None;
        }
    }
    (encoded.len() + "xn--".len() <= LABEL_BYTES_MAX).then_some(encoded)
}

const BASE: u32 = 36;
const TMIN: u32 = 1;
const TMAX: u32 = 26;

fn push_number(encoded: &mut String, number: u32, bias: u32) {
    let digit = |value: u32| char::from_digit(value, BASE).unwrap_or('0');
    // Digits of Punycode count letters first: `a` is 0, `0` is 26.
    let letter = |value: u32| if value < 26 { digit(value + 10) } else { digit(value - 26) };
    let mut rest = number;
    let mut place = BASE;
    loop {
        let threshold = place.saturating_sub(bias).clamp(TMIN, TMAX);
        if rest < threshold {
            encoded.push(letter(rest));
            return;
        }
        encoded.push(letter(threshold + (rest - threshold) % (BASE - threshold)));
        rest = (rest - threshold) / (BASE - threshold);
        place += BASE;
    }
}

fn adapted(delta: u32, points: u32, first: bool) -> u32 {
    let mut delta = if first { delta / 700 } else { delta / 2 };
    delta += delta / points;
    let mut steps = 0;
    while delta > ((BASE - TMIN) * TMAX) / 2 {
        delta /= BASE - TMIN;
        steps += BASE;
    }
    steps + (BASE - TMIN + 1) * delta / (delta + 38)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_behind_backslashes_are_part_of_labels() {
        for (name, above, below) in [
            ("www.example.com", "example.com", true),
            ("example.com", "example.com", false),
            ("badexample.com", "example.com", false),
            ("x\\.example.com", "example.com", false),
            ("x\\\\.example.com", "example.com", true),
            ("a.x\\.example.com", "x\\.example.com", true),
            ("x\\.example.com", "com", true),
            ("com", ".", true),
            (".", ".", false),
            ("b.a\\", "a\\.b", false),
            ("c.b.a\\", "a\\.b", true),
        ] {
            assert_eq!(is_below(name, above), below, "{name} {above}");
            let (name, above) = (event::reversed_domain(name), event::reversed_domain(above));
            assert_eq!(name.len() > above.len() && name.starts_with(&above), below, "{name} {above}");
        }
        assert_eq!(labels("a\\.b.c\\\\.d"), ["a\\.b", "c\\\\", "d"]);
        assert_eq!(top_level("a.x\\.zip"), Some("x\\.zip"));
        assert_eq!(top_level("zip"), Some("zip"));
        assert_eq!(top_level("."), None);
        assert_eq!(without_final_dot("a\\."), "a\\.");
        assert_eq!(without_final_dot("a."), "a");
    }

    #[test]
    fn other_scripts_travel_as_letters() {
        for (name, travels) in [
            ("bücher.example", "xn--bcher-kva.example"),
            ("www.münchen.de", "www.xn--mnchen-3ya.de"),
            ("例え.jp", "xn--r8jz45g.jp"),
            ("президент.рф", "xn--d1abbgf6aiiy.xn--p1ai"),
            ("example", "example"),
        ] {
            assert_eq!(as_it_travels(name).as_deref(), Some(travels), "{name}");
        }
        assert_eq!(as_it_travels(&"ü".repeat(500)), None);
    }
}
