//! What a panel asks of the log, question by question.

use std::path::Path;
use std::time::Instant;

use search::{Searcher, Top, Window};

use crate::make::{DAY_MICROS, MORNING_MICROS};
use crate::{Failed, LIMITS, SEGMENT_ROWS, cpu_millis, open, peak_mib};

/// Asks every question once a round, or only the one of this name.
pub(crate) fn ask(folder: &Path, rounds: u64, only: Option<&str>) -> Result<(), Failed> {
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
    let questions: [(&str, Question<'_>); 9] = [
        ("series_by_code", &|| {
            let series = runtime.block_on(searcher.series(&every, day, "code", 1_440))?;
            Ok(format!("{} lines", series.lines.len()))
        }),
        ("top_nxdomain_names", &|| first(&runtime.block_on(searcher.top(&nxdomain, day, "domain", 20))?)),
        ("top_refused_clients", &|| first(&runtime.block_on(searcher.top(&refused, day, "client", 20))?)),
        ("suffix_newest_100", &|| {
            Ok(format!("{} rows", runtime.block_on(searcher.rows(&below, day, None, 100))?.len()))
        }),
        ("newest_10000", &|| Ok(format!("{} rows", runtime.block_on(searcher.rows(&every, day, None, 10_000))?.len()))),
        ("client_code_range", &|| {
            Ok(format!("{} rows", runtime.block_on(searcher.rows(&point, hour, None, 100))?.len()))
        }),
        ("names_per_client", &|| {
            let names = runtime.block_on(searcher.distinct(&every, day, "domain", Some("client"), 20))?;
            Ok(format!("{:?}", names.values.first().map(|value| value.distinct)))
        }),
        ("distinct_names", &|| {
            let names = runtime.block_on(searcher.distinct(&every, day, "domain", None, 1))?;
            Ok(format!("{:?}", names.values.first().map(|value| value.distinct)))
        }),
        ("tenant_hour_top_names", &|| first(&runtime.block_on(searcher.top(&tenant, hour, "domain", 20))?)),
    ];
    for round in 0..rounds {
        for (name, ask) in questions.iter().filter(|(name, _)| only.is_none_or(|only| only == *name)) {
            let (start, cpu) = (Instant::now(), cpu_millis());
            let found = ask()?;
            // The clock and the processor time: on a busy machine the one says little without the other.
            let (millis, cpu) = (start.elapsed().as_secs_f64() * 1e3, cpu_millis() - cpu);
            println!(
                "{{\"name\": \"{name}\", \"round\": {round}, \"ms\": {millis:.2}, \"cpu_ms\": {cpu:.2}, \"peak_mib\": {}, \"found\": \"{found}\"}}",
                peak_mib()
            );
        }
    }
    drop(searcher);
    store.close();
    Ok(())
}

/// One question, and what was found.
type Question<'a> = &'a dyn Fn() -> Result<String, Failed>;

fn first(top: &Top) -> Result<String, Failed> {
    Ok(format!("{:?}", top.values.first().map(|value| value.count)))
}
