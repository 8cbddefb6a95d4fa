//! Typed identifiers. Ours carry a prefix that says what they name (`cal_…`); the provider's own stay opaque text.
//!
//! Ours are `UUIDv7`, so they sort by time of creation. They show up in the Temporal UI, in logs and in URLs, and
//! therefore never contain anything personal. The provider's ids often *are* e-mail addresses: they never leave the
//! store and the provider calls, and their `Debug` output is redacted.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A text that is not an id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {expected} id: expected the prefix `{prefix}` and 32 hexadecimal digits")]
pub struct InvalidId {
    /// What was expected, such as `calendar`.
    pub expected: &'static str,
    /// The prefix of that kind of id, such as `cal_`.
    pub prefix: &'static str,
}

macro_rules! own_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Uuid);

        impl $name {
            /// The prefix that every id of this kind begins with.
            pub const PREFIX: &'static str = $prefix;

            /// Makes a new id, unique and sorted by time.
            #[expect(clippy::disallowed_methods, reason = "this is the one place that makes ids")]
            pub fn generate() -> Self {
                Self(Uuid::now_v7())
            }

            /// The id without its prefix, where a few characters count.
            pub fn into_bytes(self) -> [u8; 16] {
                self.0.into_bytes()
            }

            /// Reads [`Self::into_bytes`] back.
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", $prefix, self.0.simple())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let invalid = InvalidId { expected: $what, prefix: $prefix };
                let digits = text.strip_prefix($prefix).ok_or_else(|| invalid.clone())?;
                // One spelling per id: what we print is the only thing we read.
                if digits.len() != 32 || !digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
                    return Err(invalid);
                }
                Uuid::try_parse(digits).map(Self).map_err(|_| invalid)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.to_string()
            }
        }
    };
}

own_id!(
    /// A customer of this installation; everything belongs to exactly one tenant.
    TenantId, "ten_", "tenant"
);
own_id!(
    /// An API key (its public id, not its secret).
    ApiKeyId, "key_", "API key"
);
own_id!(
    /// A connected account at a provider.
    AccountId, "acc_", "account"
);
own_id!(
    /// A mirrored calendar; also the name of its subscription.
    CalendarId, "cal_", "calendar"
);
own_id!(
    /// An installation: one database, and the workflows of one Temporal namespace that belong to it.
    InstallationId, "ins_", "installation"
);
own_id!(
    /// A push channel: 36 characters, which providers that want an id of ours take as it is.
    ChannelId, "chn_", "channel"
);

redacted! {
    /// A calendar's id at the provider; at some it is somebody's e-mail address.
    #[derive(PartialOrd, Ord, Hash, Serialize, Deserialize)]
    #[serde(transparent)]
    ProviderCalendarId;

    /// An event's id at the provider, unique inside its calendar.
    #[derive(PartialOrd, Ord, Hash, Serialize, Deserialize)]
    #[serde(transparent)]
    ProviderEventId;

    /// What a provider calls a push channel, where our own id does not suffice to close it; of one channel alone. Only the provider
    /// that made it reads it.
    #[derive(Serialize, Deserialize)]
    #[serde(transparent)]
    RemoteChannelId;

    /// Where the reading of a calendar stands, in the provider's own terms: a sync token, a place between two pages, or whatever
    /// it needs to go on. Only the provider that made it reads it.
    #[derive(Serialize, Deserialize)]
    #[serde(transparent)]
    ProviderCursor;

    /// Whose grant an account lives on, as the provider knows that person: it is the same for all grants of one person there. Of
    /// some providers it is an address, which may change.
    GrantSubject;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_what_it_prints() {
        let id = CalendarId::generate();
        assert_eq!(id.to_string().parse::<CalendarId>(), Ok(id));
        assert_eq!(id.to_string().len(), 36);
    }

    #[test]
    fn an_id_of_another_kind_is_refused() {
        let account = AccountId::generate().to_string();
        assert!(account.parse::<CalendarId>().is_err());
    }

    #[test]
    fn an_id_has_one_spelling_only() {
        let upper = CalendarId::generate().to_string().to_uppercase().replace("CAL_", "cal_");
        assert!(upper.parse::<CalendarId>().is_err() || upper.bytes().all(|b| !b.is_ascii_uppercase()));
        assert!("cal_0191c1f0-0000-7000-8000-000000000000".parse::<CalendarId>().is_err());
    }

    #[test]
    fn provider_ids_do_not_show_in_debug_output() {
        let id = ProviderCalendarId::new("ada@example.com");
        assert!(!format!("{id:?}").contains("ada"));
    }
}
