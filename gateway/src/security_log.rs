//! The security log's way into the store: counted in memory, written in the background, so that a flood of forged
//! requests neither waits for the database nor fills it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use evercal_domain::Clock;
use evercal_domain::journal::{OTHER_SOURCES, SecurityEvent, SecurityKind};
use evercal_process::{Pulse, counted};
use evercal_storage::Store;
use ipnet::IpNet;
use tokio::sync::Notify;

/// The first event of its kind is written at once, those after it together, this far apart.
const WRITE_INTERVAL: Duration = Duration::from_secs(1);
/// Sources of one kind that are counted separately between two writes; those beyond count together. Of one kind, so that a flood
/// hides nothing else.
const SOURCES_MAX: usize = 64;

pub(crate) struct SecurityLog {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    waiting: Mutex<HashMap<Key, SecurityEvent>>,
    arrived: Notify,
}

/// The kind of an event and the network that it came from.
type Key = (SecurityKind, String);

impl SecurityLog {
    /// Writes into `store` as long as [`Self::run`] runs.
    pub(crate) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, waiting: Mutex::default(), arrived: Notify::new() }
    }

    /// Notes an event. `message` says what was wrong and holds nothing from the request.
    pub(crate) fn note(&self, kind: SecurityKind, source: IpAddr, message: &str) {
        self.note_times(kind, source, message, 1);
    }

    /// Notes so many events of one kind at once.
    pub(crate) fn note_times(&self, kind: SecurityKind, source: IpAddr, message: &str, times: usize) {
        let times = i64::try_from(times).unwrap_or(i64::MAX);
        let mut waiting = self.waiting();
        let mut key = (kind, network(source));
        let of_kind = waiting.keys().filter(|(known, _)| *known == kind).count();
        if of_kind >= SOURCES_MAX && !waiting.contains_key(&key) {
            OTHER_SOURCES.clone_into(&mut key.1);
        }
        let source = key.1.clone();
        waiting.entry(key).and_modify(|event| event.count = event.count.saturating_add(times)).or_insert_with(|| {
            SecurityEvent { at: self.clock.now(), kind, source, message: message.to_owned(), count: times }
        });
        self.arrived.notify_one();
    }

    /// Writes what arrives, until stopped; the rest is written before it ends.
    pub(crate) async fn run(self: Arc<Self>, pulse: Pulse) {
        while pulse.wait(self.arrived.notified()).await.is_some() {
            // Not cut off by the stop.
            self.write(&pulse).await;
            pulse.work(tokio::time::sleep(WRITE_INTERVAL)).await;
        }
        self.write(&pulse).await;
    }

    async fn write(&self, pulse: &Pulse) {
        let events = std::mem::take(&mut *self.waiting());
        for event in events.into_values() {
            pulse.beat();
            if let Err(error) = self.store.count_security_event(&event).await {
                let (kind, cause) = (event.kind.as_str(), error.cause());
                counted!(error, "security events are lost", kind, count = event.count, %error, cause);
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<Key, SecurityEvent>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bits of an IPv4 address that are a network's.
const IPV4_NETWORK_BITS: u8 = 24;
/// The same of an IPv6 address: what one customer of a provider is given.
const IPV6_NETWORK_BITS: u8 = 48;

/// The network that an address belongs to.
fn network(source: IpAddr) -> String {
    let source = source.to_canonical();
    let bits = if source.is_ipv4() { IPV4_NETWORK_BITS } else { IPV6_NETWORK_BITS };
    IpNet::new(source, bits).map_or_else(|_| source.to_string(), |network| network.trunc().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_network_count_together() {
        for (address, expected) in [
            ("192.0.2.1", "192.0.2.0/24"),
            ("192.0.2.255", "192.0.2.0/24"),
            ("::ffff:192.0.2.7", "192.0.2.0/24"),
            ("2001:db8:1:2:3::4", "2001:db8:1::/48"),
            ("2001:db8:1:ffff::1", "2001:db8:1::/48"),
            ("::1", "::/48"),
        ] {
            assert_eq!(network(address.parse().unwrap()), expected, "{address}");
        }
    }
}
