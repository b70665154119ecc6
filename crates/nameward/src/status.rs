//! How the server is: gathers what the rooms say of themselves into the API's status and the metrics page.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use api::{ListFault, ListStatus, LogStatus, StatusNote, UpstreamStatus, ZoneNotified};
use control::Control;
use control::zones::{Registrar, ZoneStatus};
use engine::{Counters, LATENCY_BOUNDS_MICROS, Shared};
use event::{Action, CacheState, Outcome, Transport};
use policy::ListAction;
use resolve::Resolver;
use store::Store;
use telemetry::{Kind, Page};
use wire::code::{CODES, Place};

use crate::output::{self, Outputs};

/// What is known since the start.
pub(crate) struct Status {
    started: SystemTime,
    listeners: Mutex<Vec<String>>,
    /// What the last reload came to; `None`: all in force.
    reload: Mutex<Option<String>>,
    /// What was found when the log was opened.
    opening: Mutex<Vec<String>>,
    outputs: OnceLock<Arc<Outputs>>,
    listener_counts: OnceLock<Box<dyn Fn() -> front::Figures + Send + Sync>>,
}

impl Status {
    pub(crate) fn new() -> Status {
        Status {
            started: SystemTime::now(),
            listeners: Mutex::default(),
            reload: Mutex::default(),
            opening: Mutex::default(),
            outputs: OnceLock::new(),
            listener_counts: OnceLock::new(),
        }
    }

    pub(crate) fn set_listeners(&self, addresses: &[std::net::SocketAddr]) {
        let each = addresses.iter().flat_map(|address| [format!("udp://{address}"), format!("tcp://{address}")]);
        *self.listeners.lock().unwrap_or_else(PoisonError::into_inner) = each.collect();
    }

    pub(crate) fn set_listener_counts(&self, counts: impl Fn() -> front::Figures + Send + Sync + 'static) {
        let _ = self.listener_counts.set(Box::new(counts));
    }

    pub(crate) fn set_opening(&self, notes: Vec<String>) {
        *self.opening.lock().unwrap_or_else(PoisonError::into_inner) = notes;
    }

    pub(crate) fn set_outputs(&self, outputs: &Arc<Outputs>) {
        let _ = self.outputs.set(Arc::clone(outputs));
    }

    pub(crate) fn reloaded(&self, outcome: Result<(), String>) {
        *self.reload.lock().unwrap_or_else(PoisonError::into_inner) = outcome.err();
    }

    /// The function the API calls for `GET /status`.
    pub(crate) fn report(
        self: &Arc<Status>,
        store: &Store,
        control: &Arc<Control>,
        registrar: &Arc<Registrar>,
        resolver: &Resolver,
    ) -> Arc<dyn Fn() -> api::Status + Send + Sync> {
        let (status, store, resolver) = (Arc::clone(self), store.clone(), resolver.clone());
        let (control, registrar) = (Arc::clone(control), Arc::clone(registrar));
        Arc::new(move || status.now(&store, &control, &registrar, &resolver))
    }

