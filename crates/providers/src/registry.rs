//! The providers that are compiled in, and those of them that an installation turns on. One provider more is one line more.

use std::collections::BTreeMap;

use evercal_config::reading::{optional_secret, secret};
use evercal_config::{About, ConfigError, DefaultValue, GATEWAY_AND_WORKER, Kind, Lookup, Setting};
use evercal_domain::channel_token::ChannelTokenKeys;
use evercal_domain::{ByProvider, Profile, Provider, ProviderOff, SyncStrategy};

use crate::registration::{Configured, Front, Read, Registration};

/// All of them.
pub static PROVIDERS: &[&Registration] = &[&crate::google::REGISTRATION];

/// The keys of which each provider's own are derived. A provider that is on needs them.
pub static CHANNEL_KEYS: Setting<Option<ChannelTokenKeys>> = Setting {
    about: About {
        name: "EVERCAL_CHANNEL_KEYS",
        read_by: GATEWAY_AND_WORKER,
        kind: Kind::Secret,
        default: DefaultValue::Nothing("no provider may be on"),
        example: "the output of `openssl rand -hex 32`",
        meaning: "keys that prove the notices of all providers, comma-separated; the first signs, all verify",
    },
    read: |reader| {
        let needs_them = |registration: &Registration| {
            let has_own = registration.keys.is_some_and(|own| reader.is_set(&own.about));
            reader.is_set(registration.turned_on_by.about()) && !has_own
        };
        let is_one_on = PROVIDERS.iter().any(|registration| needs_them(registration));
        let keys = if is_one_on { secret(reader).map(Some) } else { optional_secret(reader) };
        let Some(keys) = keys? else { return Ok(None) };
        ChannelTokenKeys::parse(keys.expose()).map(Some).map_err(|error| reader.error(error))
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

/// The providers that a process has off, which says of each whether it is on.
pub fn those_off(is_on: impl Fn(Provider) -> bool) -> Vec<ProviderOff> {
    let off = PROVIDERS.iter().filter(|registration| !is_on(registration.profile.provider));
    off.map(|registration| ProviderOff {
        provider: registration.profile.provider,
        title: registration.profile.title,
        turned_on_by: registration.turned_on_by.about().name,
    })
    .collect()
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

/// The providers that are on, as a gateway meets them.
pub fn fronts(lookup: &Lookup<'_>) -> Result<BTreeMap<Provider, Front>, ConfigError> {
    those_on(lookup, |registration| registration.edge, |profile, keys, edge| Front { profile, keys, edge })
}

/// The providers that are on, as a worker calls them.
pub fn configured(lookup: &Lookup<'_>) -> Result<BTreeMap<Provider, Configured>, ConfigError> {
    those_on(
        lookup,
        |registration| registration.connect,
        |profile, keys, connect| Configured { profile, keys, connect },
    )
}

/// What is made of each provider that is on: of its profile, its own keys and what is read of its settings.
fn those_on<S, T>(
    lookup: &Lookup<'_>,
    read: fn(&Registration) -> Read<S>,
    make: fn(&'static Profile, ChannelTokenKeys, S) -> T,
) -> Result<BTreeMap<Provider, T>, ConfigError> {
    let keys = CHANNEL_KEYS.read(lookup)?;
    let mut found = BTreeMap::new();
    for registration in PROVIDERS {
        let profile = registration.profile;
        let own = registration.keys.map(|own| own.read(lookup)).transpose()?.flatten();
        let derived = || keys.as_ref().map(|keys| keys.of(profile.provider));
        // Whoever is on has keys: the setting of all does not read without.
        if let (Some(settings), Some(keys)) = (read(registration)(lookup)?, own.or_else(derived)) {
            found.insert(profile.provider, make(profile, keys, settings));
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
            list_push: Push::None,
            grants: announces.grants,
            absence: announces.absence,
            occurrences: announces.occurrences,
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
