//! The documented behaviour of Google Calendar, asked for over HTTP as a client would. Each file is one
//! subject of the API.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests: the lints know only test functions themselves"
)]

mod access;
mod channels;
mod control_api;
mod event_types;
mod faults;
mod lists;
mod notices;
mod oauth;
mod restart;
mod series;
mod support;
mod unkind;
mod writes;
