//! How the server tells of itself: figures as Prometheus text, and the set-up of its own log.
//!
//! Renders numbers that others hand over; counts nothing, knows no room of the house.

use std::fmt::Write as _;

/// A page of metrics in Prometheus text format 0.0.4.
#[derive(Default)]
pub struct Page {
    text: String,
    family: &'static str,
}

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows; the name ends in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
}

impl Page {
    /// An empty page.
    #[must_use]
    pub fn new() -> Page {
        Page::default()
    }

    /// Adds one sample. Samples of one metric follow each other: help and type are written before the first.
    pub fn sample(&mut self, kind: Kind, name: &'static str, help: &str, labels: &[(&str, &str)], value: f64) {
        if self.family != name {
            self.family = name;
            let word = match kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
            };
            let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {word}");
        }
        self.text.push_str(name);
        for (index, (label, text)) in labels.iter().enumerate() {
            let _ = write!(self.text, "{}{label}=\"{}\"", if index == 0 { '{' } else { ',' }, escaped(text));
        }
        let _ = writeln!(self.text, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    /// Adds a histogram: cumulative counts by upper bound, the last of which is `+Inf`, and the sum of all values.
    pub fn histogram(&mut self, name: &'static str, help: &str, buckets: &[(String, u64)], sum: f64) {
        self.family = name;
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} histogram");
        for (bound, count) in buckets {
            let _ = writeln!(self.text, "{name}_bucket{{le=\"{bound}\"}} {count}");
        }
        let total = buckets.last().map_or(0, |(_, count)| *count);
        let _ = writeln!(self.text, "{name}_sum {sum}\n{name}_count {total}");
    }

    /// The page.
    #[must_use]
    pub fn finish(self) -> String {
        self.text
    }
}

/// A label value with what the format reserves escaped.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// How our own log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogForm {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Sends our own log to standard error. `RUST_LOG` overrides the level. A second call changes nothing.
pub fn log_to_stderr(form: LogForm) {
    use std::io::IsTerminal as _;
    use tracing_subscriber::EnvFilter;
    let level = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let base = tracing_subscriber::fmt().with_env_filter(level).with_writer(std::io::stderr).with_target(false);
    let _ = match form {
        LogForm::Text => base.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogForm::Json => base.json().try_init(),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_names_each_metric_once_and_escapes_labels() {
        let mut page = Page::new();
        let name = "nameward_dns_responses_total";
        page.sample(Kind::Counter, name, "Replies sent.", &[("rcode", "NOERROR"), ("action", "pass")], 3.0);
        page.sample(Kind::Counter, name, "Replies sent.", &[("rcode", "a\"b\\c\n")], 1.0);
        page.sample(Kind::Gauge, "nameward_cache_entries", "Answers held.", &[], 7.5);
        page.histogram("nameward_seconds", "Time.", &[("0.5".to_owned(), 2), ("+Inf".to_owned(), 3)], 1.5);
        assert_eq!(
            page.finish(),
            "# HELP nameward_dns_responses_total Replies sent.\n\
             # TYPE nameward_dns_responses_total counter\n\
             nameward_dns_responses_total{rcode=\"NOERROR\",action=\"pass\"} 3\n\
             nameward_dns_responses_total{rcode=\"a\\\"b\\\\c\\n\"} 1\n\
             # HELP nameward_cache_entries Answers held.\n\
             # TYPE nameward_cache_entries gauge\n\
             nameward_cache_entries 7.5\n\
             # HELP nameward_seconds Time.\n\
             # TYPE nameward_seconds histogram\n\
             nameward_seconds_bucket{le=\"0.5\"} 2\n\
             nameward_seconds_bucket{le=\"+Inf\"} 3\n\
             nameward_seconds_sum 1.5\n\
             nameward_seconds_count 3\n"
        );
    }
}
