//! Records in the audit log and the security log what was wrong with a store, and when that was over: as soon as the store
//! can be written again, and only into a store that is ours. What ends a process, or is another database than ours, is kept beside
//! the database until a process finds ours there again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use evercal_domain::Clock;
use evercal_domain::journal::{AuditEntry, AuditKind, SecurityEvent, SecurityKind};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use super::{StoreCondition, StoreTrouble, StoreWatch, TroubleKind};
use crate::entities::journal::Journal;
use crate::entities::upkeep::Upkeep;
use crate::error::StoreError;

/// Between two attempts to write.
const PAUSE: Duration = Duration::from_secs(2);
/// Entries that wait to be written; more of the same outage would say nothing new.
const PENDING_MAX: usize = 100;
/// The source of what nobody sent.
const SOURCE: &str = "evercal";

/// Records what a probe finds.
pub struct StoreJournal<J: ?Sized> {
    journal: Arc<J>,
    clock: Arc<dyn Clock>,
    watch: StoreWatch,
}

/// Entries that wait to be written.
#[derive(Default)]
struct Pending {
    audit: Vec<AuditEntry>,
    security: Vec<SecurityEvent>,
}

/// A trouble as it is kept beside the database.
#[derive(Serialize, Deserialize)]
struct Kept {
    kind: String,
    since_us: i64,
    cause: String,
}

impl<J: Journal + Upkeep + ?Sized> StoreJournal<J> {
    /// A journal of the store that `watch` reports on, which is also the one it writes into.
    pub fn new(journal: Arc<J>, clock: Arc<dyn Clock>, watch: StoreWatch) -> Self {
        Self { journal, clock, watch }
    }

    /// Writes until it is cancelled.
    pub async fn run(self, stop: CancellationToken) {
        let mut raised = None;
        // What could not be written is recorded by the next process that finds the same.
        let _cancelled = stop.run_until_cancelled(self.keep(&mut raised)).await;
        // The process may end because of what was found a moment ago.
        let before = raised.map(|trouble| trouble.kind);
        if let Some(trouble) = self.watch.condition().trouble().filter(|trouble| trouble.lasts)
            && before != Some(trouble.kind)
        {
            self.keep_for_the_next(trouble).await;
        }
    }

    async fn keep(&self, raised: &mut Option<StoreTrouble>) {
        let mut pending = Pending::default();
        // What this process found itself: it may be kept beside the database as well, by this process or by another one.
        let mut found = BTreeSet::new();
        let mut known = StoreCondition::Unknown;
        loop {
            let changed = self.watch.until_other_than(&known);
            if pending.is_empty() {
                known = changed.await;
            } else if let Ok(now) = tokio::time::timeout(PAUSE, changed).await {
                known = now;
            }
            let lasting = known.trouble().filter(|trouble| trouble.lasts);
            let is_the_same = |before: &StoreTrouble| lasting.is_some_and(|trouble| trouble.kind == before.kind);
            if let Some(before) = raised.take_if(|before| !is_the_same(before)) {
                pending.add(over(&before, self.clock.now()), None);
            }
            if raised.is_none()
                && let Some(trouble) = lasting
            {
                let entry = begun(trouble, &known);
                if found.len() >= PENDING_MAX {
                    found.clear();
                }
                found.insert(entry.dedup_key.clone());
                pending.add(entry, suspicious(trouble));
                self.keep_for_the_next(trouble).await;
                *raised = Some(trouble.clone());
            }
            let kept = if known.is_healthy() { self.kept().await } else { Vec::new() };
            for trouble in kept.iter().filter_map(|line| read_kept(line)) {
                let entry = begun(&trouble, &StoreCondition::Unhealthy(trouble.clone()));
                if found.insert(entry.dedup_key.clone()) {
                    pending.add(entry, suspicious(&trouble));
                    pending.add(over(&trouble, self.clock.now()), None);
                }
            }
            if known.is_usable() {
                let mut written = pending.write(&*self.journal).await;
                if written.is_ok() && !kept.is_empty() {
                    written = self.journal.delete_beside().await;
                }
                if let Err(error) = written {
                    tracing::warn!(%error, "what was wrong with the store is not recorded yet");
                }
            }
        }
    }

    /// Keeps a trouble beside the database that this process cannot write into it: it ends, or the database is not ours.
    async fn keep_for_the_next(&self, trouble: &StoreTrouble) {
        if !matches!(trouble.kind, TroubleKind::Lost | TroubleKind::WrongInstallation) {
            return;
        }
        let StoreTrouble { kind, since, cause, lasts: _ } = trouble;
        let kept = Kept { kind: kind.as_str().to_owned(), since_us: since.timestamp_micros(), cause: cause.clone() };
        let Ok(line) = serde_json::to_string(&kept) else { return };
        if let Err(error) = self.journal.keep_beside(&line).await {
            tracing::warn!(%error, "what is wrong with the store stands in this log alone");
        }
    }

