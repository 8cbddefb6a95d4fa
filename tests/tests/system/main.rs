//! The system tests: what users and operators rely on, on the real Temporal server.

mod accounts;
mod answers;
mod architecture;
mod builds;
mod clients;
mod confirmed;
mod disconnect;
mod faults;
mod full_journal;
mod google;
mod hand_over;
mod histories;
mod lessons;
mod main_job;
mod moving;
mod notices;
mod openapi;
mod outage;
mod payloads;
mod reconnect;
mod secrets;
mod store;
mod strategies;
mod unkind;
mod window;
mod year;
