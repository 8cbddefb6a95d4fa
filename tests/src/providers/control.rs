//! What a test does to a simulated provider and asks of it, whichever it is. What one provider alone can do is in its own
//! control, which tests of its wire use.

use async_trait::async_trait;
use evercal_simulator::{
    BulkChanges, CalendarAccess, CallReport, ChangeSummary, ChannelReport, ControlError, DeliverySummary, FaultPlan,
    NewCalendar, NewUser, NoticePlan, TrueEvent, Truth,
};

/// Makes a trait of these methods, and has a simulator's own control do them.
macro_rules! control {
    ($($(#[$what:meta])* fn $name:ident($($argument:ident: $kind:ty),*) -> $answer:ty;)*) => {
        /// The control of a simulated provider.
        #[async_trait]
        pub trait ProviderControl: Send + Sync {
            $($(#[$what])* fn $name(&self, $($argument: $kind),*) -> Result<$answer, ControlError>;)*

            /// Makes many realistic changes.
            async fn make_changes(&self, bulk: &BulkChanges) -> Result<ChangeSummary, ControlError>;
        }

        /// The same of a simulator's own control.
        macro_rules! controlled_by {
            ($own:ty) => {
                #[async_trait]
                impl ProviderControl for $own {
                    $(fn $name(&self, $($argument: $kind),*) -> Result<$answer, ControlError> {
                        <$own>::$name(self, $($argument),*)
                    })*

                    async fn make_changes(&self, bulk: &BulkChanges) -> Result<ChangeSummary, ControlError> {
                        <$own>::make_changes(self, bulk).await
                    }
                }
            };
        }
    };
}

control! {
    /// Creates a user with a primary calendar.
    fn create_user(user: &NewUser) -> ();
    /// The user takes all grants back; answers how many there were.
    fn revoke_grants(user: &str) -> usize;
    /// Access tokens expire now, of one user or of all; answers how many there were.
    fn expire_access_tokens(user: Option<&str>) -> usize;
    /// Creates a calendar and answers with its id.
    fn create_calendar(calendar: &NewCalendar) -> String;
    /// Renames a calendar, or moves it to another zone, as its owner would.
    fn patch_calendar(calendar: &str, summary: &str, time_zone: &str) -> ();
    /// Deletes a calendar for everybody.
    fn delete_calendar(calendar: &str) -> ();
    /// Says whether a calendar accepts channels.
    fn set_watchable(calendar: &str, watchable: bool) -> ();
    /// Shares a calendar, changes the role, or takes the calendar away.
    fn set_access(access: &CalendarAccess) -> ();
    /// Whoever has read a calendar has to read it anew.
    fn expire_sync_tokens(calendar: &str) -> ();
    /// Deletes an event, or an instance of a series, as the calendar's owner would.
    fn delete_event(calendar: &str, event: &str) -> ();
    /// What a complete mirror of the calendar holds.
    fn truth(calendar: &str) -> Truth;
    /// What a complete mirror of the calendar holds that reads it as this user.
    fn truth_for(calendar: &str, user: &str) -> Truth;
    /// The single occurrences that the owner sees between two instants (RFC 3339).
    fn occurrences(calendar: &str, from: &str, to: &str) -> Vec<TrueEvent>;
    /// The same as this user.
    fn occurrences_for(calendar: &str, user: &str, from: &str, to: &str) -> Vec<TrueEvent>;
    /// Every channel that ever was, with its notices.
    fn channels() -> Vec<ChannelReport>;
    /// Arms faults; an empty plan disarms them.
    fn set_faults(plan: FaultPlan) -> ();
    /// Sets what goes wrong with notices.
    fn set_notice_plan(plan: NoticePlan) -> ();
    /// Calls so far.
    fn calls() -> CallReport;
    /// How many notices there are of each status.
    fn deliveries() -> DeliverySummary;
}

controlled_by!(evercal_simulator::Control);
controlled_by!(evercal_simulator::microsoft::Control);
