//! The channel token: proof, without any look-up, that a notice belongs to a channel of ours.
//!
//! `v1.<key id>.c.<account>.<calendar>.<channel>.<HMAC-SHA256>`, or `v1.<key id>.l.<account>.<channel>.<HMAC-SHA256>` for a
//! list of calendars, the ids as base64 of their bytes. Made before the provider is called, so that a `sync` notice
//! which overtakes the watch response verifies too. At most 128 characters, the least that a provider
//! takes back. Several keys may verify; the first one signs, which is how keys rotate.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha512};

use crate::account::Secret;
use crate::channel::Watched;
use crate::ids::{AccountId, CalendarId, ChannelId};
use crate::provider::Provider;

/// Longest token that any provider takes back to us, in characters.
pub const TOKEN_CHARS_MAX: usize = 128;
/// Shortest key that may sign, in bytes.
pub const KEY_BYTES_MIN: usize = 16;
const VERSION: &str = "v1";
const KEY_ID_CHARS: usize = 6;
/// Names a calendar's claim.
const CALENDAR: &str = "c";
/// Names the claim of a list of calendars.
const CALENDAR_LIST: &str = "l";

/// The keys of an installation; the first signs, all verify.
#[derive(Debug, Clone)]
pub struct ChannelTokenKeys(Vec<Key>);

#[derive(Debug, Clone)]
struct Key {
    id: String,
    secret: Secret,
}

impl Key {
    fn new(secret: Secret) -> Self {
        Self { id: key_id(&secret), secret }
    }
}

/// The keys that were configured cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeys {
    /// There is none.
    #[error("no key is given")]
    Empty,
    /// One is too short to be safe.
    #[error("a key is shorter than {KEY_BYTES_MIN} characters")]
    TooShort,
}

/// What a verified token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelClaim {
    /// What the channel watches.
    pub watched: Watched,
    /// The channel.
    pub channel_id: ChannelId,
}

/// Why a token is refused. The sender gets the same answer for all; the security log names which it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefused {
    /// Not of our form.
    #[error("the token is malformed")]
    Malformed,
    /// Signed by a key that we do not have (any more).
    #[error("the token names an unknown key")]
    UnknownKey,
    /// The signature is wrong.
    #[error("the token's signature is wrong")]
    BadSignature,
}

impl ChannelTokenKeys {
    /// Takes the keys in order; the first signs.
    pub fn new(secrets: impl IntoIterator<Item = Secret>) -> Result<Self, InvalidKeys> {
        let keys: Vec<Key> = secrets.into_iter().map(Key::new).collect();
        if keys.is_empty() {
            return Err(InvalidKeys::Empty);
        }
        if keys.iter().any(|key| key.secret.expose().len() < KEY_BYTES_MIN) {
            return Err(InvalidKeys::TooShort);
        }
        Ok(Self(keys))
    }

    /// Reads the form of the configuration: keys separated by commas.
    pub fn parse(text: &str) -> Result<Self, InvalidKeys> {
        Self::new(text.split(',').map(str::trim).filter(|key| !key.is_empty()).map(Secret::new))
    }

    /// One provider's own, derived of these: a token that they sign proves nothing where another provider's notices come.
    #[must_use]
    pub fn of(&self, provider: Provider) -> Self {
        let derived =
            |key: &Key| mac(&key.secret, &format!("evercal channel keys: {provider}")).finalize().into_bytes();
        Self(self.0.iter().map(|key| Key::new(Secret::new(hex::encode(derived(key))))).collect())
    }

    /// Makes the token of a channel.
    pub fn sign(&self, claim: ChannelClaim) -> String {
        // `new` refuses an empty list, so there is always a first key.
        let Some(key) = self.0.first() else {
            return String::new();
        };
        let account = encoded(claim.watched.account_id().into_bytes());
        let watched = match claim.watched {
            Watched::Calendar { calendar_id, .. } => {
                format!("{CALENDAR}.{account}.{}", encoded(calendar_id.into_bytes()))
            }
            Watched::CalendarList { .. } => format!("{CALENDAR_LIST}.{account}"),
        };
        let signed = format!("{VERSION}.{}.{watched}.{}", key.id, encoded(claim.channel_id.into_bytes()));
        let signature = URL_SAFE_NO_PAD.encode(mac(&key.secret, &signed).finalize().into_bytes());
        format!("{signed}.{signature}")
    }

    /// Verifies a token, or says why it is refused. The signature is compared in constant time.
    pub fn verify(&self, token: &str) -> Result<ChannelClaim, TokenRefused> {
        if token.len() > TOKEN_CHARS_MAX {
            return Err(TokenRefused::Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenRefused::Malformed)?;
        let parts: Vec<&str> = signed.split('.').collect();
        let [version, key_id, claimed @ ..] = parts.as_slice() else {
            return Err(TokenRefused::Malformed);
        };
        if *version != VERSION {
            return Err(TokenRefused::Malformed);
        }
        let key = self.0.iter().find(|key| key.id == *key_id).ok_or(TokenRefused::UnknownKey)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| TokenRefused::Malformed)?;
        mac(&key.secret, signed).verify_slice(&signature).map_err(|_| TokenRefused::BadSignature)?;
        read_claim(claimed).ok_or(TokenRefused::Malformed)
    }
}

fn read_claim(claimed: &[&str]) -> Option<ChannelClaim> {
    let (watched, channel) = match claimed {
        [CALENDAR, account, calendar, channel] => {
            let account_id = AccountId::from_bytes(decoded(account)?);
            let calendar_id = CalendarId::from_bytes(decoded(calendar)?);
            (Watched::Calendar { account_id, calendar_id }, channel)
        }
        [CALENDAR_LIST, account, channel] => {
            (Watched::CalendarList { account_id: AccountId::from_bytes(decoded(account)?) }, channel)
        }
        _ => return None,
    };
    Some(ChannelClaim { watched, channel_id: ChannelId::from_bytes(decoded(channel)?) })
}

fn encoded(id: [u8; 16]) -> String {
    URL_SAFE_NO_PAD.encode(id)
}

fn decoded(text: &str) -> Option<[u8; 16]> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

fn mac(secret: &Secret, signed: &str) -> Hmac<Sha256> {
    // Hashing first gives a key of exactly one block, for which making the MAC cannot fail.
    let key: [u8; 64] = Sha512::digest(secret.expose().as_bytes()).into();
    let mut mac = Hmac::<Sha256>::new(&key.into());
    mac.update(signed.as_bytes());
    mac
}

fn key_id(secret: &Secret) -> String {
    let digest = Sha256::digest([b"evercal key id:".as_slice(), secret.expose().as_bytes()].concat());
    hex::encode(digest).chars().take(KEY_ID_CHARS).collect()
}

#[cfg(test)]
mod tests;
