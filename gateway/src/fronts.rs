//! Providers as a gateway meets them: whose notices it reads, and to whose consent pages it sends people.

use evercal_providers::{Front, registry};

use crate::config::GatewayConfig;
use crate::problem::{Problem, ProblemKind};

/// The provider of this name, or what to answer where the installation is not set up for one.
pub(crate) fn front<'a>(config: &'a GatewayConfig, name: &str) -> Result<&'a Front, Problem> {
    let not_found = |detail: String| Problem::new(ProblemKind::ProviderNotFound, detail);
    let Some(registration) = registry::named(name) else {
        let known: Vec<String> = registry::profiles().map(|profile| format!("`{}`", profile.provider)).collect();
        return Err(not_found(format!("There is no provider of this name; evercal knows {}.", known.join(", "))));
    };
    config.fronts.get(&registration.profile.provider).ok_or_else(|| {
        let (title, variable) = (registration.profile.title, registration.turned_on_by.about().name);
        not_found(format!("This installation is not set up for {title}: {variable} is not set."))
    })
}