    /// What other processes, or this one, kept beside the database.
    async fn kept(&self) -> Vec<String> {
        self.journal.kept_beside().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "what was wrong with the store before cannot be read");
            Vec::new()
        })
    }
}

/// A line that cannot be read says nothing, and goes with the others.
fn read_kept(line: &str) -> Option<StoreTrouble> {
    let Kept { kind, since_us, cause } = serde_json::from_str(line).ok()?;
    let (kind, since) = (TroubleKind::from_name(&kind)?, DateTime::from_timestamp_micros(since_us)?);
    Some(StoreTrouble { kind, since, cause, lasts: true })
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.audit.is_empty() && self.security.is_empty()
    }

    fn add(&mut self, entry: AuditEntry, event: Option<SecurityEvent>) {
        if self.audit.len() < PENDING_MAX {
            self.audit.push(entry);
            self.security.extend(event);
        }
    }

    async fn write<J: Journal + ?Sized>(&mut self, journal: &J) -> Result<(), StoreError> {
        while let Some(entry) = self.audit.first() {
            journal.append_audit(entry).await?;
            self.audit.remove(0);
        }
        while let Some(event) = self.security.first() {
            journal.count_security_event(event).await?;
            self.security.remove(0);
        }
        Ok(())
    }
}

fn begun(trouble: &StoreTrouble, condition: &StoreCondition) -> AuditEntry {
    entry(trouble, "", trouble.since, AuditKind::AlertRaised, condition.sentence().unwrap_or_default())
}

fn over(trouble: &StoreTrouble, at: DateTime<Utc>) -> AuditEntry {
    let since = trouble.since.format("%Y-%m-%d %H:%M:%S UTC");
    let message = format!("It is over that: {} ({}; it began at {since}).", trouble.kind.sentence(), trouble.cause);
    entry(trouble, "/over", at, AuditKind::AlertCleared, message)
}

/// Several processes find the same trouble: their entries of one minute and one cause share a key. The cause is hashed, since
/// a database's message may have any length.
fn entry(trouble: &StoreTrouble, part: &str, at: DateTime<Utc>, kind: AuditKind, message: String) -> AuditEntry {
    let minute = trouble.since.timestamp().div_euclid(60);
    let cause = URL_SAFE_NO_PAD.encode(Sha256::digest(trouble.cause.as_bytes()));
    AuditEntry {
        dedup_key: format!("{}/{minute}/{cause}{part}", trouble.kind.as_str()),
        at,
        kind,
        tenant_id: None,
        account_id: None,
        calendar_id: None,
        message,
    }
}

/// Somebody may have replaced the database on purpose.
fn suspicious(trouble: &StoreTrouble) -> Option<SecurityEvent> {
    let message = match trouble.kind {
        TroubleKind::Lost | TroubleKind::WrongInstallation => "another database was in the place of the store",
        TroubleKind::Older => "the store was replaced by an older one",
        TroubleKind::CannotReconnect
        | TroubleKind::WrongSchema
        | TroubleKind::CannotRead
        | TroubleKind::CannotWrite
        | TroubleKind::Damaged
        | TroubleKind::Slow => return None,
    };
    Some(SecurityEvent {
        at: trouble.since,
        kind: SecurityKind::StoreReplaced,
        source: SOURCE.to_owned(),
        message: message.to_owned(),
        count: 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The keys of both entries of a trouble.
    fn keys(kind: TroubleKind, second: i64, cause: &str) -> [String; 2] {
        let since = DateTime::from_timestamp(1_780_000_020 + second, 0).unwrap();
        let trouble = StoreTrouble { kind, since, cause: cause.to_owned(), lasts: true };
        let condition = StoreCondition::Unhealthy(trouble.clone());
        [begun(&trouble, &condition).dedup_key, over(&trouble, since).dedup_key]
    }

    #[test]
    fn processes_that_see_one_trouble_within_one_minute_write_one_entry_of_its_beginning_and_one_of_its_end() {
        let first = keys(TroubleKind::CannotRead, 1, "it gives no answer within 2 s");
        assert_eq!(first, keys(TroubleKind::CannotRead, 58, "it gives no answer within 2 s"));
        assert_ne!(first[0], first[1]);
    }

    #[test]
    fn troubles_of_one_kind_within_one_minute_have_entries_of_their_own_when_their_causes_differ() {
        let first = keys(TroubleKind::CannotRead, 1, "it gives no answer within 2 s");
        for other in [
            keys(TroubleKind::CannotRead, 1, "the table events is locked"),
            keys(TroubleKind::CannotWrite, 1, "it gives no answer within 2 s"),
            keys(TroubleKind::CannotRead, 61, "it gives no answer within 2 s"),
        ] {
            assert!(other.iter().all(|key| !first.contains(key)), "{other:?}");
        }
    }

    #[test]
    fn a_key_is_short_whatever_a_database_says() {
        assert!(keys(TroubleKind::CannotRead, 1, &"long ".repeat(10_000)).iter().all(|key| key.len() < 100));
    }
}
