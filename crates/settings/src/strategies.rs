//! `SYNC_STRATEGY_…`: how changes are found, one setting for each provider.

use evercal_domain::{Provider, SyncStrategies, SyncStrategy};

use crate::about::{About, GATEWAY_AND_WORKER, GivenBy, Otherwise, Shown};
use crate::lookup::{ConfigError, Lookup};
use crate::reading::or_default;
use crate::setting::Setting;

/// How changes at Google are found.
pub static GOOGLE: Setting<SyncStrategy> = Setting {
    about: About {
        name: "SYNC_STRATEGY_GOOGLE",
        read_by: GATEWAY_AND_WORKER,
        given_by: GivenBy::Value,
        shown: Shown::Whole,
        otherwise: Otherwise::Value("webhook"),
        example: "hybrid",
        meaning: "how changes at Google are found: `webhook` (notices; the poller only while there is no channel), `polling` (no \
                  channel is ever opened), `hybrid` (both)",
    },
    read: or_default,
};

/// The setting of one provider.
pub fn of_provider(provider: Provider) -> &'static Setting<SyncStrategy> {
    match provider {
        Provider::Google => &GOOGLE,
    }
}

/// The strategies of all providers.
pub fn of_all_providers(lookup: &Lookup<'_>) -> Result<SyncStrategies, ConfigError> {
    Provider::ALL.into_iter().map(|provider| Ok((provider, of_provider(provider).read(lookup)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Result<SyncStrategies, ConfigError> {
        let find = |name: &str| (name == "SYNC_STRATEGY_GOOGLE").then(|| value.to_owned());
        of_all_providers(&Lookup::new(&find))
    }

    #[test]
    fn each_strategy_is_read_by_its_name() {
        for strategy in SyncStrategy::ALL {
            assert_eq!(read(strategy.as_str()).unwrap().of(Provider::Google), strategy);
        }
        assert_eq!(read(" polling\n").unwrap().of(Provider::Google), SyncStrategy::Polling);
    }

    #[test]
    fn without_a_value_providers_are_watched() {
        assert_eq!(read("").unwrap(), of_all_providers(&Lookup::new(&|_| None)).unwrap());
        assert_eq!(read("").unwrap().of(Provider::Google), SyncStrategy::Webhook);
    }

    #[test]
    fn a_strategy_that_does_not_exist_is_an_error_that_names_the_variable_and_those_that_do() {
        let text = read("marker").unwrap_err().to_string();
        assert_eq!(text, "SYNC_STRATEGY_GOOGLE: it is none of webhook, polling, hybrid; for example: hybrid");
    }

    #[test]
    fn each_provider_has_a_variable_of_its_own() {
        let names = Provider::ALL.into_iter().map(|provider| of_provider(provider).about().name);
        assert_eq!(names.collect::<std::collections::BTreeSet<&str>>().len(), Provider::ALL.len());
    }
}