    fn now(&self, store: &Store, control: &Control, registrar: &Registrar, resolver: &Resolver) -> api::Status {
        let lists: Vec<ListStatus> = control.status().into_iter().map(list).collect();
        let upstreams: Vec<UpstreamStatus> = resolver.status().iter().map(upstream).collect();
        let health = store.health();
        let log = log(&health);
        let zones = registrar.status();
        let notes = self.notes(&lists, &zones, &upstreams, &log, health.remote_fault.as_deref());
        let worst = ["fail", "warn"].iter().find(|level| notes.iter().any(|note| note.level == **level));
        api::Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: instant(self.started),
            health: (*worst.unwrap_or(&"ok")).to_owned(),
            notes,
            listeners: self.listeners.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            upstreams,
            lists,
            zones: zones.into_iter().map(zone).collect(),
            log,
        }
    }

    fn notes(
        &self,
        lists: &[ListStatus],
        zones: &[ZoneStatus],
        upstreams: &[UpstreamStatus],
        log: &LogStatus,
        remote: Option<&str>,
    ) -> Vec<StatusNote> {
        let note = |level: &str, part: String, text: String| StatusNote { level: level.to_owned(), part, text };
        let mut notes = Vec::new();
        if let Some(why) = &log.stopped {
            notes.push(note("fail", "log".to_owned(), format!("events are not being kept: {why}")));
        }
        if let Some(why) = remote {
            notes.push(note("warn", "log".to_owned(), format!("old events stay here: {why}")));
        }
        if log.dropped > 0 {
            notes.push(note("warn", "log".to_owned(), format!("{} events were lost since the start", log.dropped)));
        }
        for text in self.opening.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            notes.push(note("warn", "log".to_owned(), text.clone()));
        }
        notes.extend(self.outputs.get().map(|outputs| output::notes(&outputs.status())).unwrap_or_default());
        if upstreams.is_empty() {
            notes.push(note("fail", "upstreams".to_owned(), "there are none: nothing can be looked up".to_owned()));
        } else if upstreams.iter().all(|upstream| !upstream.healthy) {
            notes.push(note("fail", "upstreams".to_owned(), "none of them answers".to_owned()));
        }
        for upstream in upstreams.iter().filter(|upstream| !upstream.healthy) {
            let text = "does not answer; it is probed until it does".to_owned();
            notes.push(note("warn", format!("upstream {}", upstream.name), text));
        }
        for list in lists {
            if let Some(error) = &list.error {
                notes.push(note("warn", format!("list {}", list.name), error.clone()));
            }
        }
        for zone in zones {
            let part = || format!("zone {}", zone.name);
            if let Some(why) = &zone.unavailable {
                notes.push(note("warn", part(), format!("not in service: {why}")));
            }
            // What keeps a zone out of service was said just now.
            for text in [&zone.fault, &zone.torn].into_iter().flatten() {
                if zone.unavailable.as_ref() != Some(text) {
                    notes.push(note("warn", part(), text.clone()));
                }
            }
            for heard in &zone.heard {
                if let Some(error) = &heard.error {
                    notes.push(note("warn", part(), format!("{} was not told of a change: {error}", heard.address)));
                }
            }
        }
        if let Some(text) = &*self.reload.lock().unwrap_or_else(PoisonError::into_inner) {
            notes.push(note("warn", "configuration".to_owned(), text.clone()));
        }
        notes
    }

    /// The function the API calls for `GET /metrics`.
    pub(crate) fn metrics(
        self: &Arc<Status>,
        store: &Store,
        control: &Arc<Control>,
        registrar: &Arc<Registrar>,
        resolver: &Resolver,
        shared: &Arc<Shared>,
    ) -> Arc<dyn Fn() -> String + Send + Sync> {
        let (store, resolver) = (store.clone(), resolver.clone());
        let (control, registrar, shared) = (Arc::clone(control), Arc::clone(registrar), Arc::clone(shared));
        let status = Arc::clone(self);
        Arc::new(move || {
            let mut page = metrics(&store, &control, &registrar, &resolver, &shared);
            if let Some(counts) = status.listener_counts.get() {
                given_up(&mut page, &counts());
            }
            output::samples(&mut page, &status.outputs.get().map(|outputs| outputs.status()).unwrap_or_default());
            page.finish()
        })
    }
}

/// What listeners gave up.
fn given_up(page: &mut Page, figures: &front::Figures) {
    let each = [
        ("reply_unsent", figures.replies_unsent),
        ("receive_error", figures.receive_errors),
        ("lookup_overflow", figures.pursuits_overflowed),
        ("lookup_crowded_out", figures.pursuits_crowded_out),
        ("operation_overflow", figures.operations_overflowed),
        ("connection_turned_away", figures.connections_turned_away),
        ("connection_cut", figures.connections_cut),
        ("session_aborted", figures.sessions_aborted),
    ];
    let help = "What listeners gave up, and why.";
    for (why, count) in each {
        page.sample(Kind::Counter, "nameward_listener_given_up_total", help, &[("why", why)], count as f64);
    }
    let help = "TCP connections accepted.";
    page.sample(Kind::Counter, "nameward_tcp_connections_total", help, &[], figures.connections as f64);
}

