//! What users and operators rely on, whichever the provider: the list of all behaviours, each a function of its own in the file
//! of its subject. A provider makes tests of them with `behaviours!` in the module of its name.

use std::collections::BTreeSet;
use std::path::Path;

/// Makes a test of each named function, and a list of them. What stands in brackets is what a provider has to have for it: of one
/// that has not, nothing is to be seen.
macro_rules! tests_of {
    ($provider:ty; $($module:ident { $($name:ident $([$has:ident])?,)* })*) => {
        $(mod $module {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $name() {
                    $(if !<$provider as evercal_tests::ProviderUnderTest>::nature().$has() {
                        println!("nothing to see: of the provider it is not true that it {}", stringify!($has));
                        return;
                    })?
                    crate::$module::$name::<$provider>().await;
                }
            )*
        })*

        /// The behaviours that are tested, by module and name.
        pub const LISTED: &[(&str, &str)] = &[$($((stringify!($module), stringify!($name)),)*)*];
    };
}

/// Makes the tests of a provider.
macro_rules! behaviours {
    ($provider:ty) => {
        $crate::behaviours::tests_of! { $provider;
            accounts {
                a_new_consent_heals_calendars_whose_account_workflow_was_lost_with_the_grant,
                a_consent_of_another_user_gets_an_error_page_and_the_account_works_on,
                a_consent_of_another_user_heals_no_dead_grant_and_the_right_one_does,
                the_same_user_twice_is_reported_at_once_and_mirrored_twice_only_when_asked_for,
                a_wish_of_a_day_on_the_list_holds_neither_a_new_consent_nor_a_refresh_and_is_shown_with_its_end,
                a_wish_of_a_day_with_the_channel_on_the_list_is_shown_with_its_end_and_a_refresh_passes_it [has_list_push],
                an_installation_that_the_provider_does_not_accept_is_the_operators_affair_and_heals_by_itself,
                a_client_secret_that_is_not_accepted_any_more_is_the_operators_alert_and_no_users_state,
                a_list_of_endless_empty_pages_costs_a_bounded_number_of_calls_and_is_said [has_push],
                of_more_calendars_than_an_account_may_have_the_first_are_listed_with_a_warning,
                more_calendars_than_one_run_of_the_account_can_start_are_all_watched_and_all_closed [has_push],
                new_renamed_and_rezoned_calendars_show_by_the_channel_on_the_list [has_list_push],
                the_channel_on_the_list_is_renewed_before_it_ends_and_the_old_one_stopped [has_list_push],
                terminated_workflows_are_found_shown_and_started_again_by_the_check_of_the_fleet [has_push],
                a_calendar_that_needed_action_is_tried_twice_with_each_listing_until_it_works [has_push],
                a_listing_that_is_asked_for_during_one_comes_after_it [has_push],
            }
            builds {
                work_goes_to_the_promoted_build_and_a_living_subscription_moves_over,
            }
            confirmed {
                a_pass_that_a_later_attempt_ends_proves_what_was_there_when_it_began,
                a_change_whose_notice_came_is_confirmed_by_push_although_its_first_sync_failed [has_push],
            }
            disconnect {
                a_disconnected_account_leaves_no_channel_no_token_and_no_grant [has_push],
                while_the_provider_asks_to_wait_with_stopping_channels_the_account_says_until_when [has_push],
                while_the_provider_asks_to_wait_with_revoking_the_account_says_until_when [takes_grants_back],
                a_subscription_that_was_lost_leaves_no_channel_behind_when_its_account_is_disconnected [has_push],
                a_subscription_that_was_lost_leaves_no_channel_behind_when_its_account_is_cancelled [has_push],
                a_disconnect_while_many_calendars_are_being_connected_closes_each_of_them [has_push],
                a_disconnect_does_not_wait_for_a_provider_that_gives_no_tokens,
                a_disconnect_does_not_wait_for_a_list_of_calendars_that_never_comes,
                tokens_and_mirror_are_erased_although_the_provider_never_takes_the_grant_back [takes_grants_back],
                a_channel_that_cannot_be_stopped_keeps_no_other_one_alive [has_push],
            }
            faults {
                a_fault_at_any_call_of_connecting_leaves_a_mirrored_and_watched_calendar [has_push],
                a_fault_at_any_call_of_a_full_read_leaves_an_equal_mirror,
                a_fault_at_any_call_of_reading_what_changed_leaves_an_equal_mirror,
                a_fault_at_any_call_of_a_renewal_leaves_one_live_channel [has_push],
                a_fault_at_any_call_of_disconnecting_leaves_no_channel_no_token_and_no_grant [has_push],
            }
            continue_as_new {
                a_polled_calendar_whose_grant_is_dead_continues_as_new_and_is_read_again_after_a_consent [has_push],
                a_run_that_continues_as_new_writes_no_change_of_state,
                an_accounts_run_that_continues_as_new_writes_no_change_of_state,
                a_pause_that_the_provider_asked_for_goes_on_in_the_next_run,
                a_sync_in_its_backoff_does_not_hold_continue_as_new_up,
                a_cancellation_that_meets_continue_as_new_closes_in_order [has_push],
            }
            histories {
                a_life_without_trouble_replays,
                the_ladder_the_poller_and_the_way_back_replay [has_push],
                a_calendar_that_cannot_be_watched_replays [has_push],
                a_lost_grant_and_a_new_consent_replay,
                a_calendar_that_is_taken_away_and_given_back_replays,
                a_calendar_that_vanishes_from_the_list_replays,
                what_a_provider_says_of_a_channel_is_acted_on_and_replays [has_push],
                a_wait_for_the_quota_that_an_operator_overtakes_replays,
                a_read_in_many_slices_replays,
                workflows_that_an_operator_cancels_close_in_order_and_replay [has_push],
                a_disconnect_whose_workflows_were_lost_ends_in_order_and_replays [has_push],
                all_strategies_one_after_the_other_replay [has_push],
                subscriptions_that_continue_as_new_replay [has_push],
                accounts_that_continue_as_new_replay [has_push],
                an_account_that_is_cancelled_ends_subscriptions_that_an_earlier_run_started [has_push],
                a_cancel_that_meets_continue_as_new_of_an_account_takes_everything_down [has_push],
                a_subscription_that_an_operator_cancels_closes_in_order_and_replays [has_push],
                a_cancelled_subscription_signals_its_account_and_waits_for_no_poller_that_was_lost [has_push],
                pollers_that_continue_as_new_replay,
                a_poller_whose_subscription_is_gone_ends_by_itself,
            }
            lessons {
                notice_during_pull_gives_exactly_one_follow_up [has_push],
                debounce_is_bounded_under_endless_notices [has_push],
                a_refused_access_token_is_refreshed_once_and_not_sent_again,
                a_revoked_grant_asks_for_a_consent_and_starts_no_full_pass,
                a_first_read_that_is_pushed_aside_goes_on_where_it_was_and_stops_behind,
                renewal_404_moves_to_action_required_and_is_tried_more_and_more_rarely [has_push],
                a_late_notice_of_a_stopped_channel_starts_nothing [replaces_channels],
            }
            main_job {
                a_connected_calendar_is_mirrored_and_a_change_shows_without_anybody_asking,
                deletes_in_the_gap_are_found_by_mark_and_sweep,
                unwatchable_calendar_becomes_poll_only_and_leaves_importing [has_push],
                worker_restart_creates_no_second_channel [has_push],
                hung_provider_call_frees_its_slot,
            }
            memory {
                a_worker_that_has_grown_too_large_lets_go_of_its_workflows_and_goes_on_with_them,
            }
            moving {
                a_store_that_moves_to_postgresql_and_another_temporal_goes_on_where_it_was [has_push],
            }
            notices {
                a_forged_notice_is_refused_and_written_into_the_security_log [has_push],
                a_notice_for_an_unknown_calendar_is_acknowledged_and_starts_nothing [has_push],
                orphan_channel_with_valid_token_is_stopped_once [has_push],
                hundred_notices_run_one_pull_at_a_time [has_push],
                notices_that_nobody_took_are_made_good_by_the_next_gateway [has_push],
                bad_input_gets_its_answer_and_a_real_change_right_after_is_not_lost [has_push],
            }
            outage {
                a_channel_that_runs_out_is_polled_for_and_opened_anew_when_that_is_possible [has_push],
                attempts_that_are_not_made_while_the_provider_refuses_everybody_leave_nothing_in_the_register [has_push],
                while_the_provider_refuses_everybody_it_is_asked_neither_for_lists_nor_for_channels_on_them [has_list_push],
            }
            payloads {
                with_a_key_temporal_keeps_nothing_readable_and_what_ran_before_goes_on,
                an_account_that_is_connected_under_a_key_is_sealed_from_its_first_event_on,
                why_a_subscription_refuses_a_sync_is_answered_under_a_key_as_without,
                a_new_key_beside_the_old_one_reads_all_and_a_wrong_key_loses_nothing,
            }
            provider_off {
                an_account_of_a_provider_that_is_off_says_so_and_goes_on_by_itself_when_it_is_on_again,
                a_worker_with_wrong_settings_ends_no_grant_that_another_can_revoke [takes_grants_back],
                an_account_of_a_provider_that_is_off_can_be_disconnected_and_says_what_was_left [has_push],
            }
            recovery {
                when_a_provider_answers_again_nobody_waits_for_an_old_backoff,
                a_refusal_of_the_whole_installation_pauses_it_raises_one_alert_and_is_over_by_itself,
                a_page_for_people_instead_of_an_answer_is_a_refusal_of_the_installation,
                only_a_refusal_of_this_calendar_needs_action_names_it_and_is_tried_again_by_itself,
                a_refusal_of_all_calendars_of_an_account_is_nobodys_sharing,
                a_wish_of_a_day_is_shown_with_its_end_after_an_hour_at_most_and_a_person_passes_it,
                a_new_consent_passes_a_wait_that_the_provider_asked_for,
                a_retry_that_is_asked_for_during_an_attempt_follows_when_that_attempt_fails,
                a_retry_that_is_asked_for_during_the_last_attempt_follows_too,
                a_list_of_empty_pages_without_an_end_is_given_up_shown_and_read_anew,
                a_reduced_share_shows_nothing_more_than_it_may_from_the_next_read_on_and_one_that_ended_nothing,
                a_share_whose_role_is_none_from_now_on_serves_nothing_and_is_erased_a_day_later,
                a_role_that_falls_is_seen_by_the_next_sync_too,
                a_calendar_that_is_listed_again_while_its_subscription_ends_is_watched_again_when_it_has_ended [has_push],
            }
            secrets {
                neither_tokens_nor_event_text_are_found_in_temporal_logs_or_the_database_file,
            }
            store {
                a_disk_that_is_full_for_a_moment_or_a_minute_stops_nothing_for_longer,
                a_subscription_whose_calendar_is_gone_from_the_store_ends_by_itself_and_the_calendar_is_found_anew [has_push],
                rights_that_are_taken_away_for_a_while_cost_no_calendar_more_than_that_while,
                what_the_store_refuses_of_one_calendar_alone_is_shown_in_its_state_and_is_no_end,
                a_worker_with_another_database_takes_no_work,
                while_an_empty_database_is_in_the_place_of_the_store_nobody_works_with_it,
                tables_that_are_locked_make_reads_fail_soon_and_health_shows_it,
                a_channel_of_a_calendar_that_nobody_knows_any_more_is_stopped_when_its_notice_comes [has_push],
            }
            store_gone {
                whoever_is_not_let_in_finds_no_database_or_may_not_write_says_so_and_goes_on_when_it_is_over,
                a_restart_of_the_server_costs_no_calendar_more_than_the_restart,
                a_gateway_and_a_worker_that_start_without_a_right_or_a_table_serve_nobody_until_it_is_there,
                a_worker_whose_store_goes_wrong_begins_nothing_until_it_is_right_again,
            }
            strategies {
                where_polling_is_chosen_changes_arrive_and_no_channel_is_ever_asked_for,
                where_both_are_chosen_notices_bring_changes_and_the_poller_finds_the_rest [has_push],
                a_strategy_that_is_chosen_anew_reaches_subscriptions_that_run [has_push],
                a_chosen_poller_that_somebody_ended_is_missed_by_the_next_run,
            }
            year {
                renewal_survives_without_any_cron [has_push],
                renewal_has_zero_coverage_gap [has_push],
                when_renewals_fail_for_days_the_ladder_the_poller_and_an_alert_come_and_go [has_push],
                bulk_connect_spreads_renewals [has_push],
            }
        }
    };
}

