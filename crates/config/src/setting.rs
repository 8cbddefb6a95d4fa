//! A setting: what operators have to know of it, and how it is read, in one place.

use crate::about::About;
use crate::lookup::{ConfigError, Lookup};
use crate::reading::Reader;

/// A setting whose value is a `T`.
pub struct Setting<T> {
    /// What operators have to know of it.
    pub about: About,
    /// Reads the value.
    pub read: fn(&Reader<'_>) -> Result<T, ConfigError>,
}

impl<T> Setting<T> {
    /// Reads the value. An error names the setting, the problem and an example, and never shows the value.
    pub fn read(&self, lookup: &Lookup<'_>) -> Result<T, ConfigError> {
        (self.read)(&Reader::new(lookup, &self.about))
    }
}

/// A setting whose value may be of any type.
pub trait Described: Sync {
    /// What operators have to know of it.
    fn about(&self) -> &About;
    /// Reads the value as the roles do, and throws it away.
    fn check(&self, lookup: &Lookup<'_>) -> Result<(), ConfigError>;
}

impl<T> Described for Setting<T> {
    fn about(&self) -> &About {
        &self.about
    }

    fn check(&self, lookup: &Lookup<'_>) -> Result<(), ConfigError> {
        self.read(lookup).map(drop)
    }
}
