//! Notices: what a provider sends when something has changed. Pure; the answers are the gateway's. Whoever proves nothing causes
//! nothing, so a request is judged by its head alone where the head can prove it, and where only the body can, nothing else is
//! done for it before that.

use std::time::Duration;

use evercal_domain::channel_token::{ChannelClaim, ChannelTokenKeys};
use evercal_domain::{LifecycleEvent, Priority, RemoteChannelId};

/// Reads the notices of one provider. Pure; the answers are the gateway's.
pub trait NoticeReader: Send + Sync {
    /// What a request may cost.
    fn limits(&self) -> NoticeLimits;

    /// Whether it may say something of channels themselves ([`Says::Lifecycle`]). A provider that never does has no address
    /// for it.
    fn has_lifecycle(&self) -> bool {
        true
    }

    /// What a request is by its head alone, before a byte of its body is read. Needs no look-up.
    fn meet(&self, keys: &ChannelTokenKeys, head: &NoticeHead<'_>) -> Result<Met, NoticeRefused>;

    /// The notices in a body. Only asked where the head left them to it ([`Met::InBody`]). Needs no look-up.
    fn read(&self, _keys: &ChannelTokenKeys, _body: &[u8]) -> Result<NoticeBatch, UnreadableNotices> {
        Err(UnreadableNotices::NotOfTheForm)
    }
}

/// What a request may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoticeLimits {
    /// The largest body in bytes.
    pub body_bytes_max: usize,
    /// The request is answered within this, from its head on.
    pub answer_within: Duration,
}

/// The head of a request.
pub struct NoticeHead<'a> {
    /// The value of a header, whose name is given in lower case; none where it was not sent.
    pub header: &'a dyn Fn(&'static str) -> Option<&'a [u8]>,
    /// The query as it was sent, without the `?`; none where there was none.
    pub query: Option<&'a str>,
}

/// What a request is by its head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Met {
    /// These notices, proven by the head: the body is thrown away.
    Notices(Vec<Notice>),
    /// The provider asks whether this address is ours, and is answered with this text. It proves nothing.
    Handshake(String),
    /// A handshake that cannot be answered, and why.
    MalformedHandshake(&'static str),
    /// What the request brings is in its body, and proven there.
    InBody,
}

/// What a body brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NoticeBatch {
    /// The notices that were verified.
    pub notices: Vec<Notice>,
    /// Items that were dropped, one for each; they keep no other from being taken.
    pub dropped: Vec<NoticeRefused>,
}

/// Why nothing can be taken from a body as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnreadableNotices {
    /// It is not of the form of the provider's notices at all.
    NotOfTheForm,
    /// It has more items than one request may have.
    TooManyItems,
}

/// A notice that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The channel that it came by, and what that watches.
    pub claim: ChannelClaim,
    /// What the provider calls the channel, where the notice says so.
    pub remote_id: Option<RemoteChannelId>,
    /// What it says.
    pub says: Says,
}

/// What a notice says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Says {
    /// Nothing: it only greets a new channel.
    Hello,
    /// Something changed, and how urgent that is where the provider tells its notices apart.
    Changed(Option<Priority>),
    /// Something of the channel itself, and not of what it watches.
    Lifecycle(LifecycleEvent),
}

/// Why a notice is refused. For the security log; all senders get the same answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeRefused {
    /// Nothing shows that it is about a channel of ours.
    NotOurs(&'static str),
    /// It is about a channel of ours, and says something else at the same time.
    Contradicts(&'static str),
}
