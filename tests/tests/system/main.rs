//! The system tests: what users and operators rely on, on the real Temporal server, with each provider (`behaviours`), and what
//! is special about one (in the folder of its name).

mod accounts;
mod architecture;
mod behaviours;
mod builds;
mod circles;
mod clients;
mod confirmed;
mod continue_as_new;
mod dependencies;
mod disconnect;
mod faults;
mod features;
mod full_journal;
mod google;
mod histories;
mod image;
mod lessons;
mod main_job;
mod memory;
mod moving;
mod notices;
mod openapi;
mod outage;
mod payloads;
mod provider_off;
mod recovery;
mod secrets;
mod store;
mod store_gone;
mod strategies;
mod year;
