//! Records in the audit log and the security log what was wrong with a store, and when that was over: as soon as the store
//! can be written again, and only into a store that is ours.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use evercal_domain::Clock;
use evercal_domain::journal::{AuditEntry, AuditKind, SecurityEvent, SecurityKind};
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use super::{StoreCondition, StoreTrouble, StoreWatch, TroubleKind};
use crate::entities::journal::Journal;
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

impl<J: Journal + ?Sized> StoreJournal<J> {
    /// A journal of the store that `watch` reports on, which is also the one it writes into.
    pub fn new(journal: Arc<J>, clock: Arc<dyn Clock>, watch: StoreWatch) -> Self {
        Self { journal, clock, watch }
    }

    /// Writes until it is cancelled.
    pub async fn run(self, stop: CancellationToken) {
        // What could not be written is recorded by the next process that finds the same.
        let _cancelled = stop.run_until_cancelled(self.keep()).await;
    }

    async fn keep(&self) {
        let mut pending = Pending::default();
        let mut known = StoreCondition::Unknown;
        let mut raised: Option<StoreTrouble> = None;
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
                pending.add(begun(trouble, &known), suspicious(trouble));
                raised = Some(trouble.clone());
            }
            if known.is_usable()
                && let Err(error) = pending.write(&*self.journal).await
            {
                tracing::warn!(%error, "what was wrong with the store is not recorded yet");
            }
        }
    }
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
