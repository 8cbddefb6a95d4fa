//! Limits on open connections: on all of them, and on those of each peer. Where one more is needed, the connection closes that is
//! needed least: first one on which no request has proven anything, then one without a request. Not for: what is asked on a connection (`routes/`).

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ipnet::IpNet;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::config::TrustedProxies;

/// The time for a first request before a connection may be closed for another one: a burst must not close its own connections.
const ROOM_GIVEN_UNASKED_AFTER: Duration = Duration::from_millis(250);
/// The same until a request has proven something, and between two requests.
const ROOM_GIVEN_AFTER: Duration = Duration::from_secs(2);
/// What has come is read within so long, unless this process stands still.
const READ_WITHIN: Duration = Duration::from_secs(1);
/// How soon it is checked again whether somebody can make room.
const RECHECK_AFTER: Duration = Duration::from_millis(100);
/// Bits of an IPv6 address that distinguish peers: whoever has one address of a network has all of it.
const IPV6_PEER_BITS: u8 = 64;

#[derive(Debug)]
pub(crate) struct Connections {
    slots: usize,
    per_peer_max: usize,
    proxies: TrustedProxies,
    open: Mutex<Open>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct Open {
    last_number: u64,
    connections: BTreeMap<u64, Arc<Connection>>,
    of_peer: HashMap<IpAddr, usize>,
}

/// An open connection, as its requests know it.
#[derive(Debug)]
pub(crate) struct Connection {
    peer: IpAddr,
    /// Whether the peer is a trusted proxy, whose connections are those of many clients.
    of_proxy: bool,
    state: Mutex<State>,
    /// Wakes [`Slot::closing`] when an answer begins.
    answers: Notify,
    evicted: CancellationToken,
}

#[derive(Debug, Clone, Copy)]
struct State {
    requested: bool,
    /// A request came with a key or a token of ours.
    proven: bool,
    /// A request is being served, or its answer taken.
    busy: bool,
    /// Since when nothing was asked, or since it was opened.
    quiet_since: Instant,
    /// Until when the answer has to be taken that is on its way.
    answer_ends_at: Option<Instant>,
}

/// A peer has its share of the connections, and all of them are in use.
#[derive(Debug)]
pub(crate) struct ShareTaken;

/// A slot for one connection, free again when dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    connections: Arc<Connections>,
    number: u64,
    connection: Arc<Connection>,
}

impl Connections {
    /// So many at a time, and of one peer so many, unless it is one of these proxies.
    pub(crate) fn new(slots: usize, per_peer_max: usize, proxies: TrustedProxies) -> Self {
        Self { slots, per_peer_max, proxies, open: Mutex::default(), freed: Notify::new() }
    }

    /// A slot for a connection of this peer; waits for one while all are in use by whoever has proven something.
    pub(crate) async fn slot(self: &Arc<Self>, peer: IpAddr) -> Result<Slot, ShareTaken> {
        loop {
            if let Some(slot) = self.free_slot(peer)? {
                return Ok(slot);
            }
            // Over when a slot is free, or when somebody may have become old enough to make room.
            let _either = tokio::time::timeout(RECHECK_AFTER, self.freed.notified()).await;
        }
    }

