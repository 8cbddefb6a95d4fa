//! Ids that nobody else has, from a seed: the same seed and number always give the same one.

use sha2::{Digest, Sha256};

/// Ids are numbered in blocks, so that a restart needs one journal line for many ids.
const ID_BLOCK: u64 = 1_000;
const BASE32HEX: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
const ID_BYTES: usize = 16;

/// Makes ids that differ after a restart too.
pub(crate) struct IdSource {
    seed: u64,
    next: u64,
    reserved: u64,
}

/// An id that was made just now.
pub(crate) struct NewId {
    pub(crate) id: String,
    /// The first number that is not reserved any more, where the journal does not know it yet.
    pub(crate) reserved: Option<u64>,
}

impl IdSource {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, next: 0, reserved: 0 }
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// Goes on behind the block that was reserved before a restart.
    pub(crate) fn restore(&mut self, reserved: u64) {
        self.next = reserved;
        self.reserved = reserved;
    }

    /// An id that nothing else has: 25 characters of `a`–`v` and `0`–`9`.
    pub(crate) fn new_id(&mut self, purpose: &str) -> NewId {
        let number = self.next;
        self.next += 1;
        let reserved = (self.next > self.reserved).then_some(self.next + ID_BLOCK);
        self.reserved = reserved.unwrap_or(self.reserved);
        let id = digest_id(&[&self.seed.to_be_bytes(), purpose.as_bytes(), &number.to_be_bytes()]);
        NewId { id, reserved }
    }

    /// An id that is always the same for the same thing.
    pub(crate) fn stable_id(&self, purpose: &str, thing: &str) -> String {
        digest_id(&[&self.seed.to_be_bytes(), purpose.as_bytes(), b"=", thing.as_bytes()])
    }
}

fn digest_id(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    let mut text = String::with_capacity(25);
    let mut bits = 0_u32;
    let mut bit_count = 0_u32;
    for byte in hash.finalize().iter().take(ID_BYTES) {
        bits = (bits << 8) | u32::from(*byte);
        bit_count += 8;
        while bit_count >= 5 {
            bit_count -= 5;
            let index = usize::try_from((bits >> bit_count) & 31).unwrap_or(0);
            text.push(BASE32HEX.get(index).copied().map_or('0', char::from));
        }
        bits &= (1 << bit_count) - 1;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_legal_client_event_ids_and_differ() {
        let mut ids = IdSource::new(1);
        let (first, second) = (ids.new_id("event").id, ids.new_id("event").id);
        assert_ne!(first, second);
        assert_eq!(first.len(), 25);
        assert!(first.bytes().all(|byte| BASE32HEX.contains(&byte)));
    }

    #[test]
    fn a_restart_goes_on_behind_the_reserved_block() {
        let mut before = IdSource::new(1);
        let made: Vec<NewId> = (0..3).map(|_| before.new_id("event")).collect();
        let reserved: Vec<u64> = made.iter().filter_map(|new| new.reserved).collect();
        assert_eq!(reserved, [1 + ID_BLOCK], "one line for the whole block");
        let mut after = IdSource::new(1);
        after.restore(1 + ID_BLOCK);
        let again = after.new_id("event").id;
        assert!(made.iter().all(|new| new.id != again));
    }
}