fn metrics(store: &Store, control: &Control, registrar: &Registrar, resolver: &Resolver, shared: &Shared) -> Page {
    let mut page = Page::new();
    build(&mut page);
    answers(&mut page, &shared.counters());
    let cache = shared.cache().figures();
    page.sample(Kind::Gauge, "nameward_cache_entries", "Answers held.", &[], cache.entries as f64);
    page.sample(Kind::Gauge, "nameward_cache_bytes", "Memory of the answers held.", &[], cache.bytes as f64);
    let upstreams = resolver.status();
    for upstream in &upstreams {
        let labels = [("upstream", &*upstream.name), ("suffix", &*upstream.suffix)];
        let name = "nameward_upstream_requests_total";
        page.sample(Kind::Counter, name, "Queries sent to upstreams.", &labels, upstream.sent as f64);
    }
    for upstream in &upstreams {
        let labels = [("upstream", &*upstream.name), ("suffix", &*upstream.suffix)];
        let name = "nameward_upstream_failures_total";
        page.sample(Kind::Counter, name, "Queries upstreams failed.", &labels, upstream.failed as f64);
    }
    for list in control.status() {
        let name = "nameward_list_rules";
        page.sample(Kind::Gauge, name, "Rules in force.", &[("list", &*list.name)], list.rules as f64);
    }
    let zones = registrar.status();
    for zone in &zones {
        let name = "nameward_zone_records";
        page.sample(Kind::Gauge, name, "Records in service.", &[("zone", &*zone.name)], zone.records as f64);
    }
    for zone in &zones {
        let name = "nameward_zone_serial";
        page.sample(
            Kind::Gauge,
            name,
            "Serial in service; 0: none.",
            &[("zone", &*zone.name)],
            zone.serial.unwrap_or(0).into(),
        );
    }
    for zone in &zones {
        let (name, bytes) = ("nameward_zone_journal_bytes", zone.journal_bytes);
        page.sample(Kind::Gauge, name, "Bytes of the journal on disk.", &[("zone", &*zone.name)], bytes as f64);
    }
    log_figures(&mut page, store);
    page
}

fn log_figures(page: &mut Page, store: &Store) {
    let (status, written) = (store.status(), store.health().written);
    let counters = [
        ("nameward_log_written_total", "Events kept.", written),
        ("nameward_log_dropped_total", "Events lost.", status.dropped),
        ("nameward_log_purged_total", "Events whose time was over, or the log too large.", status.purged),
        ("nameward_log_set_aside_total", "Damaged segments set aside.", status.set_aside),
    ];
    let gauges = [
        ("nameward_log_writing", "1: events are being written; 0: they are lost.", status.stopped.is_none().into()),
        ("nameward_log_bytes", "Bytes of the log on disk.", status.bytes),
        ("nameward_log_rows", "Events in the log.", status.rows),
        ("nameward_log_live_rows", "Events not yet in a segment.", status.live_rows),
        ("nameward_log_segments", "Segments.", status.segments),
    ];
    let remote = status.remote.map(|remote| {
        let up = "0: the last segment sent to the remote store, or object deleted there, failed.";
        [
            ("nameward_log_remote_up", up, remote.fault.is_none().into()),
            ("nameward_log_remote_rows", "Events in the remote store.", remote.rows),
            ("nameward_log_remote_bytes", "Bytes of the log there.", remote.bytes),
            ("nameward_log_remote_segments", "Segments there.", remote.segments),
            ("nameward_log_remote_waiting_segments", "Segments to be sent there.", remote.waiting),
            ("nameward_log_remote_waiting_bytes", "Bytes of those.", remote.waiting_bytes),
            ("nameward_log_remote_loose_objects", "Objects there to be deleted.", remote.loose),
        ]
    });
    for (name, help, value) in counters {
        page.sample(Kind::Counter, name, help, &[], value as f64);
    }
    for (name, help, value) in gauges.into_iter().chain(remote.into_iter().flatten()) {
        page.sample(Kind::Gauge, name, help, &[], value as f64);
    }
}

fn build(page: &mut Page) {
    let labels = [("version", env!("CARGO_PKG_VERSION"))];
    page.sample(Kind::Gauge, "nameward_build_info", "The running version.", &labels, 1.0);
}

