//! What a request to a webhook has proven, for those that handle it.

use std::sync::Arc;

use evercal_providers::Notice;

/// The notices that a request brings; there by the time that anything is done for it.
#[derive(Clone)]
pub(crate) struct Proven {
    pub notices: Arc<[Notice]>,
    /// The largest body in bytes that such a request may have.
    pub body_bytes_max: usize,
}
