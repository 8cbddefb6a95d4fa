//! Notices: what a provider sends when something has changed. Pure; the answers are the gateway's. Whoever proves nothing causes
//! nothing, so a notice is verified by its head alone, before a byte of its body is read.

use evercal_domain::channel_token::{ChannelClaim, ChannelTokenKeys};
use evercal_domain::{Priority, RemoteChannelId};

/// Reads the notices of one provider.
pub trait NoticeReader: Send + Sync {
    /// Verifies the head of a request, and returns the notices that the request brings. Needs no look-up.
    fn verify(&self, keys: &ChannelTokenKeys, head: &NoticeHead<'_>) -> Result<Vec<Notice>, NoticeRefused>;

    /// The largest body in bytes.
    fn body_bytes_max(&self) -> usize;
}

/// The head of a request.
pub struct NoticeHead<'a> {
    /// The value of a header, whose name is given in lower case; none where it was not sent.
    pub header: &'a dyn Fn(&'static str) -> Option<&'a [u8]>,
}

/// A notice that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The channel that it came by, and what that watches.
    pub claim: ChannelClaim,
    /// What the provider calls the channel, where the notice says so.
    pub remote_id: Option<RemoteChannelId>,
    /// Whether something has changed; false for one that only greets a new channel.
    pub announces_change: bool,
    /// How urgent it is, where the provider tells its notices apart.
    pub priority: Option<Priority>,
}

/// Why a notice is refused. For the security log; all senders get the same answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeRefused {
    /// Nothing shows that it is about a channel of ours.
    NotOurs(&'static str),
    /// It is about a channel of ours, and says something else at the same time.
    Contradicts(&'static str),
}
