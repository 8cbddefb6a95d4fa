//! The query of a request, and the form of a token call: decoded names and values in their order.

use percent_encoding::percent_decode_str;

/// The decoded query parameters in their order; a name may repeat.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(text: &str) -> Self {
        Self(url::form_urlencoded::parse(text.as_bytes()).into_owned().collect())
    }

    /// A query of these parameters.
    pub(crate) fn of(parameters: &[(&str, &str)]) -> Self {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self(parameters.iter().map(own).collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The same for APIs that do not mind capitals.
    pub(crate) fn get_ignoring_case(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// All names and values.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// All parameters but those that may differ between the requests of one list, sorted.
    pub(crate) fn without(&self, changeable: &[&str]) -> Vec<(&str, &str)> {
        let mut kept: Vec<(&str, &str)> = self.pairs().filter(|(name, _)| !changeable.contains(name)).collect();
        kept.sort_unstable();
        kept
    }
}

/// One segment of a path, percent-decoded.
pub(crate) fn decode_segment(segment: &str) -> String {
    percent_decode_str(segment).decode_utf8_lossy().into_owned()
}
