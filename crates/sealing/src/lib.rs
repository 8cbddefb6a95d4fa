//! Sealing of what must not lie about in plain text (credentials in the store, payloads in Temporal): XChaCha20-Poly1305
//! under a data key per value, which is wrapped under a key of an installation with an id.
//!
//! A sealed value opens only in the context that it was sealed for (table, row, field), so rows cannot be swapped. Because the
//! outer key wraps only 32 bytes, rotating it never touches the ciphertext. Not for: where keys come from (the binaries
//! read a file or the environment), or hashing.
//!
//! Layout: `version | length of key id | key id | nonce | wrapped data key | nonce | ciphertext`; a nonce has 24 bytes,
//! and both ciphertexts end with a 16-byte tag. Random nonces of 192 bits need no counting.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use evercal_domain::account::Secret;
use evercal_domain::random::{self, RandomnessUnavailable};
use secrecy::zeroize::Zeroizing;

/// A key in bytes.
pub const KEY_BYTES: usize = 32;
/// The longest id of a key, in characters.
pub const KEY_ID_CHARS_MAX: usize = 32;
const FORMAT_VERSION: u8 = 1;
const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;
const WRAPPED_KEY_BYTES: usize = KEY_BYTES + TAG_BYTES;

/// The keys of an installation. The first one seals, all of them open.
#[derive(Clone)]
pub struct Keyring {
    keys: Vec<OuterKey>,
}

#[derive(Clone)]
struct OuterKey {
    id: String,
    key: Zeroizing<[u8; KEY_BYTES]>,
}

/// The field that a value is sealed for; bound to the ciphertext as associated data, so that it opens nowhere else.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The table.
    pub table: &'static str,
    /// The row's id.
    pub row: &'a str,
    /// The column.
    pub field: &'static str,
}

/// A value could not be sealed or opened. Never shows the value.
#[derive(Debug, thiserror::Error)]
pub enum SealingError {
    /// It does not open with the keys at hand, or there is no key.
    #[error("{table}.{field} {problem}")]
    Sealed {
        /// The table of its context.
        table: &'static str,
        /// The column of its context.
        field: &'static str,
        /// What is wrong.
        problem: &'static str,
    },
    /// The system gives no random bytes; trying again may help.
    #[error(transparent)]
    Randomness(#[from] RandomnessUnavailable),
}

/// The text of the keys cannot be used. Never shows the text itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeyring {
    /// There is no key.
    #[error("no key is given; expected `<id>:<{KEY_BYTES} bytes in base64>`, for example {EXAMPLE}")]
    Empty,
    /// An entry has no id.
    #[error("key number {position} has no `<id>:` in front; expected for example {EXAMPLE}")]
    NoId {
        /// Which entry, from 1.
        position: usize,
    },
    /// An id has other characters than allowed, or too many.
    #[error(
        "the id of key number {position} must be 1 to {KEY_ID_CHARS_MAX} letters, digits, `-` or `_`, \
         for example `k1` in {EXAMPLE}"
    )]
    BadId {
        /// Which entry, from 1.
        position: usize,
    },
    /// A key is not base64.
    #[error("key `{id}` is not standard base64 with padding; make one with `openssl rand -base64 32`")]
    NotBase64 {
        /// Its id.
        id: String,
    },
    /// A key has the wrong length.
    #[error("key `{id}` has {bytes} bytes, expected {KEY_BYTES}; make one with `openssl rand -base64 32`")]
    WrongLength {
        /// Its id.
        id: String,
        /// How many bytes it has.
        bytes: usize,
    },
    /// Two keys have one id, so it would be open which one sealed a value.
    #[error("key id `{id}` is given twice; each key needs its own id, for example `k1:…,k0:…`")]
    Duplicate {
        /// The id.
        id: String,
    },
}

const EXAMPLE: &str = "`k1:` followed by the output of `openssl rand -base64 32`";

impl Keyring {
    /// Reads `<id>:<base64>` entries separated by commas, the newest first.
    pub fn parse(text: &str) -> Result<Self, InvalidKeyring> {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let mut keys: Vec<OuterKey> = Vec::new();
        for (index, entry) in entries.enumerate() {
            let key = OuterKey::parse(entry, index + 1)?;
            if keys.iter().any(|known| known.id == key.id) {
                return Err(InvalidKeyring::Duplicate { id: key.id });
            }
            keys.push(key);
        }
        if keys.is_empty() { Err(InvalidKeyring::Empty) } else { Ok(Self { keys }) }
    }

    /// No keys, which seal and open nothing: for who administers a store and has no business with its secrets.
    pub fn none() -> Self {
        Self { keys: Vec::new() }
    }

    /// The text of a fresh key, in the form that [`Self::parse`] reads: for the first start of a development set-up.
    pub fn generate(id: &str) -> Result<Secret, RandomnessUnavailable> {
        let key = Zeroizing::new(random::bytes::<KEY_BYTES>()?);
        Ok(Secret::new(format!("{id}:{}", STANDARD.encode(key.as_slice()))))
    }

