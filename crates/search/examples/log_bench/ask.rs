//! What a panel asks of the log, question by question.

use std::path::Path;
use std::time::Instant;

use search::{Searcher, Window};

use crate::make::{DAY_MICROS, MORNING_MICROS};
use crate::{Failed, LIMITS, SEGMENT_ROWS, cpu_millis, open, peak_mib};

/// Asks every question once a round.
pub(crate) fn ask(folder: &Path, rounds: u64) -> Result<(), Failed> {
    let store = open(folder, SEGMENT_ROWS)?;
    let searcher = Searcher::new(store.clone(), LIMITS);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let day = Window { from: MORNING_MICROS, to: MORNING_MICROS + DAY_MICROS };
    let hour = Window { from: MORNING_MICROS + DAY_MICROS / 2, to: MORNING_MICROS + DAY_MICROS / 2 + DAY_MICROS / 24 };
    let parse = |text: &str| search::parse(text).map_err(|faults| format!("{text}: {faults:?}"));
    let every = parse("")?;
    let (nxdomain, refused) = (parse("code:NXDOMAIN")?, parse("code:REFUSED")?);
    let below = parse("domain:com.br")?;
    let client = runtime.block_on(searcher.top(&every, hour, "client", 40))?;
    let client = client.values.last().and_then(|value| value.value.clone()).ok_or("no clients")?;
    let point = parse(&format!("client:{client} code:NXDOMAIN"))?;
    let tenant = parse("tenant:tenant-017")?;
    eprintln!("client {client}");
    for round in 0..rounds {
        let say = |name: &str, (start, cpu): (Instant, f64), found: String| {
            let (millis, cpu) = (start.elapsed().as_secs_f64() * 1e3, cpu_millis() - cpu);
            println!(
                "{{\"name\": \"{name}\", \"round\": {round}, \"ms\": {millis:.2}, \"cpu_ms\": {cpu:.2}, \"peak_mib\": {}, \"found\": \"{found}\"}}",
                peak_mib()
            );
        };
        let start = now();
        let series = runtime.block_on(searcher.series(&every, day, "code", 1_440))?;
        say("series_by_code", start, format!("{} lines", series.lines.len()));
        let start = now();
        let top = runtime.block_on(searcher.top(&nxdomain, day, "domain", 20))?;
        say("top_nxdomain_names", start, format!("{:?}", top.values.first().map(|value| value.count)).replace('"', ""));
        let start = now();
        let top = runtime.block_on(searcher.top(&refused, day, "client", 20))?;
        say("top_refused_clients", start, format!("{:?}", top.values.first().map(|value| value.count)));
        let start = now();
        let rows = runtime.block_on(searcher.rows(&below, day, None, 100))?;
        say("suffix_newest_100", start, format!("{}", rows.len()));
        let start = now();
        let rows = runtime.block_on(searcher.rows(&point, hour, None, 100))?;
        say("client_code_range", start, format!("{}", rows.len()));
        let start = now();
        let names = runtime.block_on(searcher.distinct(&every, day, "domain", Some("client"), 20))?;
        say("names_per_client", start, format!("{:?}", names.values.first().map(|value| value.distinct)));
        let start = now();
        let names = runtime.block_on(searcher.distinct(&every, day, "domain", None, 1))?;
        say("distinct_names", start, format!("{:?}", names.values.first().map(|value| value.distinct)));
        let start = now();
        let top = runtime.block_on(searcher.top(&tenant, hour, "domain", 20))?;
        say("tenant_hour_top_names", start, format!("{:?}", top.values.first().map(|value| value.count)));
    }
    drop(searcher);
    store.close();
    Ok(())
}

/// The clock and the processor time: on a busy machine the one says little without the other.
fn now() -> (Instant, f64) {
    (Instant::now(), cpu_millis())
}