fn answers(page: &mut Page, counters: &Counters) {
    let mut each =
        |name: &'static str, help: &str, label: &'static str, counts: &mut dyn Iterator<Item = (String, u64)>| {
            for (word, count) in counts {
                page.sample(Kind::Counter, name, help, &[(label, &word)], count as f64);
            }
        };
    let transports =
        Transport::ALL.iter().map(|word| (word.name().to_owned(), counters.transports[usize::from(word.number())]));
    each("nameward_dns_requests_total", "Messages that arrived.", "transport", &mut { transports });
    let rcodes = CODES.iter().filter(|info| info.travels_in(Place::Header) || info.travels_in(Place::Opt));
    let rcodes = rcodes.map(|info| (info.name.to_owned(), counters.rcode(info.code)));
    each("nameward_dns_responses_total", "Replies by RCODE of header and OPT.", "rcode", &mut { rcodes });
    let codes = CODES.iter().map(|info| (info.name.to_owned(), counters.code(info.code)));
    let codes = codes.chain(std::iter::once(("other".to_owned(), counters.unnamed())));
    each(
        "nameward_dns_codes_total",
        "Replies by return code: TSIG error, else TKEY error, else RCODE.",
        "code",
        &mut { codes },
    );
    let outcomes =
        Outcome::ALL.iter().map(|word| (word.name().to_owned(), counters.outcomes[usize::from(word.number())]));
    each("nameward_dns_outcomes_total", "What clients got.", "outcome", &mut { outcomes });
    let actions = Action::ALL.iter().map(|word| (word.name().to_owned(), counters.actions[usize::from(word.number())]));
    each("nameward_policy_decisions_total", "What policy did.", "action", &mut { actions });
    let states =
        CacheState::ALL.iter().map(|word| (word.name().to_owned(), counters.cache[usize::from(word.number())]));
    each("nameward_cache_answers_total", "Where answers came from.", "state", &mut { states });
    let mut within = 0;
    let mut buckets: Vec<(String, u64)> = Vec::new();
    for (index, count) in counters.latency.iter().enumerate() {
        within += count;
        let bound = LATENCY_BOUNDS_MICROS.get(index).map_or("+Inf".to_owned(), |us| (f64::from(*us) / 1e6).to_string());
        buckets.push((bound, within));
    }
    page.histogram(
        "nameward_dns_request_duration_seconds",
        "Time from arrival to reply.",
        &buckets,
        counters.latency_sum_micros as f64 / 1e6,
    );
}

fn instant(time: SystemTime) -> String {
    let micros = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros());
    micros_text(i64::try_from(micros).unwrap_or(0))
}

fn micros_text(micros: i64) -> String {
    jiff::Timestamp::from_microsecond(micros).unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string()
}

fn upstream(upstream: &resolve::UpstreamStatus) -> UpstreamStatus {
    UpstreamStatus {
        name: upstream.name.to_string(),
        suffix: upstream.suffix.clone(),
        healthy: upstream.healthy,
        latency_ms: upstream.latency_micros.map(|micros| f64::from(micros) / 1000.0),
        sent: upstream.sent,
        failed: upstream.failed,
    }
}

fn list(list: control::ListState) -> ListStatus {
    let fault = |fault: &policy::LineFault| ListFault {
        line: fault.line,
        text: fault.text.clone(),
        reason: fault.reason.clone(),
    };
    ListStatus {
        name: list.name.to_string(),
        action: match list.action {
            ListAction::Allow => "allow".to_owned(),
            ListAction::Block => "block".to_owned(),
        },
        source: list.source,
        rules: list.rules,
        rejected: list.rejected,
        faults: list.faults.iter().map(fault).collect(),
        loaded: list.loaded_at.map(instant),
        error: list.error,
    }
}

fn zone(zone: ZoneStatus) -> api::ZoneStatus {
    let notified = |heard: control::zones::Heard| ZoneNotified {
        address: heard.address.to_string(),
        at: instant(heard.at),
        error: heard.error,
    };
    api::ZoneStatus {
        name: zone.name,
        role: match zone.role {
            zone::Role::Primary => "primary".to_owned(),
            zone::Role::Secondary => "secondary".to_owned(),
        },
        source: zone.source,
        serial: zone.serial,
        records: zone.records as u64,
        unavailable: zone.unavailable,
        fault: zone.fault,
        journal_bytes: zone.journal_bytes,
        refreshed: zone.refreshed_at.map(instant),
        refresh: zone.refresh_at.map(instant),
        expires: zone.expires_at.map(instant),
        notified: zone.heard.into_iter().map(notified).collect(),
    }
}

fn log(health: &store::Health) -> LogStatus {
    LogStatus {
        rows: health.rows,
        bytes: health.bytes,
        segments: health.segments,
        live_rows: health.live_rows,
        oldest: health.oldest_micros.map(micros_text),
        dropped: health.dropped,
        stopped: health.stopped.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_on_the_page_from_the_start() {
        let mut page = Page::new();
        answers(&mut page, &Counters::default());
        let text = page.finish();
        for name in CODES.iter().map(|info| info.name).chain(["other"]) {
            let line = format!("nameward_dns_codes_total{{code=\"{name}\"}} 0\n");
            assert_eq!(text.matches(&line).count(), 1, "{name}");
        }
    }
}