    /// Seals a value for its context.
    pub fn seal(&self, context: Context<'_>, plain: &[u8]) -> Result<Vec<u8>, SealingError> {
        let failed = |_| sealed_error(context, "could not be sealed");
        let outer = self.keys.first().ok_or_else(|| sealed_error(context, "cannot be sealed without a key"))?;
        let data_key = Zeroizing::new(random::bytes::<KEY_BYTES>()?);
        let wrap_nonce = random::bytes::<NONCE_BYTES>()?;
        let data_nonce = random::bytes::<NONCE_BYTES>()?;
        let aad = context.associated_data();
        let wrapped = cipher(&outer.key)
            .encrypt(&XNonce::from(wrap_nonce), Payload { msg: data_key.as_slice(), aad: &aad })
            .map_err(failed)?;
        let ciphertext =
            cipher(&data_key).encrypt(&XNonce::from(data_nonce), Payload { msg: plain, aad: &aad }).map_err(failed)?;
        let id = outer.id.as_bytes();
        let id_length = u8::try_from(id.len()).map_err(|_| sealed_error(context, "has a key id that is too long"))?;
        Ok([&[FORMAT_VERSION, id_length], id, &wrap_nonce, &wrapped, &data_nonce, &ciphertext].concat())
    }

    /// Opens a value that was sealed for this context.
    pub fn open(&self, context: Context<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealingError> {
        let parts =
            Parts::of(sealed).ok_or_else(|| sealed_error(context, "is not a sealed value of a known version"))?;
        let outer = self
            .keys
            .iter()
            .find(|key| key.id.as_bytes() == parts.key_id)
            .ok_or_else(|| sealed_error(context, "is sealed under a key that is not configured"))?;
        let failed = |_| sealed_error(context, "does not open: another key, another row, or damaged");
        let aad = context.associated_data();
        let data_key = cipher(&outer.key)
            .decrypt(&XNonce::from(parts.wrap_nonce), Payload { msg: parts.wrapped_key, aad: &aad })
            .map(Zeroizing::new)
            .map_err(failed)?;
        let data_key: &[u8; KEY_BYTES] =
            data_key.as_slice().try_into().map_err(|_| sealed_error(context, "has a data key of a wrong length"))?;
        cipher(data_key)
            .decrypt(&XNonce::from(parts.data_nonce), Payload { msg: parts.ciphertext, aad: &aad })
            .map(Zeroizing::new)
            .map_err(failed)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = self.keys.iter().map(|key| key.id.as_str());
        f.debug_list().entries(ids).finish()
    }
}

impl OuterKey {
    fn parse(entry: &str, position: usize) -> Result<Self, InvalidKeyring> {
        let (id, key) = entry.split_once(':').ok_or(InvalidKeyring::NoId { position })?;
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if id.is_empty() || id.len() > KEY_ID_CHARS_MAX || !id.bytes().all(allowed) {
            return Err(InvalidKeyring::BadId { position });
        }
        let bytes = STANDARD.decode(key.trim()).map(Zeroizing::new);
        let bytes = bytes.map_err(|_| InvalidKeyring::NotBase64 { id: id.to_owned() })?;
        let key = <[u8; KEY_BYTES]>::try_from(bytes.as_slice())
            .map_err(|_| InvalidKeyring::WrongLength { id: id.to_owned(), bytes: bytes.len() })?;
        Ok(Self { id: id.to_owned(), key: Zeroizing::new(key) })
    }
}

impl Context<'_> {
    /// NUL cannot occur in the parts, so no two contexts share their associated data.
    fn associated_data(self) -> Vec<u8> {
        [self.table, self.row, self.field].join("\0").into_bytes()
    }
}

/// A sealed value, cut into its parts.
struct Parts<'a> {
    key_id: &'a [u8],
    wrap_nonce: [u8; NONCE_BYTES],
    wrapped_key: &'a [u8],
    data_nonce: [u8; NONCE_BYTES],
    ciphertext: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(sealed: &'a [u8]) -> Option<Self> {
        let (&version, rest) = sealed.split_first()?;
        if version != FORMAT_VERSION {
            return None;
        }
        let (&id_length, rest) = rest.split_first()?;
        let (key_id, rest) = rest.split_at_checked(usize::from(id_length))?;
        let (&wrap_nonce, rest) = rest.split_first_chunk()?;
        let (wrapped_key, rest) = rest.split_at_checked(WRAPPED_KEY_BYTES)?;
        let (&data_nonce, ciphertext) = rest.split_first_chunk()?;
        Some(Self { key_id, wrap_nonce, wrapped_key, data_nonce, ciphertext })
    }
}

fn cipher(key: &[u8; KEY_BYTES]) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(key.into())
}

fn sealed_error(context: Context<'_>, problem: &'static str) -> SealingError {
    SealingError::Sealed { table: context.table, field: context.field, problem }
}

#[cfg(test)]
mod tests;