pub(crate) use {behaviours, tests_of};

/// What is tested with each provider.
const TESTED: [(&str, &[(&str, &str)]); 1] = [("google", crate::google::LISTED)];

/// The names of all behaviours in a file, or in the files of a folder.
fn written(path: &Path, module: &str, found: &mut BTreeSet<(String, String)>) {
    if path.is_dir() {
        for entry in std::fs::read_dir(path).unwrap().map(Result::unwrap) {
            written(&entry.path(), module, found);
        }
        return;
    }
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let name = line.strip_prefix("pub async fn ").and_then(|line| line.split_once('<'));
        found.extend(name.map(|(name, _)| (module.to_owned(), name.to_owned())));
    }
}

#[test]
fn every_behaviour_is_tested_with_every_provider() {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/system")).unwrap() {
        let path = entry.unwrap().path();
        written(&path, &path.file_stem().unwrap().to_string_lossy(), &mut found);
    }
    assert!(found.len() > 100, "only {} behaviours were found: does the test check anything?", found.len());
    for (provider, listed) in TESTED {
        let listed: BTreeSet<_> =
            listed.iter().map(|(module, name)| ((*module).to_owned(), (*name).to_owned())).collect();
        let missing: Vec<_> = found.difference(&listed).collect();
        assert!(missing.is_empty(), "not tested with {provider}: {missing:?}");
    }
}
