//! The system tests: what users and operators rely on, on the real Temporal server.

mod main_job;
