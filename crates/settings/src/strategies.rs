//! `SYNC_STRATEGY_…`: how changes are found, one variable for each provider.

use evercal_domain::{Provider, SyncStrategies, SyncStrategy};

use crate::lookup::{ConfigError, Lookup};

/// The variable that sets a provider's strategy.
pub const fn strategy_variable(provider: Provider) -> &'static str {
    match provider {
        Provider::Google => "SYNC_STRATEGY_GOOGLE",
    }
}

/// The strategy of one provider.
pub fn sync_strategy(lookup: &Lookup<'_>, provider: Provider) -> Result<SyncStrategy, ConfigError> {
    let strategy = lookup.optional(strategy_variable(provider), "hybrid")?;
    Ok(strategy.unwrap_or_default())
}

/// The strategies of all providers.
pub fn sync_strategies(lookup: &Lookup<'_>) -> Result<SyncStrategies, ConfigError> {
    Provider::ALL.into_iter().map(|provider| Ok((provider, sync_strategy(lookup, provider)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Result<SyncStrategies, ConfigError> {
        let find = |name: &str| (name == "SYNC_STRATEGY_GOOGLE").then(|| value.to_owned());
        sync_strategies(&Lookup::new(&find))
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
        assert_eq!(read("").unwrap(), sync_strategies(&Lookup::new(&|_| None)).unwrap());
        assert_eq!(read("").unwrap().of(Provider::Google), SyncStrategy::Webhook);
    }

    #[test]
    fn a_strategy_that_does_not_exist_is_an_error_that_names_the_variable_and_those_that_do() {
        let text = read("marker").unwrap_err().to_string();
        assert_eq!(text, "SYNC_STRATEGY_GOOGLE: it is none of webhook, polling, hybrid; for example: hybrid");
    }

    #[test]
    fn each_provider_has_a_variable_of_its_own() {
        let variables: std::collections::BTreeSet<&str> = Provider::ALL.into_iter().map(strategy_variable).collect();
        assert_eq!(variables.len(), Provider::ALL.len());
    }
}
