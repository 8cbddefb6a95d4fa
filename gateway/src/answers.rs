//! What answers cost until they are sent: a permit of their tenant's, and memory. An answer is small as a rule; one that can be
//! large reserves its memory before it is made, and keeps what it needs until it is sent.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use axum::http::Extensions;
use evercal_domain::TenantId;
use evercal_domain::limits::EVENTS_PAGE_BYTES_MAX;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::problem::{Problem, ProblemKind};

const KIB: usize = 1_024;
/// The memory that a page of events takes while it is made: its rows, what is read of them, and the answer.
const MAKING_KIB: usize = 3 * EVENTS_PAGE_BYTES_MAX / KIB;

#[derive(Debug)]
pub(crate) struct Answers {
    kib: Arc<Semaphore>,
    per_tenant_kib: usize,
    per_tenant_max: usize,
    tenants: Mutex<HashMap<TenantId, Share>>,
}

/// What one tenant may have of memory and answers. Only tenants that exist have a share, so that the map cannot be filled from
/// outside.
#[derive(Debug, Clone)]
struct Share {
    kib: Arc<Semaphore>,
    answers: Arc<Semaphore>,
}

impl Answers {
    /// So many bytes and so many answers in all, three quarters of both for one tenant: the others have the rest.
    pub(crate) fn new(bytes_max: usize, answers_max: usize) -> Self {
        let kib = (bytes_max / KIB).max(2 * MAKING_KIB);
        Self {
            kib: Arc::new(Semaphore::new(kib)),
            per_tenant_kib: (kib - kib / 4).max(MAKING_KIB),
            per_tenant_max: answers_max - answers_max / 4,
            tenants: Mutex::default(),
        }
    }

    /// A permit for one answer of this tenant; none while it has all that it may have.
    pub(crate) fn admit(&self, tenant: TenantId) -> Option<OwnedSemaphorePermit> {
        self.share(tenant).answers.try_acquire_owned().ok()
    }

    /// Memory for making a large answer; waits until there is some.
    pub(crate) async fn reserve(&self, tenant: TenantId) -> Result<Reserved, Problem> {
        let kib = u32::try_from(MAKING_KIB).unwrap_or(u32::MAX);
        let closed = |_| Problem::of(ProblemKind::Overloaded);
        // First the tenant's own: one that waits for itself keeps nobody else waiting.
        let of_tenant = self.share(tenant).kib.acquire_many_owned(kib).await.map_err(closed)?;
        let of_all = Arc::clone(&self.kib).acquire_many_owned(kib).await.map_err(closed)?;
        Ok(Reserved { of_tenant, of_all })
    }

    fn share(&self, tenant: TenantId) -> Share {
        let new = || Share {
            kib: Arc::new(Semaphore::new(self.per_tenant_kib)),
            answers: Arc::new(Semaphore::new(self.per_tenant_max)),
        };
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner).entry(tenant).or_insert_with(new).clone()
    }
}

/// Memory that an answer may take.
#[derive(Debug)]
pub(crate) struct Reserved {
    of_tenant: OwnedSemaphorePermit,
    of_all: OwnedSemaphorePermit,
}

impl Reserved {
    /// The answer is made and has so many bytes: gives the rest back.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        for permit in [&mut self.of_tenant, &mut self.of_all] {
            let rest = permit.num_permits().saturating_sub(bytes.div_ceil(KIB));
            drop(permit.split(rest));
        }
    }
}

/// What has to be kept until an answer is sent, beside its extensions. Whoever sends it takes it out.
#[derive(Clone, Default)]
pub(crate) struct UntilSent(Vec<Arc<dyn Any + Send + Sync>>);

impl UntilSent {
    pub(crate) fn keep(extensions: &mut Extensions, kept: impl Any + Send + Sync) {
        extensions.get_or_insert_default::<Self>().0.push(Arc::new(kept));
    }
}

/// Whose request it is: set when its key was verified (`caller.rs`), read when its answer is admitted (`middleware.rs`).
#[derive(Debug, Clone, Default)]
pub(crate) struct RequestTenant(Arc<OnceLock<TenantId>>);

impl RequestTenant {
    pub(crate) fn set(&self, tenant: TenantId) {
        // A request has one key.
        let _same_again = self.0.set(tenant);
    }

    /// The tenant; none while no key was verified.
    pub(crate) fn get(&self) -> Option<TenantId> {
        self.0.get().copied()
    }
}
