//! What every backend must do, as one function per behaviour. A backend's test file makes tests of them with
//! `conformance_tests!`; each test gets an empty database of its own.

pub mod accounts;
pub mod calendars;
pub mod channels;
pub mod commits;
pub mod concurrency;
pub mod feed;
pub mod fixtures;
pub mod journal;
pub mod occurrences;
pub mod revisions;
pub mod series;
pub mod tenants;
pub mod unreadable;
pub mod upkeep;
pub mod worklist;

use std::any::Any;
use std::sync::Arc;

use evercal_storage::{DatabaseUrl, Keyring, Store, StoreError, StoreSettings};
use sqlx::{Connection as _, PgConnection, SqliteConnection};

/// An empty database of a backend.
pub struct Database {
    /// Where it is.
    pub url: DatabaseUrl,
    /// The text of its master key.
    pub key: String,
    /// What has to live as long as the database.
    _guard: Box<dyn Any + Send + Sync>,
}

impl Database {
    /// A database behind a URL, with a fresh master key.
    pub fn new(url: &str, guard: impl Any + Send + Sync) -> Self {
        let key = Keyring::generate("k1").unwrap().expose().to_owned();
        Self { url: url.parse().unwrap(), key, _guard: Box::new(guard) }
    }

    /// Opens it, as one process does.
    pub async fn open(&self) -> Arc<dyn Store> {
        self.open_with_key(&self.key).await
    }

    /// Opens it with another master key.
    pub async fn open_with_key(&self, key: &str) -> Arc<dyn Store> {
        evercal_storage::migrate(&self.url).await.unwrap();
        self.try_open(key).await.unwrap()
    }

    /// Does to it what no version of ours does.
    pub async fn execute(&self, statement: &'static str) {
        match &self.url {
            DatabaseUrl::Sqlite(_) => {
                let mut connection = SqliteConnection::connect(&self.url.to_string()).await.unwrap();
                sqlx::query(statement).execute(&mut connection).await.unwrap();
            }
            DatabaseUrl::Postgres(options) => {
                let mut connection = PgConnection::connect_with(options).await.unwrap();
                sqlx::query(statement).execute(&mut connection).await.unwrap();
            }
        }
    }

    /// Opens it as it is.
    pub async fn try_open(&self, key: &str) -> Result<Arc<dyn Store>, StoreError> {
        evercal_storage::open(&StoreSettings::new(self.url.clone(), Keyring::parse(key).unwrap())).await
    }
}

/// Makes a test of each named function; `$fresh` gives an empty [`Database`].
#[macro_export]
macro_rules! tests_of {
    ($fresh:path; $($module:ident { $($name:ident,)* })*) => {
        $(mod $module {
            $(
                #[tokio::test]
                async fn $name() {
                    $crate::conformance::$module::$name(&$fresh()).await;
                }
            )*
        })*
    };
}

