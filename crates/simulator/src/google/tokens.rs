//! Sync tokens and page tokens: opaque to clients, sealed against tampering, and stateless, so that they outlive a
//! restart. A sync token is a position in a collection's history; a page token is a place in one list, with the
//! position at which that list began.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::World;
use super::errors::ApiError;
use crate::core::sealed;

const PURPOSE: &[u8] = b"list token";

/// Where an incremental list begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SyncToken {
    #[serde(rename = "c")]
    pub(crate) collection: String,
    /// Of the parameters that must stay the same.
    #[serde(rename = "d")]
    pub(crate) digest: String,
    #[serde(rename = "g")]
    pub(crate) generation: u64,
    #[serde(rename = "v")]
    pub(crate) version: u64,
}

impl SyncToken {
    /// Reads a token of this collection; anything else is 400.
    pub(crate) fn read(world: &World, text: &str, collection: &str) -> Result<Self, ApiError> {
        read::<Self>(world, text)
            .filter(|token| token.collection == collection)
            .ok_or_else(ApiError::invalid_sync_token)
    }
}

/// Where the next page begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PageToken {
    #[serde(rename = "c")]
    pub(crate) collection: String,
    /// Of all parameters but the page size.
    #[serde(rename = "d")]
    pub(crate) digest: String,
    /// Page tokens of an older generation of their collection have ended.
    #[serde(rename = "g", default)]
    pub(crate) generation: u64,
    #[serde(rename = "p")]
    pub(crate) cursor: Cursor,
    #[serde(rename = "s")]
    pub(crate) snapshot: Snapshot,
}

impl PageToken {
    /// Reads a token of this collection, these parameters and this generation; anything else is 400.
    pub(crate) fn read(
        world: &World,
        text: &str,
        collection: &str,
        digest: &str,
        generation: u64,
    ) -> Result<Self, ApiError> {
        read::<Self>(world, text)
            .filter(|token| token.collection == collection)
            .filter(|token| token.digest == digest && token.generation == generation)
            .ok_or_else(ApiError::invalid_page_token)
    }
}

/// The sort key of the last entry of a page.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Cursor {
    #[serde(rename = "n")]
    pub(crate) position: i64,
    #[serde(rename = "i")]
    pub(crate) id: String,
}

/// How far a collection had come when the first page of a list was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    #[serde(rename = "v")]
    pub(crate) version: u64,
    #[serde(rename = "o")]
    pub(crate) ordinal: u64,
}

/// A short digest of query parameters.
pub(crate) fn digest(parameters: &[(&str, &str)]) -> String {
    let mut hash = Sha256::new();
    for (name, value) in parameters {
        hash.update(name.as_bytes());
        hash.update([0]);
        hash.update(value.as_bytes());
        hash.update([0]);
    }
    sealed::short(&hash.finalize())
}

pub(crate) fn write<T: Serialize>(world: &World, token: &T) -> String {
    sealed::write(world.seed(), PURPOSE, token)
}

fn read<T: DeserializeOwned>(world: &World, text: &str) -> Option<T> {
    sealed::read(world.seed(), PURPOSE, text)
}
