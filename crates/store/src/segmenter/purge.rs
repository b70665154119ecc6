//! Events whose time is over: whole segments by age and size, and single events by the time of their tenant, by writing the
//! segments that hold them anew. Bounded work at a time.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;

use super::Segmenter;
use crate::live::lock;
use crate::manifest::Entry;
use crate::retention::{self, Bounds};
use crate::segment::{self, Fault, Segment, Source};

/// Segments looked into for the tenants they hold in one go.
const EXAMINED_AT_ONCE: usize = 8;

/// The oldest event of each tenant with a time of its own, by segment file; made when first asked for, from two columns of
/// the segment.
#[derive(Default)]
pub(super) struct Examined {
    tenants: BTreeSet<Arc<str>>,
    oldest: HashMap<String, BTreeMap<String, i64>>,
}

impl Examined {
    /// Forgets what is not about these segments, or all when it is about other tenants.
    fn keep(&mut self, tenants: &[(Arc<str>, Duration)], entries: &[Entry]) {
        let tenants: BTreeSet<Arc<str>> = tenants.iter().map(|(tenant, _)| Arc::clone(tenant)).collect();
        if self.tenants != tenants {
            *self = Examined { tenants, oldest: HashMap::new() };
        }
        let present: HashSet<&str> = entries.iter().map(|entry| entry.file.as_str()).collect();
        self.oldest.retain(|file, _| present.contains(file.as_str()));
    }
}

impl Segmenter {
    /// Drops whole segments that are too old or too many.
    pub(super) fn retain(&mut self, now_micros: i64) -> io::Result<()> {
        let bounds = lock(&self.shared.retention).clone();
        let other_bytes = self.shared.wal_bytes();
        let gone = retention::surplus(&self.manifest.segments, other_bytes, now_micros, &bounds);
        let entries = self.manifest.segments.iter();
        let rows = entries.filter(|entry| gone.contains(&entry.file)).map(|entry| entry.rows).sum();
        self.replace(&gone, None)?;
        self.shared.purged.fetch_add(rows, Ordering::Relaxed);
        Ok(())
    }

    /// Writes at most one segment anew without the events whose time is over; whether there may be more to do.
    pub(super) fn trim(&mut self, now_micros: i64) -> bool {
        let bounds = lock(&self.shared.retention).clone();
        self.examined.keep(&bounds.tenants, &self.manifest.segments);
        let wanted: HashSet<&str> = bounds.tenants.iter().map(|(tenant, _)| &**tenant).collect();
        let mut left = EXAMINED_AT_ONCE;
        let segments = Arc::clone(&self.shared.snapshot().segments);
        for segment in segments.iter() {
            let entry = &segment.entry;
            if self.is_passed_over(&entry.file) {
                continue;
            }
            let mut due = retention::straddles(entry, bounds.cutoff(now_micros));
            let may_hold = |keep: &Duration| retention::has_due(entry, entry.time_min_micros, now_micros, *keep);
            if !due && bounds.tenants.iter().any(|(_, keep)| may_hold(keep)) {
                if !self.examined.oldest.contains_key(&entry.file) {
                    if left == 0 {
                        return true;
                    }
                    left -= 1;
                    let examined = if entry.remote {
                        // To the hour, which is what times are cut to.
                        let Some(oldest) = segment.rollup.oldest_of_tenants(&wanted) else { continue };
                        Ok(oldest)
                    } else {
                        segment::oldest_of_tenants(segment, &wanted)
                    };
                    match examined {
                        Ok(oldest) => drop(self.examined.oldest.insert(entry.file.clone(), oldest)),
                        Err(Fault::Wrong(reason)) => {
                            self.set_aside(segment, &reason);
                            return true;
                        }
                        Err(Fault::Io(error)) => {
                            self.not_replaced(std::slice::from_ref(&entry.file), &error);
                            return true;
                        }
                    }
                }
                let oldest = self.examined.oldest.get(&entry.file);
                due = bounds.tenants.iter().any(|(tenant, keep)| {
                    let oldest = oldest.and_then(|oldest| oldest.get(&**tenant));
                    oldest.is_some_and(|&oldest| retention::has_due(entry, oldest, now_micros, *keep))
                });
            }
            if due && self.at_hand(segment) {
                if let Err(error) = self.rewrite(segment, &bounds, now_micros) {
                    self.not_replaced(std::slice::from_ref(&entry.file), &error);
                }
                return true;
            }
        }
        left < EXAMINED_AT_ONCE
    }

    fn rewrite(&mut self, segment: &Segment, bounds: &Bounds, now_micros: i64) -> io::Result<()> {
        let batches = match segment::read_rows(segment) {
            Ok(batches) => batches,
            Err(Fault::Io(error)) => return Err(error),
            Err(Fault::Wrong(reason)) => {
                self.set_aside(segment, &reason);
                return Ok(());
            }
        };
        let kept = batches.iter().map(|batch| kept(batch, bounds, now_micros)).collect::<io::Result<Vec<_>>>()?;
        let rows: u64 = kept.iter().map(|batch| batch.num_rows() as u64).sum();
        let gone = [segment.entry.file.clone()];
        let entry = if rows == 0 { None } else { Some(self.write(&Source::Segments(gone.to_vec()), &kept)?) };
        self.replace(&gone, entry)?;
        let dropped = segment.entry.rows.saturating_sub(rows);
        self.shared.purged.fetch_add(dropped, Ordering::Relaxed);
        tracing::info!(file = %segment.entry.file, dropped, "events whose time was over were dropped");
        Ok(())
    }
}

fn kept(batch: &Arc<RecordBatch>, bounds: &Bounds, now_micros: i64) -> io::Result<Arc<RecordBatch>> {
    let (times, _) = segment::times_and_numbers(batch)?;
    let tenants = segment::tenants(batch).ok_or_else(|| io::Error::other("not a batch of events"))?;
    let everyone = bounds.cutoff(now_micros);
    let cutoffs: HashMap<&str, i64> =
        bounds.tenants.iter().map(|(tenant, keep)| (&**tenant, retention::cutoff(now_micros, *keep))).collect();
    let keep = times.iter().zip(tenants).map(|(time, tenant)| {
        let own = tenant.and_then(|tenant| cutoffs.get(tenant)).copied();
        *time >= everyone.max(own.unwrap_or(i64::MIN))
    });
    let keep: BooleanArray = keep.map(Some).collect();
    filter_record_batch(batch, &keep).map(Arc::new).map_err(io::Error::other)
}