/// Makes the tests of a backend. A behaviour that is missing here is reported by the compiler as dead code.
#[macro_export]
macro_rules! conformance_tests {
    ($fresh:path) => {
        #[test]
        fn the_change_feed_is_exactly_the_difference_between_two_mirrors() {
            $crate::conformance::feed::the_change_feed_is_exactly_the_difference_between_two_mirrors(&$fresh());
        }

        #[test]
        fn whatever_reads_differently_after_a_commit_has_another_revision() {
            $crate::conformance::revisions::whatever_reads_differently_after_a_commit_has_another_revision(&$fresh());
        }

        $crate::tests_of! { $fresh;
            tenants {
                a_tenant_reads_back_and_lists_are_oldest_first,
                a_key_is_found_by_its_hash_until_it_or_its_tenant_is_revoked,
                keys_are_listed_for_their_tenant_only_and_unknown_ones_cannot_be_revoked,
                open_accounts_are_counted_for_each_tenant,
                a_tenant_never_has_more_accounts_than_its_limit_however_many_come_at_once,
                the_character_nul_in_a_name_is_replaced,
                an_id_that_exists_is_a_conflict,
            }
            accounts {
                an_account_reads_back_and_is_shown_to_its_tenant_only,
                accounts_page_without_doubles_and_leave_out_disconnected_ones,
                a_cursor_that_no_list_gave_is_refused,
                an_account_state_moves_and_keeps_the_moment_of_its_last_change,
                swapping_credentials_needs_the_version_that_was_read,
                erased_credentials_cannot_be_swapped_back_but_replaced,
                a_consent_waits_beside_the_tokens_until_it_is_settled,
                a_consent_of_another_user_replaces_nothing,
                a_user_is_connected_twice_in_a_tenant_only_where_that_was_asked_for,
                of_two_accounts_of_one_user_that_are_settled_at_once_one_is_the_duplicate,
                what_waits_for_a_workflow_is_listed_without_opening_anything,
                when_an_account_was_listed_and_watched_is_remembered,
                what_is_disconnected_stays_so_and_gets_no_new_credentials,
                credentials_do_not_open_with_another_key,
                a_shared_grant_is_seen_until_the_other_account_is_disconnected,
                a_consent_can_be_taken_once_and_in_time,
                asking_for_a_consent_removes_those_that_ran_out,
                what_came_of_a_consent_is_remembered_and_what_is_final_stays,
                a_second_consent_supersedes_the_first_one,
            }
            calendars {
                reconciling_adds_updates_and_names_what_vanished,
                a_calendar_whose_id_follows_an_address_is_the_same_calendar_under_a_new_one,
                reconciling_leaves_states_alone_and_revives_a_closed_calendar,
                calendars_are_shown_to_their_tenant_only,
                calendar_lists_page_and_leave_out_closed_ones,
                an_older_state_never_overwrites_a_newer_one,
                recording_a_state_keeps_the_moment_of_its_last_change,
                a_sync_starts_at_the_calendar_the_provider_and_the_position_that_the_single_reads_answer,
                unknown_calendars_are_not_found,
                what_the_account_may_not_see_any_more_is_not_read_and_the_rest_is_read_anew,
                with_another_zone_of_its_calendar_what_is_stored_of_series_counts_no_more,
                a_withdrawn_calendar_shows_nothing_and_is_erased_after_a_while_unless_it_comes_back,
            }
            channels {
                a_channel_goes_from_pending_to_live,
                inserting_a_channel_twice_changes_nothing,
                an_ended_channel_stays_ended_but_learns_its_resource,
                a_channel_that_is_extended_keeps_when_it_became_live,
                channels_of_a_calendar_are_listed_oldest_first,
                channels_that_are_over_are_not_among_those_alive,
                channels_of_a_list_of_calendars_are_the_accounts,
            }
            commits {
                a_page_moves_rows_cursor_and_revision_together,
                a_commit_on_an_old_revision_writes_nothing,
                who_takes_a_pass_over_goes_on_where_it_stands_and_shuts_out_the_one_before,
                a_commit_that_is_cut_off_leaves_all_or_nothing,
                only_true_differences_are_reported,
                the_same_item_twice_in_a_page_counts_once_and_the_last_wins,
                a_deletion_of_an_unknown_event_is_silent,
                a_sweep_deletes_what_the_full_pass_did_not_see_and_reports_it,
                finishing_a_pass_confirms_the_mirror_and_never_moves_back,
                an_unreadable_event_is_quarantined_and_the_rest_goes_on,
                an_event_leaves_quarantine_when_it_reads_again_or_is_deleted,
                an_event_that_becomes_unreadable_keeps_its_row_through_a_sweep,
                a_sweep_forgets_quarantined_items_that_are_gone,
                sequences_are_per_calendar_and_the_feed_pages,
                erasing_a_mirror_forgets_it_and_shuts_out_a_running_sync,
                the_sync_log_has_one_line_per_run_newest_first,
            }
            series {
                deleting_a_master_deletes_its_series_and_reports_each_row,
                an_exception_that_the_page_itself_names_survives_its_master,
                a_cancelled_occurrence_goes_with_its_master_in_any_order,
                a_cancelled_occurrence_waits_for_a_master_in_quarantine,
                related_rows_give_the_whole_series_of_what_is_named,
                a_snapshot_has_what_a_full_pass_did_not_see_where_it_ends,
                a_snapshot_has_the_quarantine_and_lonely_cancellations_where_there_are_any,
                master_ids_page_in_order,
                items_page_in_order_and_read_back_whole,
            }
            occurrences {
                a_range_is_half_open_for_instants_and_for_dates,
                something_without_duration_belongs_to_the_moment_it_starts,
                an_occurrence_reads_back_with_the_body_of_its_source,
                replacing_an_owner_leaves_no_old_occurrence_behind,
                replacing_outside_of_a_pass_needs_the_revision_and_moves_the_window,
                an_occurrence_without_its_source_is_not_read,
                paging_has_no_duplicate_and_no_gap_at_page_edges,
                a_page_goes_on_where_the_last_one_ended_after_a_write_in_between,
                all_day_ones_come_first_on_their_local_day_in_every_zone,
                what_began_long_before_a_range_is_found_however_long_it_is,
                of_series_only_the_window_is_read_where_that_is_asked_for,
                the_oldest_zone_data_of_a_calendar_are_known_until_all_is_made_anew,
            }
            revisions {
                a_commit_that_changes_nothing_for_readers_leaves_no_revision,
                after_a_return_from_a_backup_no_number_stands_for_something_else,
                a_change_moves_the_revision_of_the_ranges_that_it_touches_and_of_no_other,
                a_change_of_all_day_events_goes_by_date,
                one_occurrence_of_a_series_touches_its_places_and_a_new_title_all_of_them,
                a_series_may_touch_what_lies_outside_of_the_window,
                what_is_swept_or_erased_moves_the_revision_and_no_number_comes_back,
                a_row_whose_occurrences_are_not_replaced_counts_as_a_change_everywhere,
                a_window_that_rolls_touches_what_it_adds,
                ranges_in_which_nothing_changes_keep_their_revision_through_many_commits,
            }
            journal {
                an_audit_entry_is_written_once_and_lists_are_newest_first,
                a_tenant_sees_its_own_entries_and_those_of_the_installation,
                pages_of_the_audit_log_have_no_gap_where_several_entries_have_one_time,
                security_events_of_one_day_are_counted_in_one_row,
                a_flood_from_many_networks_takes_a_bounded_place_and_hides_no_other_kind,
                a_heartbeat_never_moves_back,
                the_heartbeats_of_a_kind_are_told_apart_and_forgotten_by_age_and_by_name,
                an_incident_is_one_with_one_alert_however_many_report_it,
                an_incident_that_was_reported_again_goes_on_beside_one_of_another_kind,
            }
            unreadable {
                an_event_that_cannot_be_read_leaves_the_others_alone_and_is_healed_by_a_fresh_copy,
                an_event_that_cannot_be_read_is_swept_like_any_other,
                lists_leave_out_what_cannot_be_read,
            }
            worklist {
                what_pages_name_is_to_be_fetched_until_a_page_has_it_or_says_that_it_is_gone,
                a_mirror_that_is_erased_has_nothing_to_fetch,
                an_occurrence_that_its_provider_makes_is_a_row_and_no_event,
            }
            upkeep {
                an_empty_database_is_given_an_id_that_all_its_processes_see,
                a_table_that_is_not_there_shows,
                tables_of_a_newer_version_are_not_migrated_and_the_error_says_what_to_do,
            }
            concurrency {
                two_stores_on_one_database_see_each_other,
                processes_that_start_together_all_open_a_new_database,
                of_two_commits_on_one_revision_exactly_one_wins,
                of_two_swaps_of_one_version_exactly_one_wins,
                of_many_takers_of_a_consent_exactly_one_gets_it,
                work_that_one_does_for_all_is_begun_by_one_and_taken_over_when_its_time_is_over,
                writers_of_two_stores_wait_for_each_other,
            }
        }
    };
}
