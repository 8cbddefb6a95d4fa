//! The log of provider calls: what a test counts and what an operator reads. Not for notices, which have the
//! channel register.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// How many calls are remembered one by one; the counts go on beyond it.
pub const MAX_CALLS_KEPT: usize = 100_000;

/// One call that a client made, the OAuth calls included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRecord {
    /// Position among all calls since the simulator's data began, from 1.
    pub index: u64,
    /// Position among the calls of the same method, from 1.
    pub method_count: u64,
    /// The provider's method name, for example `calendar.events.list`.
    pub method: String,
    /// The calendar id of the path, if any, as sent (`primary` stays `primary`).
    pub calendar: Option<String>,
    /// The user whose token was used; empty when the token was refused or the call needs none.
    pub user: Option<String>,
    /// The HTTP status of the answer; empty when no answer went out.
    pub status: Option<u16>,
    /// The fault that was applied, by its `kind`.
    pub fault: Option<String>,
    /// Real time of arrival.
    pub at: DateTime<Utc>,
    /// Real time at which the answer was ready to be sent; sending it may take longer.
    #[serde(default)]
    pub ended_at: DateTime<Utc>,
    /// The virtual time that the request carried, if any.
    pub simulated_now: Option<DateTime<Utc>>,
}

/// Counts and records of calls.
#[derive(Debug, Clone, Default, Serialize)]
pub struct CallReport {
    /// Calls of each method since the beginning or the last reset.
    pub counts: BTreeMap<String, u64>,
    /// The newest calls, oldest first, at most [`MAX_CALLS_KEPT`].
    pub calls: Vec<CallRecord>,
}

#[derive(Default)]
pub(crate) struct CallLog {
    last_index: u64,
    counts: BTreeMap<String, u64>,
    calls: VecDeque<CallRecord>,
}

impl CallLog {
    /// Numbers a new call of `method`: its index among all and among those of the method.
    pub(crate) fn number(&mut self, method: &str) -> (u64, u64) {
        self.last_index += 1;
        let count = self.counts.entry(method.to_owned()).or_default();
        *count += 1;
        (self.last_index, *count)
    }

    /// Keeps a finished call; answers with the index of the record that was pushed out, if any.
    pub(crate) fn keep(&mut self, record: CallRecord) -> Option<u64> {
        self.calls.push_back(record);
        if self.calls.len() > MAX_CALLS_KEPT {
            return self.calls.pop_front().map(|oldest| oldest.index);
        }
        None
    }

    /// Takes a record over from the journal; the caller sorts nothing.
    pub(crate) fn restore(&mut self, record: CallRecord) {
        self.last_index = self.last_index.max(record.index);
        let count = self.counts.entry(record.method.clone()).or_default();
        *count = record.method_count.max(*count);
        let position = self.calls.partition_point(|kept| kept.index < record.index);
        self.calls.insert(position, record);
    }

    /// Forgets counts and records, but not the numbering; answers with the forgotten indexes.
    pub(crate) fn reset(&mut self) -> Vec<u64> {
        self.counts.clear();
        self.calls.drain(..).map(|call| call.index).collect()
    }

    pub(crate) fn report(&self) -> CallReport {
        CallReport { counts: self.counts.clone(), calls: self.calls.iter().cloned().collect() }
    }
}
