//! What the handlers share.

use std::sync::Arc;

use evercal_domain::Clock;
use evercal_process::Tasks;
use evercal_providers::{Front, registry};
use evercal_storage::{Store, StoreWatch};
use evercal_workflow_client::{AccountWorkflows, Workflows};

use crate::answers::Answers;
use crate::catch_up::LatestHealth;
use crate::config::GatewayConfig;
use crate::consent_backlog::ConsentBacklog;
use crate::consents::Consents;
use crate::event_pages::EventPages;
use crate::notice_bodies::UnprovenBodies;
use crate::notices::Notices;
use crate::problem::{Problem, ProblemKind};
use crate::reads::Reads;
use crate::security_log::SecurityLog;
use crate::sync_now::SyncNow;
use crate::tenant_rates::TenantRates;

pub(crate) type AppState = Arc<Shared>;

pub(crate) struct Shared {
    pub config: GatewayConfig,
    pub store: Arc<dyn Store>,
    pub workflows: Arc<dyn Workflows>,
    pub clock: Arc<dyn Clock>,
    pub notices: Notices,
    pub unproven_bodies: UnprovenBodies,
    pub sync_now: SyncNow,
    pub accounts: Arc<AccountWorkflows>,
    pub consent_backlog: Arc<ConsentBacklog>,
    pub tenant_rates: TenantRates,
    pub security: Arc<SecurityLog>,
    pub health: Arc<LatestHealth>,
    pub consents: Consents,
    /// Whose silence is a health problem.
    pub tasks: Tasks,
    pub store_watch: StoreWatch,
    pub answers: Answers,
    pub reads: Reads,
    pub event_pages: EventPages,
}

impl Shared {
    /// The provider of this name, or what to answer where the installation is not set up for one.
    pub(crate) fn front(&self, name: &str) -> Result<&Front, Problem> {
        let not_found = |detail: String| Problem::new(ProblemKind::ProviderNotFound, detail);
        let Some(registration) = registry::named(name) else {
            let known: Vec<String> = registry::profiles().map(|profile| format!("`{}`", profile.provider)).collect();
            return Err(not_found(format!("There is no provider of this name; evercal knows {}.", known.join(", "))));
        };
        self.config.fronts.get(&registration.profile.provider).ok_or_else(|| {
            let (title, variable) = (registration.profile.title, registration.turned_on_by.about().name);
            not_found(format!("This installation is not set up for {title}: {variable} is not set."))
        })
    }
}