    fn free_slot(self: &Arc<Self>, peer: IpAddr) -> Result<Option<Slot>, ShareTaken> {
        let of_proxy = self.proxies.contain(peer);
        let peer = as_one_peer(peer);
        let now = Instant::now();
        let mut open = self.open();
        let of_peer = open.of_peer.get(&peer).copied().unwrap_or_default();
        let has_share = !of_proxy && of_peer >= self.per_peer_max;
        if has_share && !open.make_room(now, |connection| connection.peer == peer) {
            return Err(ShareTaken);
        }
        if open.connections.len() >= self.slots && !open.make_room(now, |_| true) {
            return Ok(None);
        }
        let state = State { requested: false, proven: of_proxy, busy: false, quiet_since: now, answer_ends_at: None };
        let (answers, evicted) = (Notify::new(), CancellationToken::new());
        let connection = Arc::new(Connection { peer, of_proxy, state: Mutex::new(state), answers, evicted });
        open.last_number += 1;
        let number = open.last_number;
        open.connections.insert(number, Arc::clone(&connection));
        *open.of_peer.entry(peer).or_default() += 1;
        Ok(Some(Slot { connections: Arc::clone(self), number, connection }))
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Closes the connection that is needed least: first of those that never proved anything, then of those without a request.
    fn make_room(&mut self, now: Instant, among: impl Fn(&Connection) -> bool) -> bool {
        let can_go = |(number, connection): (&u64, &Arc<Connection>)| Some((connection.rank(now)?, *number));
        let candidates = self.connections.iter().filter(|(_, connection)| among(connection));
        let Some((_, number)) = candidates.filter_map(can_go).min() else { return false };
        if let Some(connection) = self.remove(number) {
            connection.evicted.cancel();
        }
        true
    }

    fn remove(&mut self, number: u64) -> Option<Arc<Connection>> {
        let connection = self.connections.remove(&number)?;
        if let Some(count) = self.of_peer.get_mut(&connection.peer) {
            *count -= 1;
            if *count == 0 {
                self.of_peer.remove(&connection.peer);
            }
        }
        Some(connection)
    }
}

impl Connection {
    pub(crate) fn request_began(&self) {
        let mut state = self.state();
        (state.requested, state.busy) = (true, true);
    }

    /// Its answer begins, and has to be read until `ends_at`.
    pub(crate) fn answers_until(&self, ends_at: Instant) {
        self.state().answer_ends_at = Some(ends_at);
        self.answers.notify_one();
    }

    /// Its answer was read, or the peer has gone away.
    pub(crate) fn request_ended(&self) {
        let mut state = self.state();
        (state.busy, state.quiet_since, state.answer_ends_at) = (false, Instant::now(), None);
    }

    /// The request came with a key or a token of ours.
    pub(crate) fn prove(&self) {
        self.state().proven = true;
    }

    /// How little it is needed, the least first; none if it must stay open.
    fn rank(&self, now: Instant) -> Option<(bool, Instant)> {
        let State { requested, proven, busy, quiet_since, .. } = *self.state();
        let time = if requested || proven { ROOM_GIVEN_AFTER } else { ROOM_GIVEN_UNASKED_AFTER };
        let can_go = (!proven || !busy) && now.duration_since(quiet_since) >= time;
        can_go.then_some((proven, quiet_since))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// For the requests on the connection.
    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Ends when the connection has to go: to make room, because nothing was asked on it within this time, or because an answer
    /// was not taken in its time.
    pub(crate) async fn closing(&self, first_request_within: Duration) {
        let says_nothing = async {
            tokio::time::sleep(first_request_within).await;
            // While this process stands still the clock goes on, and what was asked meanwhile is not read yet.
            loop {
                let begun = Instant::now();
                tokio::time::sleep(READ_WITHIN).await;
                if begun.elapsed() < 2 * READ_WITHIN {
                    break;
                }
            }
            if self.connection.state().requested || self.connection.of_proxy {
                std::future::pending::<()>().await;
            }
        };
        // The body itself does not notice: for a peer that reads a byte now and then, it is polled once in minutes.
        let takes_too_long = async {
            loop {
                let ends_at = self.connection.state().answer_ends_at;
                match ends_at {
                    Some(ends_at) if ends_at <= Instant::now() => return,
                    Some(ends_at) => tokio::time::sleep_until(ends_at).await,
                    None => self.connection.answers.notified().await,
                }
            }
        };
        tokio::select! {
            () = says_nothing => {}
            () = takes_too_long => {}
            () = self.connection.evicted.cancelled() => {}
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // The one that made room was removed then; another had its slot at once.
        let _already_gone = self.connections.open().remove(self.number);
        self.connections.freed.notify_one();
    }
}

/// The address that shares are counted by.
fn as_one_peer(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        network @ IpAddr::V6(_) => IpNet::new(network, IPV6_PEER_BITS).map_or(network, |peer| peer.network()),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests;
