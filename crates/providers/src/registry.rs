//! The providers that are compiled in, and those of them that an installation turns on. One provider more is one line more.

use std::collections::BTreeMap;

use evercal_config::reading::{optional_secret, secret};
use evercal_config::{About, ConfigError, GATEWAY_AND_WORKER, GivenBy, Lookup, Otherwise, Setting, Shown};
use evercal_domain::channel_token::ChannelTokenKeys;
use evercal_domain::{ByProvider, Profile, Provider, SyncStrategy};

use crate::registration::{Configured, Front, Registration};

/// All of them.
pub static PROVIDERS: &[&Registration] = &[&crate::google::REGISTRATION];

/// The keys of which each provider's own are derived. A provider that is on needs them.
pub static CHANNEL_KEYS: Setting<Option<ChannelTokenKeys>> = Setting {
    about: About {
        name: "EVERCAL_CHANNEL_KEYS",
        read_by: GATEWAY_AND_WORKER,
        given_by: GivenBy::ValueOrFile,
        shown: Shown::Nothing,
        otherwise: Otherwise::Nothing("no provider may be on"),
        example: "the output of `openssl rand -hex 32`",
        meaning: "keys that prove the notices of all providers, comma-separated; the first signs, all verify",
    },
    read: |given| {
        let is_one_on = PROVIDERS.iter().any(|registration| given.is_given(registration.turned_on_by.about()));
        let keys = if is_one_on { secret(given).map(Some) } else { optional_secret(given) };
        let Some(keys) = keys? else { return Ok(None) };
        ChannelTokenKeys::parse(keys.expose()).map(Some).map_err(|error| given.error(error))
    },
};

/// A compiled-in provider by its name.
pub fn named(name: &str) -> Option<&'static Registration> {
    PROVIDERS.iter().copied().find(|registration| registration.profile.provider.as_str() == name)
}

/// The natures of all of them.
pub fn profiles() -> impl Iterator<Item = &'static Profile> {
    PROVIDERS.iter().map(|registration| registration.profile)
}

/// How changes are found, by provider.
pub fn strategies(lookup: &Lookup<'_>) -> Result<ByProvider<SyncStrategy>, ConfigError> {
    let one = |registration: &&'static Registration| {
        let (profile, strategy) = (registration.profile, registration.strategy.read(lookup)?);
        let about = &registration.strategy.about;
        is_possible(profile, strategy)
            .map_err(|problem| ConfigError::new(about.name, problem, SyncStrategy::Polling.as_str()))?;
        Ok((profile.provider, strategy))
    };
    PROVIDERS.iter().map(one).collect()
}

/// Whether changes can be found so: where nothing is announced, nothing but polling finds any.
fn is_possible(profile: &Profile, strategy: SyncStrategy) -> Result<(), String> {
    if profile.has_push() || strategy == SyncStrategy::Polling {
        return Ok(());
    }
    Err(format!("{} announces no changes: only polling finds them", profile.title))
}

/// What a gateway meets of those that are on.
pub fn fronts(lookup: &Lookup<'_>) -> Result<BTreeMap<Provider, Front>, ConfigError> {
    Ok(those_on(lookup, |registration| (registration.edge)(lookup))?
        .into_iter()
        .map(|(profile, keys, edge)| (profile.provider, Front { profile, keys, edge }))
        .collect())
}

/// What a worker calls of those that are on.
pub fn configured(lookup: &Lookup<'_>) -> Result<BTreeMap<Provider, Configured>, ConfigError> {
    Ok(those_on(lookup, |registration| (registration.connect)(lookup))?
        .into_iter()
        .map(|(profile, keys, connect)| (profile.provider, Configured { profile, keys, connect }))
        .collect())
}

/// Those that are on, each with its own keys and what is read of it.
fn those_on<T>(
    lookup: &Lookup<'_>,
    read: impl Fn(&'static Registration) -> Result<Option<T>, ConfigError>,
) -> Result<Vec<(&'static Profile, ChannelTokenKeys, T)>, ConfigError> {
    let keys = CHANNEL_KEYS.read(lookup)?;
    let mut found = Vec::new();
    for registration in PROVIDERS.iter().copied() {
        // Whoever is on has keys: the setting does not read without.
        if let (Some(of_provider), Some(keys)) = (read(registration)?, &keys) {
            let profile = registration.profile;
            found.push((profile, keys.of(profile.provider), of_provider));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use evercal_domain::profile::{Defaults, Push};

    use super::*;

    #[test]
    fn each_provider_has_a_name_and_settings_of_its_own() {
        let names: BTreeSet<Provider> = profiles().map(|profile| profile.provider).collect();
        assert_eq!(names.len(), PROVIDERS.len());
        for registration in PROVIDERS {
            let name = registration.profile.provider.as_str();
            assert_eq!(registration.strategy.about.name, format!("SYNC_STRATEGY_{}", name.to_uppercase()));
            assert!(named(name).is_some_and(|found| std::ptr::eq(found, *registration)));
        }
    }

    #[test]
    fn keys_are_needed_as_soon_as_a_provider_is_on() {
        assert!(fronts(&Lookup::new(&|_| None)).unwrap().is_empty());
        for registration in PROVIDERS {
            let turned_on_by = registration.turned_on_by.about().name;
            let find = |name: &str| (name == turned_on_by).then(|| "on".to_owned());
            let error = fronts(&Lookup::new(&find)).unwrap_err();
            assert_eq!(error.variable, CHANNEL_KEYS.about.name);
        }
    }

    #[test]
    fn where_nothing_is_announced_only_polling_is_possible() {
        let announces = PROVIDERS.iter().find(|one| one.profile.has_push()).unwrap().profile;
        let silent = Profile {
            provider: Provider::new("silent"),
            title: "Silent",
            conference_kinds: &[],
            push: Push::None,
            absence: announces.absence,
            defaults: Defaults { strategy: SyncStrategy::Polling, ..announces.defaults },
        };
        for strategy in SyncStrategy::ALL {
            assert!(is_possible(announces, strategy).is_ok());
            assert_eq!(is_possible(&silent, strategy).is_ok(), strategy == SyncStrategy::Polling, "{strategy}");
        }
        assert_eq!(
            is_possible(&silent, SyncStrategy::Hybrid).unwrap_err(),
            "Silent announces no changes: only polling finds them"
        );
    }

    #[test]
    fn every_strategy_of_a_provider_is_read_by_its_name_and_its_own_is_what_nobody_set() {
        for registration in PROVIDERS {
            let (strategy, own) = (registration.strategy, registration.profile.defaults.strategy);
            let read = |value: &str| {
                let find = |name: &str| (name == strategy.about.name).then(|| value.to_owned());
                strategy.read(&Lookup::new(&find))
            };
            for known in SyncStrategy::ALL {
                assert_eq!(read(&format!(" {known}\n")).unwrap(), known);
            }
            assert_eq!(read("").unwrap(), own);
            let problem = read("marker").unwrap_err();
            assert_eq!(problem.variable, strategy.about.name);
            assert_eq!(problem.problem, "it is none of webhook, polling, hybrid");
        }
    }
}
