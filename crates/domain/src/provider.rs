//! Which kind of service an account lives at: a name. Which names this build can do something with is known to
//! `crates/providers`; a row or a payload may have another one.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest name in bytes.
const NAME_BYTES_MAX: usize = 16;

/// A provider's name: lower-case letters, digits and `_`, at most 16. It stands in rows, payloads, paths and queues.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Provider([u8; NAME_BYTES_MAX]);

impl Provider {
    /// The provider of a name that stands in the code; names from outside are read by [`Self::from_name`].
    ///
    /// # Panics
    ///
    /// Where the name is of another form; in a constant, that does not compile.
    pub const fn new(name: &str) -> Self {
        assert!(is_name(name.as_bytes()), "a provider's name has 1 to 16 lower-case letters, digits and underscores");
        Self::padded(name.as_bytes())
    }

    /// Reads [`Self::as_str`] back; none where the text is not of the form.
    pub fn from_name(name: &str) -> Option<Self> {
        is_name(name.as_bytes()).then(|| Self::padded(name.as_bytes()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap_or(NAME_BYTES_MAX);
        // Both are given by the form, which every value was checked for.
        self.0.get(..end).and_then(|name| str::from_utf8(name).ok()).unwrap_or_default()
    }

    const fn padded(name: &[u8]) -> Self {
        let mut padded = [0; NAME_BYTES_MAX];
        let (start, _) = padded.split_at_mut(name.len());
        start.copy_from_slice(name);
        Self(padded)
    }
}

/// A provider that a process has off, or that nobody has turned on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProviderOff {
    /// Which one.
    pub provider: Provider,
    /// Its name, for people.
    pub title: &'static str,
    /// The setting that would turn it on.
    pub turned_on_by: &'static str,
}

const fn is_name(mut name: &[u8]) -> bool {
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        return false;
    }
    while let [first, rest @ ..] = name {
        if !matches!(first, b'a'..=b'z' | b'0'..=b'9' | b'_') {
            return false;
        }
        name = rest;
    }
    true
}

impl fmt::Display for Provider {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Provider").field(&self.as_str()).finish()
    }
}

impl Serialize for Provider {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Provider {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::from_name(&name).ok_or_else(|| D::Error::custom("it is not of the form of a provider's name"))
    }
}

/// Something of each provider's own; the default for those that are not named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ByProvider<T>(BTreeMap<Provider, T>);

impl<T: Clone + Default> ByProvider<T> {
    /// That of a provider.
    pub fn of(&self, provider: Provider) -> T {
        self.0.get(&provider).cloned().unwrap_or_default()
    }
}

impl<T> FromIterator<(Provider, T)> for ByProvider<T> {
    fn from_iter<I: IntoIterator<Item = (Provider, T)>>(all: I) -> Self {
        Self(all.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_written_and_read_by_its_name() {
        for name in ["a", "office_365", "sixteen_letters_"] {
            let provider = Provider::new(name);
            assert_eq!(provider.to_string(), name);
            assert_eq!(Provider::from_name(name), Some(provider));
            assert_eq!(serde_json::to_value(provider).unwrap(), name);
            assert_eq!(serde_json::from_value::<Provider>(name.into()).unwrap(), provider);
        }
    }

    #[test]
    fn a_name_of_another_form_is_none() {
        for wrong in ["", "Office", "office-365", "office 365", "ofﬁce", "seventeen_letters"] {
            assert_eq!(Provider::from_name(wrong), None, "{wrong}");
            assert!(serde_json::from_value::<Provider>(wrong.into()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_provider_that_is_not_named_has_the_default() {
        let named: ByProvider<u32> = [(Provider::new("one"), 1)].into_iter().collect();
        assert_eq!((named.of(Provider::new("one")), named.of(Provider::new("other"))), (1, 0));
    }

    #[test]
    fn providers_are_in_the_order_of_their_names() {
        let names = ["b", "ab", "a", "a_"];
        let ordered: std::collections::BTreeSet<Provider> = names.map(Provider::new).into();
        assert_eq!(ordered.iter().map(Provider::as_str).collect::<Vec<_>>(), ["a", "a_", "ab", "b"]);
    }
}
