//! Snapshots: the log at one moment, for searches that ask more than once and must not see it change.

use std::sync::Arc;

use datafusion::catalog::TableProvider;

use crate::live::Contents;
use crate::table::Events;

/// The log at one moment. Cheap to clone. What it holds stays readable while it lives, also when retention or merging has
/// taken it away.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(crate) contents: Arc<Contents>,
}

impl Snapshot {
    pub(crate) fn new(contents: Arc<Contents>) -> Snapshot {
        Snapshot { contents }
    }

    /// Every event of this moment exactly once, segments and live rows, as one table.
    #[must_use]
    pub fn table(&self) -> Arc<dyn TableProvider> {
        Arc::new(Events::new(Arc::clone(&self.contents)))
    }

    /// Number of this state since the log was opened: two snapshots with the same number hold the same.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.contents.version
    }
}
