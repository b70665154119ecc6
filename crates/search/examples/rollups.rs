//! What a rollup costs beside its segment: `rollups [EVENTS] [SEED]`. Makes events of the log's bench, in batches as the
//! log has them, and times the rollup and a Parquet file of the same rows, several rounds, the quickest of each counted.
//!
//! How quickly questions are answered with rollups is what `log_bench ask` shows.

#[allow(dead_code)]
#[path = "log_bench/make.rs"]
mod make;

use std::sync::Arc;
use std::time::Instant;

use arrow::array::RecordBatch;
use make::{DAY_MICROS, MORNING_MICROS, Maker, Numbers};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

type Failed = Box<dyn std::error::Error>;

const ROUNDS: usize = 3;
const BATCH_ROWS: usize = 8_192;
/// Events of a day as the bench has it: so dense are the rows here.
const DAY_EVENTS: f64 = 50e6;

fn main() -> Result<(), Failed> {
    let mut words = std::env::args().skip(1);
    let mut number = |default: u64| words.next().map_or(Ok(default), |word| word.parse());
    let (events, seed) = (number(1 << 20)?, number(1)?);
    let maker = Maker::new(seed);
    let mut numbers = Numbers(seed);
    let mut builder = event::Builder::new(0);
    let mut batches: Vec<Arc<RecordBatch>> = Vec::new();
    let step = DAY_MICROS as f64 / DAY_EVENTS;
    for at in 0..events {
        builder.push(&maker.event(&mut numbers, MORNING_MICROS + (at as f64 * step) as i64));
        if builder.len() == BATCH_ROWS || at + 1 == events {
            batches.push(Arc::new(builder.finish()));
        }
    }
    let (mut rollup, mut segment) = ((f64::MAX, 0), (f64::MAX, 0));
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let octets = store::rollup_of(&batches)?.len();
        rollup = (start.elapsed().as_secs_f64().min(rollup.0), octets);
        let start = Instant::now();
        let octets = encoded(&batches)?;
        segment = (start.elapsed().as_secs_f64().min(segment.0), octets);
    }
    let say = |name: &str, (seconds, octets): (f64, usize)| {
        let (rate, each) = (events as f64 / seconds, octets as f64 / events as f64);
        println!("{name}: {seconds:.3} s, {rate:.0} events/s, {each:.2} bytes per event");
    };
    say("rollup", rollup);
    say("segment", segment);
    println!("the rollup takes {:.1} % of the segment's time", 100.0 * rollup.0 / segment.0);
    Ok(())
}

fn encoded(batches: &[Arc<RecordBatch>]) -> Result<usize, Failed> {
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?)).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), event::schema(), Some(properties))?;
    for batch in batches {
        writer.write(batch)?;
    }
    Ok(writer.into_inner()?.len())
}
