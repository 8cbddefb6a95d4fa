//! The names that answers use where the domain has an enum, as the description lists them. Each list is open: later versions
//! add names, and a client that meets an unknown one goes on. So a schema has both, the names known today and any text, and
//! generated clients take either. Not for: what the names mean inside (`crates/domain`).

use std::borrow::Cow;

use evercal_domain::event::{ConferenceKind, ReminderMethod, Response, ShowAs, Visibility};
use evercal_domain::journal::{AuditKind, SecurityKind};
use evercal_domain::{AccessRole, AccountState, CalendarState, EventStatus, Provider, SyncReason, Via, names};
use evercal_providers::registry::profiles;
use evercal_storage::SyncRunOutcome;
use serde::{Serialize, Serializer};
use utoipa::openapi::schema::{AnyOfBuilder, ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::problem_kind::ProblemKind;

/// Makes the type of a field from the type that has its names: written by its name, described by the names of `$values`.
macro_rules! open_enums {
    ($($(#[doc = $doc:literal])+ $rust:ident($inner:ty) $name:literal: $values:expr;)+) => {
        $(
            $(#[doc = $doc])+
            pub(crate) struct $rust(pub $inner);

            impl Serialize for $rust {
                fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    serializer.serialize_str(self.0.as_str())
                }
            }

            impl PartialSchema for $rust {
                fn schema() -> RefOr<Schema> {
                    open_enum(concat!($($doc),+), $values.into_iter().map(|value: $inner| value.as_str().to_owned()))
                }
            }

            impl ToSchema for $rust {
                fn name() -> Cow<'static, str> {
                    Cow::Borrowed($name)
                }
            }
        )+
    };
}

open_enums! {
    /// The provider at which an account lives.
    ProviderName(Provider) "Provider": profiles().map(|profile| profile.provider);
    /// Where an account is in its life: `connecting` until its calendars are found, `connected` while it works, `needs_reauth`
    /// when its user has to consent again, `duplicate` while another account of the same user is mirrored, `disconnecting` and `disconnected` at its end.
    AccountStateName(AccountState) "AccountState": AccountState::ALL;
    /// Where a calendar's subscription is: `creating` until the first push channel lives, `live` and `renewing` while one does,
    /// `polling` while none can be opened, `poll_only` where none is wanted or possible, `paused` by an operator, `needs_reauth`
    /// when the account's user has to consent again, `action_required` when the provider refuses the calendar, `closed` at its end.
    CalendarStateName(CalendarState) "CalendarState": CalendarState::ALL;
    /// What the account's user may do with a calendar at the provider. A `free_busy_reader` sees when time is taken, and no details.
    AccessRoleName(AccessRole) "AccessRole": AccessRole::ALL;
    /// What confirmed that the mirror is complete: a notice of the provider (`push`), a poll, or a sync for another reason, such
    /// as the timer, a new channel or somebody's request (`reconcile`).
    ViaName(Via) "Via": Via::ALL;
    /// Whether an event stands, or may stand. `cancelled` is one that was called off and that the provider still shows; one that
    /// the provider takes out of the calendar is not there.
    EventStatusName(EventStatus) "EventStatus": EventStatus::ALL;
    /// How an event shows in the day of the account's user. `free` and `working_elsewhere` take no time.
    ShowAsName(ShowAs) "ShowAs": ShowAs::ALL;
    /// Who may see the details of an event: whoever may read the calendar, or its guests alone.
    VisibilityName(Visibility) "Visibility": Visibility::ALL;
    /// How somebody is reminded; `other` is a way that has no name here.
    ReminderMethodName(ReminderMethod) "ReminderMethod": ReminderMethod::ALL;
    /// Somebody's answer to an invitation.
    ResponseName(Response) "AttendeeResponse": Response::ALL;
    /// Whose service a conference is: one of the provider's own, or a `third_party` whose service was added to the calendar.
    ConferenceKindName(ConferenceKind) "ConferenceKind": conference_kinds();
    /// What may be added to an event: `raw`, the provider's own text.
    IncludeName(Include) "Include": Include::ALL;
    /// Why a sync ran.
    SyncReasonName(SyncReason) "SyncReason": SyncReason::ALL;
    /// How a sync ended.
    SyncOutcomeName(SyncRunOutcome) "SyncOutcome": SyncRunOutcome::ALL;
    /// Whether a sync that was asked for has ended (`done`) or goes on (`underway`).
    SyncStateName(SyncState) "SyncState": SyncState::ALL;
    /// Whether a workflow runs: `missing` is started again within ten minutes, `ended` is over with what it is about, `unknown`
    /// while Temporal does not answer.
    WorkflowStateName(WorkflowState) "WorkflowState": WorkflowState::ALL;
    /// What an entry of the audit log is about.
    AuditKindName(AuditKind) "AuditKind": AuditKind::ALL;
    /// What was refused.
    SecurityKindName(SecurityKind) "SecurityKind": SecurityKind::ALL;
    /// How evercal stands.
    HealthStatusName(HealthStatus) "HealthStatus": HealthStatus::ALL;
    /// What kind of problem it is. Programs compare it, and treat a kind that they do not know by its status.
    ProblemTypeName(String) "ProblemType": ProblemKind::ALL.iter().map(|kind| kind.urn());
}

/// What may be added to an event.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Include {
    Raw,
}

names! { Include { Raw = "raw" } }

/// How far something is that somebody asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum SyncState {
    Done,
    Underway,
}

names! { SyncState { Done = "done", Underway = "underway" } }

/// Whether a workflow runs that should.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum WorkflowState {
    Running,
    Missing,
    Ended,
    Unknown,
}

names! { WorkflowState { Running = "running", Missing = "missing", Ended = "ended", Unknown = "unknown" } }

/// How evercal stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum HealthStatus {
    Ok,
    CatchingUp,
    Down,
}

names! { HealthStatus { Ok = "ok", CatchingUp = "catching_up", Down = "down" } }

fn conference_kinds() -> impl Iterator<Item = ConferenceKind> {
    let of_providers = profiles().flat_map(|profile| profile.conference_kinds.iter().copied().map(ConferenceKind::new));
    of_providers.chain([ConferenceKind::THIRD_PARTY])
}

fn open_enum(description: &str, values: impl IntoIterator<Item = String>) -> RefOr<Schema> {
    let values: Vec<String> = values.into_iter().collect();
    let example = values.first().cloned();
    let known = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(values)).build();
    let later = ObjectBuilder::new().schema_type(Type::String).build();
    let description = format!("{} More names may be added; go on with one that you do not know.", description.trim());
    let names = AnyOfBuilder::new().description(Some(description)).item(known).item(later).examples(example);
    RefOr::T(Schema::AnyOf(names.build()))
}
