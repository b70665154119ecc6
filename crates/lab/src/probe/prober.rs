//! Probes all day: for the demo, where every code shall keep appearing.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::report::Verdict;
use super::{Settings, run};

/// Rounds of probes, one after another, for ever. Dropping it stops it too, without waiting.
#[derive(Debug)]
pub struct Prober {
    tasks: JoinSet<()>,
}

impl Prober {
    /// Starts a round every `period`; each round runs with each of the settings in turn. A round that takes longer puts off
    /// the next.
    #[must_use = "dropping it stops it"]
    pub fn start(rounds: Vec<Settings>, period: Duration) -> Prober {
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut ticks = interval(period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                for settings in &rounds {
                    tell(settings).await;
                }
            }
        });
        Prober { tasks }
    }

    /// Stops and returns when nothing is under way any more.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

async fn tell(settings: &Settings) {
    match run(settings).await {
        Ok(report) => {
            let bad = |finding: &&super::Finding| matches!(finding.verdict, Verdict::Wrong | Verdict::NoReply);
            for finding in report.findings.iter().filter(bad) {
                let transport = finding.transport.name();
                tracing::debug!(probe = finding.name, transport, verdict = %finding.verdict, "{}", finding.note);
            }
        }
        Err(error) => tracing::warn!(server = %settings.server, %error, "cannot probe"),
    }
}
