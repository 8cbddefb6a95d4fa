//! Calendar providers: what evercal asks of one ([`CalendarProvider`], [`OAuthProvider`]), one folder for each
//! ([`google`]), and the access tokens of the accounts ([`TokenSource`]).
//!
//! Requests are values and parsing is pure, so that both are tested with literals; only `mod.rs` of a provider's folder
//! sends. Not for: when to call (`workflows`), budgets and retries (`activities`), or keeping anything (`storage`).

pub mod google;
mod oauth;
mod provider;
mod tokens;

pub use oauth::{AuthorizationRequest, OAuthProvider, RedeemedCode, TokenGrant, pkce_challenge};
pub use provider::{
    CalendarProvider, CalendarsPage, CallContext, ChannelGrant, ChannelRequest, EventsPage, Next, PageToken, Position,
    SIMULATED_NOW_HEADER,
};
pub use tokens::{
    CredentialStore, CredentialStoreError, RedeemedTokens, StoredCredentials, SwapOutcome, TokenError, TokenSource,
};
