//! The store's one suite, run on SQLite and on PostgreSQL: every public function, what each
//! fence refuses, and what happens when many come at once.
//! Without `DOORWARD_TEST_POSTGRES` the PostgreSQL half fails; `scripts/with-postgres` sets it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "store/audit.rs"]
mod audit;
#[path = "store/authority.rs"]
mod authority;
#[path = "store/checkouts.rs"]
mod checkouts;
#[path = "store/coverage.rs"]
mod coverage;
#[path = "store/database.rs"]
mod database;
#[path = "store/factors.rs"]
mod factors;
#[path = "store/faults.rs"]
mod faults;
#[path = "store/files.rs"]
mod files;
#[path = "store/notices.rs"]
mod notices;
#[path = "store/people.rs"]
mod people;
#[path = "store/places.rs"]
mod places;
#[path = "store/races.rs"]
mod races;
#[path = "store/recordings.rs"]
mod recordings;
#[path = "store/sample.rs"]
mod sample;
#[path = "store/sessions.rs"]
mod sessions;
#[path = "store/upgrades.rs"]
mod upgrades;

/// One line a test; each runs on both databases, on an empty one of its own.
macro_rules! suite {
    ($($module:ident { $($test:ident)* })*) => {
        mod sqlite {
            $(mod $module { $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    crate::database::with_sqlite(crate::$module::$test).await;
                }
            )* })*
        }
        mod postgres {
            $(mod $module { $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    crate::database::with_postgres(crate::$module::$test).await;
                }
            )* })*
        }
    };
}

suite! {
    authority {
        the_first_user_authority_stays_and_is_rewrapped_once
    }
    people {
        a_user_reads_back_as_written
        a_name_is_taken_once
        a_change_of_what_somebody_else_changed_is_a_conflict
        the_last_admin_stays
        groups_and_their_members_read_back_from_both_sides
        a_key_belongs_to_one_user
        a_password_hash_is_kept_and_taken_away
        who_vouches_is_kept_credential_by_credential
        tokens_are_found_by_hash_and_removed
        a_cookie_ends_with_the_sign_in_it_came_out_of
        a_code_is_spent_once_and_goes_with_its_sign_in
        people_are_listed_filtered_sorted_and_paged
        approvers_are_those_who_could_answer
        a_removed_user_leaves_no_key_and_no_token
    }
    factors {
        a_seed_counts_once_shown_and_a_step_is_taken_once
        a_recovery_code_is_used_up_by_its_owner
        tries_are_counted_one_at_a_time
        half_a_sign_in_is_made_whole_once
        a_passkey_is_of_one_user_and_counts_upwards
        sign_ins_end_and_tokens_of_programs_stay
    }
    places {
        targets_read_back_and_are_guarded
        accounts_are_unique_on_a_target
        one_policy_is_the_default
        a_policy_in_use_stays
        a_place_is_found_or_refused_by_name
        the_accounts_policy_goes_before_the_targets
        a_place_that_is_not_for_the_asker_is_not_found
        places_are_listed_filtered_and_paged
        sealed_secrets_read_back_and_are_rewrapped_once
        facts_of_the_installation_are_kept
    }
    checkouts {
        every_state_reads_back_as_written
        a_retry_joins_the_pending_request
        a_code_is_taken_once
        a_stale_version_is_a_conflict
        an_exclusive_account_has_one_holder
        an_exclusive_account_is_shared_with_nobody
        the_schema_refuses_a_move_the_life_cycle_lacks
        what_is_due_comes_in_its_order
        what_has_lost_its_user_target_or_account_is_an_orphan
        ended_ones_are_told_to_those_who_ask
        open_ones_are_found_by_user_target_and_account
        the_list_filters_by_everything_people_see
        the_list_holds_what_its_reader_may_see
        the_list_sorts_by_every_column_and_pages_without_a_gap
        a_foreign_cursor_is_refused
    }
    sessions {
        a_session_opens_only_under_an_active_checkout
        a_session_closes_once
        no_more_open_at_once_than_allowed
        what_a_peer_says_of_itself_is_made_inert
        the_sessions_of_a_lost_node_are_closed_with_an_audit_event_each
        sessions_are_listed_with_the_names_people_know
    }
    recordings {
        recordings_are_entered_finished_and_listed
        a_list_holds_what_its_reader_may_see
        keys_are_rewrapped_unless_the_recording_was_deleted
        what_is_due_is_deleted_once_and_its_file_remembered_until_it_is_gone
        what_a_crash_left_without_an_end_is_found
    }
    notices {
        channels_read_back_and_their_secrets_are_rewrapped_once
        what_is_told_is_sorted_once_and_pruned_when_nothing_of_it_waits
        a_delivery_is_taken_by_one_and_ends_once
        what_ends_soon_is_found_until_its_holder_is_warned
        what_somebody_does_not_want_to_be_told_is_kept
    }
    files {
        files_are_entered_once_and_listed_in_their_order
    }
    audit {
        a_transaction_that_fails_leaves_no_audit_record
        the_chain_links_each_record_to_the_one_before
        records_are_found_by_what_they_are_about
        a_whole_chain_is_whole
        a_changed_byte_is_found_in_every_column
        swapped_rows_are_found
        a_missing_row_is_found
        a_cut_tail_is_found_by_the_checkpoint
        a_tail_cut_with_its_checkpoints_is_found_by_the_witness
        an_older_copy_put_back_is_found
        the_witness_follows_a_whole_log
        a_rewritten_chain_is_found_by_the_signature
        a_checkpoint_of_another_key_is_refused
        an_export_is_verified_without_the_database
        verifying_while_others_append_finds_nothing
    }
    upgrades {
        who_vouched_for_a_user_vouches_for_each_credential
    }
    races {
        of_a_hundred_updates_of_one_version_one_wins
        forty_audited_transactions_at_once_leave_no_hole
        of_a_hundred_activations_of_an_exclusive_account_one_wins
        whoever_holds_an_account_alone_is_alone_however_many_come
        of_many_retries_at_once_one_is_new_and_the_others_join
        of_two_admins_who_demote_each_other_one_stays
        no_session_slips_past_a_revoke
        no_race_opens_more_sessions_than_allowed
        a_dropped_transaction_lets_the_next_one_pass
        a_transaction_in_which_something_failed_does_not_commit
    }
}
