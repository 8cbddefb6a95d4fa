//! Calendar providers: what evercal asks of one ([`CalendarProvider`], [`OAuthProvider`]), one folder for each, of which the
//! [`registry`] knows, and the access tokens of the accounts ([`TokenSource`]).
//!
//! Requests are values and parsing is pure, so that both are tested with literals; only `mod.rs` of a provider's folder
//! sends. Not for: when to call (`workflows`), budgets and retries (`activities`), or keeping anything (`storage`).

mod call;
mod channels;
mod entry;
pub mod google;
pub mod graph;
#[cfg(test)]
mod literal;
mod notices;
mod oauth;
mod provider;
mod registration;
pub mod registry;
mod tokens;

pub use call::{Access, CallContext, RemoteCalendarRef};
pub use channels::{Blocking, ChannelGrant, ChannelRequest, Channels, Extended, LostChannels, Opening, WatchedRemote};
pub use notices::{
    Met, Notice, NoticeBatch, NoticeHead, NoticeLimits, NoticeReader, NoticeRefused, Says, UnreadableNotices,
};
pub use oauth::{AuthorizationRequest, ConsentPage, OAuthProvider, RedeemedCode, TokenGrant, pkce_challenge};
pub use provider::{CalendarProvider, CalendarsPage, EventsPage, Fetched, Next, PageToken, Position};
pub use registration::{Calls, Configured, Connect, Edge, Front, Read, Registration};
pub use tokens::{
    CredentialStore, CredentialStoreError, RedeemedTokens, SignInCalls, StoredCredentials, SwapOutcome, TokenError,
    TokenSource,
};
