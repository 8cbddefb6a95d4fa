//! What a request to a webhook has proven, for those that handle it.

use std::sync::{Mutex, PoisonError};

use crate::refusals::InFlightNotice;
use crate::tellings::Telling;

/// What a proven request has to tell; there by the time that anything is done for it. What nobody has taken when the request
/// ends, whatever ends it, is caught up with.
#[derive(Debug)]
pub(crate) struct Proven {
    /// Where its proof was.
    pub by: Proof,
    owed: Mutex<Vec<Owed>>,
}

/// Where the proof of a request was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// In its head: the body means nothing.
    Head {
        /// The largest body in bytes that such a request may have.
        body_bytes_max: usize,
    },
    /// In its body, which was read.
    Body,
}

/// Something that has to be told, and is caught up with unless it is.
#[derive(Debug)]
pub(crate) struct Owed {
    pub telling: Telling,
    pub in_flight: InFlightNotice,
}

impl Proven {
    pub(crate) fn new(by: Proof, owed: Vec<Owed>) -> Self {
        Self { by, owed: Mutex::new(owed) }
    }

    /// What has to be told: from now on the caller answers for it.
    pub(crate) fn take(&self) -> Vec<Owed> {
        std::mem::take(&mut *self.owed.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
