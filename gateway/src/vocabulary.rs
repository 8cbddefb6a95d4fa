//! The names that answers use where the domain has an enum, as the description lists them. Each list is open: later versions
//! add names, and a client that meets an unknown one goes on. So a schema has both, the names known today and any text, and
//! generated clients take either. Not for: what the names mean inside (`crates/domain`).

use std::borrow::Cow;

use evercal_domain::event::{ConferenceKind, ReminderMethod, Response, ShowAs, Visibility};
use evercal_domain::journal::{AuditKind, SecurityKind};
use evercal_domain::{AccessRole, AccountState, CalendarState, EventStatus, SyncReason, Via};
use evercal_providers::registry::profiles;
use evercal_storage::SyncRunOutcome;
use utoipa::openapi::schema::{AnyOfBuilder, ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::problem_kind::ProblemKind;

macro_rules! open_enums {
    ($($(#[doc = $doc:literal])+ $rust:ident $name:literal: $values:expr;)+) => {
        $(
            $(#[doc = $doc])+
            pub(crate) enum $rust {}

            impl PartialSchema for $rust {
                fn schema() -> RefOr<Schema> {
                    open_enum(concat!($($doc),+), $values)
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
    ProviderName "Provider": profiles().map(|profile| profile.provider.to_string());
    /// Where an account is in its life: `connecting` until its calendars are found, `connected` while it works, `needs_reauth`
    /// when its user has to consent again, `duplicate` while another account of the same user is mirrored, `disconnecting` and `disconnected` at its end.
    AccountStateName "AccountState": AccountState::ALL.map(AccountState::as_str).map(str::to_owned);
    /// Where a calendar's subscription is: `creating` until the first push channel lives, `live` and `renewing` while one does,
    /// `polling` while none can be opened, `poll_only` where none is wanted or possible, `paused` by an operator, `needs_reauth`
    /// when the account's user has to consent again, `action_required` when the provider refuses the calendar, `closed` at its end.
    CalendarStateName "CalendarState": CalendarState::ALL.map(CalendarState::as_str).map(str::to_owned);
    /// What the account's user may do with a calendar at the provider. A `free_busy_reader` sees when time is taken, and no details.
    AccessRoleName "AccessRole": AccessRole::ALL.map(AccessRole::as_str).map(str::to_owned);
    /// What confirmed that the mirror is complete: a notice of the provider (`push`), a poll, or a sync for another reason, such
    /// as the timer, a new channel or somebody's request (`reconcile`).
    ViaName "Via": Via::ALL.map(Via::as_str).map(str::to_owned);
    /// Whether an event stands, or may stand. `cancelled` is one that was called off and that the provider still shows; one that
    /// the provider takes out of the calendar is not there.
    EventStatusName "EventStatus": EventStatus::ALL.map(EventStatus::as_str).map(str::to_owned);
    /// How an event shows in the day of the account's user. `free` and `working_elsewhere` take no time.
    ShowAsName "ShowAs": ShowAs::ALL.map(ShowAs::as_str).map(str::to_owned);
    /// Who may see the details of an event: whoever may read the calendar, or its guests alone.
    VisibilityName "Visibility": Visibility::ALL.map(Visibility::as_str).map(str::to_owned);
    /// How somebody is reminded; `other` is a way that has no name here.
    ReminderMethodName "ReminderMethod": ReminderMethod::ALL.map(ReminderMethod::as_str).map(str::to_owned);
    /// Somebody's answer to an invitation.
    ResponseName "AttendeeResponse": Response::ALL.map(Response::as_str).map(str::to_owned);
    /// Whose service a conference is: one of the provider's own, or a `third_party` whose service was added to the calendar.
    ConferenceKindName "ConferenceKind": conference_kinds();
    /// What may be added to an event: `raw`, the provider's own text.
    IncludeName "Include": ["raw"].map(str::to_owned);
    /// Why a sync ran.
    SyncReasonName "SyncReason": SyncReason::ALL.map(SyncReason::as_str).map(str::to_owned);
    /// How a sync ended.
    SyncOutcomeName "SyncOutcome": SyncRunOutcome::ALL.map(SyncRunOutcome::as_str).map(str::to_owned);
    /// Whether a sync that was asked for has ended (`done`) or goes on (`underway`).
    SyncStateName "SyncState": ["done", "underway"].map(str::to_owned);
    /// Whether a workflow runs: `missing` is started again within ten minutes, `ended` is over with what it is about, `unknown`
    /// while Temporal does not answer.
    WorkflowStateName "WorkflowState": ["running", "missing", "ended", "unknown"].map(str::to_owned);
    /// What an entry of the audit log is about.
    AuditKindName "AuditKind": AuditKind::ALL.map(AuditKind::as_str).map(str::to_owned);
    /// What was refused.
    SecurityKindName "SecurityKind": SecurityKind::ALL.map(SecurityKind::as_str).map(str::to_owned);
    /// How evercal stands.
    HealthStatusName "HealthStatus": ["ok", "catching_up", "down"].map(str::to_owned);
    /// What kind of problem it is. Programs compare it, and treat a kind that they do not know by its status.
    ProblemTypeName "ProblemType": ProblemKind::ALL.iter().map(|kind| kind.urn());
}

fn conference_kinds() -> impl Iterator<Item = String> {
    let of_providers = profiles().flat_map(|profile| profile.conference_kinds.iter().copied().map(str::to_owned));
    of_providers.chain([ConferenceKind::THIRD_PARTY.as_str().to_owned()])
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
