//! From the configuration to sinks that run: the log's feed carried to each, and what they say of themselves.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, anyhow};
use api::StatusNote;
use output::{Loss, Pace, Select, Settings, Sink, Tls};
use store::Store;
use telemetry::{Kind, Page};
use tokio::runtime::Runtime;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::admission;
use crate::config::{self, Config};

/// Folder of the spools in the state folder; each output has one of its name there.
const SPOOL_FOLDER: &str = "output";

/// All sinks, running.
pub(crate) struct Outputs {
    sinks: Vec<Arc<Sink>>,
    feeds: Mutex<Vec<JoinHandle<()>>>,
    stop: watch::Sender<bool>,
}

impl Outputs {
    /// Starts a sink for each output. Every one gets all events from here on.
    ///
    /// # Errors
    /// Names the output that cannot start.
    pub(crate) fn open(config: &Config, store: &Store, runtime: &Runtime) -> anyhow::Result<Outputs> {
        let (stop, stopped) = watch::channel(false);
        let node = admission::node(config);
        let (mut sinks, mut feeds) = (Vec::new(), Vec::new());
        for output in &config.outputs {
            let sink = Sink::start(settings(output, config, &node)?)
                .with_context(|| format!("output \"{}\" cannot start", output.name))?;
            let sink = Arc::new(sink);
            feeds.push(runtime.spawn(feed(Arc::clone(&sink), store.subscribe(), stopped.clone())));
            sinks.push(sink);
        }
        Ok(Outputs { sinks, feeds: Mutex::new(feeds), stop })
    }

    /// How each is.
    pub(crate) fn status(&self) -> Vec<output::Status> {
        self.sinks.iter().map(|sink| sink.status()).collect()
    }

    /// Carries the last events over and stops all sinks. To be called when the log has closed.
    pub(crate) fn close(&self, runtime: &Runtime) {
        let _ = self.stop.send(true);
        let feeds = std::mem::take(&mut *self.feeds.lock().unwrap_or_else(PoisonError::into_inner));
        runtime.block_on(async {
            for feed in feeds {
                let _ = feed.await;
            }
        });
        // Each takes up to `output::STOP_WITHIN` to say goodbye: all at once.
        std::thread::scope(|scope| {
            for sink in &self.sinks {
                scope.spawn(move || sink.stop());
            }
        });
    }
}

/// Events the feed passed over show as a gap in their numbers: the sink counts them.
async fn feed(sink: Arc<Sink>, mut batches: Receiver<event::Batch>, mut stopped: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            batch = batches.recv() => match batch {
                Ok(batch) => sink.offer(batch),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            },
            _ = stopped.changed() => break,
        }
    }
    loop {
        match batches.try_recv() {
            Ok(batch) => sink.offer(batch),
            Err(TryRecvError::Lagged(_)) => {}
            Err(TryRecvError::Empty | TryRecvError::Closed) => return,
        }
    }
}

fn settings(output: &config::Output, config: &Config, node: &str) -> anyhow::Result<Settings> {
    let search = search::parse(&output.search)
        .map_err(|faults| anyhow!("output \"{}\": {} faults in its search", output.name, faults.len()))?;
    let select: Option<Select> = match output.search.trim() {
        "" => None,
        _ => Some(Box::new(move |row: &event::Row| search.matches(row))),
    };
    let (client_cert_file, client_key_file) = output.client.clone().unzip();
    Ok(Settings {
        name: output.name.clone(),
        target: output.to.clone(),
        format: output.format,
        tls: Tls { ca_file: output.ca_file.clone(), client_cert_file, client_key_file },
        node: node.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        select,
        spool_folder: config.state.join(SPOOL_FOLDER).join(&output.name),
        spool_bytes: output.spool_bytes,
        pace: Pace::default(),
        random: Box::new(random),
    })
}

/// Chance for the time between two attempts; without any, all wait alike.
fn random() -> u64 {
    let mut octets = [0; 8];
    match getrandom::fill(&mut octets) {
        Ok(()) => u64::from_le_bytes(octets),
        Err(_) => 0,
    }
}

/// The banner's line.
pub(crate) fn told(outputs: &[output::Status]) -> Option<String> {
    let texts: Vec<String> = outputs.iter().map(|output| format!("{} to {}", output.name, output.target)).collect();
    (!texts.is_empty()).then(|| texts.join(", "))
}

/// What is wrong with outputs.
pub(crate) fn notes(outputs: &[output::Status]) -> Vec<StatusNote> {
    let mut notes = Vec::new();
    for output in outputs {
        let mut note = |text: String| {
            notes.push(StatusNote { level: "warn".to_owned(), part: format!("output {}", output.name), text });
        };
        if output.connected_since.is_none()
            && let Some(error) = &output.last_error
        {
            let waiting = output.spooled + output.queued;
            note(format!("{} is not reached: {error}; {waiting} events wait", output.target));
        }
        if output.lost.total() > 0 {
            let reasons = Loss::ALL.into_iter().filter(|reason| output.lost.of(*reason) > 0);
            let reasons: Vec<String> =
                reasons.map(|reason| format!("{} {}", output.lost.of(reason), reason.name())).collect();
            note(format!("{} events were not sent ({})", output.lost.total(), reasons.join(", ")));
        }
        output.notes.iter().for_each(|text| note(text.clone()));
    }
    notes
}

/// The figures of outputs on the metrics page.
pub(crate) fn samples(page: &mut Page, outputs: &[output::Status]) {
    let mut each = |kind: Kind, name: &'static str, help: &str, value: fn(&output::Status) -> f64| {
        for output in outputs {
            page.sample(kind, name, help, &[("output", &*output.name)], value(output));
        }
    };
    each(Kind::Counter, "nameward_output_sent_total", "Events handed to the far end.", |it| it.sent as f64);
    each(Kind::Counter, "nameward_output_again_total", "Of them, sent again after a break.", |it| it.again as f64);
    each(Kind::Gauge, "nameward_output_queued", "Events that wait in memory.", |it| it.queued as f64);
    each(Kind::Gauge, "nameward_output_spooled", "Events that wait on disk.", |it| it.spooled as f64);
    each(Kind::Gauge, "nameward_output_spool_bytes", "Bytes of the spool.", |it| it.spooled_bytes as f64);
    each(Kind::Gauge, "nameward_output_connected", "1 while the far end is connected.", |it| {
        f64::from(u8::from(it.connected_since.is_some()))
    });
    for output in outputs {
        for reason in Loss::ALL {
            let labels = [("output", &*output.name), ("reason", reason.name())];
            let lost = output.lost.of(reason) as f64;
            page.sample(Kind::Counter, "nameward_output_lost_total", "Events not sent.", &labels, lost);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_that_is_down_says_so_and_how_much_waits() {
        let mut status =
            output::Status { name: "siem".to_owned(), target: "syslog+tcp://a:601".to_owned(), ..Default::default() };
        assert!(notes(std::slice::from_ref(&status)).is_empty());
        status.last_error = Some("connection refused".to_owned());
        status.spooled = 7;
        let notes = notes(std::slice::from_ref(&status));
        assert_eq!((&*notes[0].part, &*notes[0].level), ("output siem", "warn"));
        assert_eq!(notes[0].text, "syslog+tcp://a:601 is not reached: connection refused; 7 events wait");
        let mut page = Page::new();
        samples(&mut page, &[status]);
        let text = page.finish();
        for line in [
            "nameward_output_spooled{output=\"siem\"} 7",
            "nameward_output_lost_total{output=\"siem\",reason=\"disk\"} 0",
        ] {
            assert!(text.contains(line), "{text}");
        }
    }
}
