//! What the handlers share.

use std::sync::Arc;

use evercal_domain::Clock;
use evercal_process::Tasks;
use evercal_providers::Front;
use evercal_storage::{Store, StoreWatch};
use evercal_workflow_client::{AccountWorkflows, Workflows};

use crate::answers::Answers;
use crate::catch_up::Watch;
use crate::config::GatewayConfig;
use crate::consent_backlog::ConsentBacklog;
use crate::consents::Consents;
use crate::event_pages::EventPages;
use crate::fronts::front;
use crate::notices::Notices;
use crate::problem::Problem;
use crate::reads::Reads;
use crate::security_log::SecurityLog;
use crate::sync_now::SyncNow;
use crate::tenant_rates::TenantRates;

#[derive(Clone)]
pub(crate) struct AppState(Arc<Shared>);

pub(crate) struct Shared {
    pub config: GatewayConfig,
    pub store: Arc<dyn Store>,
    pub workflows: Arc<dyn Workflows>,
    pub clock: Arc<dyn Clock>,
    pub notices: Notices,
    pub sync_now: SyncNow,
    pub accounts: Arc<AccountWorkflows>,
    pub consent_backlog: Arc<ConsentBacklog>,
    pub tenant_rates: TenantRates,
    pub security: Arc<SecurityLog>,
    pub watch: Arc<Watch>,
    pub consents: Consents,
    /// For what they say of themselves.
    pub tasks: Tasks,
    pub store_watch: StoreWatch,
    pub answers: Answers,
    pub reads: Reads,
    pub event_pages: EventPages,
}

impl AppState {
    pub(crate) fn new(shared: Shared) -> Self {
        Self(Arc::new(shared))
    }

    /// A provider by its name, or what to answer where the installation has none of this name.
    pub(crate) fn front(&self, provider: &str) -> Result<&Front, Problem> {
        front(&self.0.config, provider)
    }
}

impl std::ops::Deref for AppState {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}
