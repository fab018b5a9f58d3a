//! What every store must do: one function per rule, run against every adapter.
//!
//! A new adapter adds one line at the end: `store_contract!(name, make_fixture, attribute_of_each_test);`. `rules_are_all_listed` fails for a rule that
//! is missing from the list.

mod due;
mod fixture;
mod import;
mod list;
mod money;
mod retention;
mod save;
mod shared_records;
mod sqlite_only;
mod tasks;
mod watch;

/// Runs each named rule against fixtures of one adapter.
macro_rules! rules {
    ($adapter:ident, $make:path, $attribute:meta; $($room:ident :: $rule:ident),+ $(,)?) => {
        mod $adapter {
            $(
                #[$attribute]
                #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                async fn $rule() {
                    super::$room::$rule($make().await).await;
                }
            )+
        }
    };
}

/// All rules of the port.
macro_rules! store_contract {
    ($adapter:ident, $make:path, $attribute:meta) => {
        rules! {
            $adapter, $make, $attribute;
            save::created_jobs_can_be_read,
            save::create_is_all_or_nothing,
            save::create_accepts_a_thousand_jobs,
            save::save_requires_latest_revision,
            save::concurrent_saves_have_one_winner,
            save::save_of_missing_job_is_not_found,
            save::rejected_save_does_not_affect_others,
            money::charges_are_saved_with_the_job,
            money::repeated_save_charges_once,
            money::settlement_replaces_amount_and_basis,
            money::removed_charge_leaves_the_ledger,
            money::conflict_records_no_charge,
            money::cap_is_reached_never_exceeded,
            money::cap_counts_charges_and_reservations,
            money::caps_apply_per_period_and_provider,
            money::unknown_price_exceeds_every_cap,
            money::store_caps_bind_every_process,
            money::model_cap_counts_only_its_model,
            money::unpriced_charge_counts_as_highest_price,
            money::storage_reservation_lasts_until_stored,
            money::report_groups_every_way,
            money::report_span_is_half_open,
            money::report_is_exact_over_any_span,
            money::uncertain_charges_are_listed,
            money::simulated_charges_hide_no_real_ones,
            money::resolved_charge_counts_once,
            money::charges_count_for_their_tags,
            money::jobs_of_a_line_are_found,
            import::external_history_is_imported_once,
            import::partial_day_report_is_exact,
            import::spellings_of_a_model_are_one_model,
            import::import_never_overwrites,
            import::entry_without_id_is_matched_by_content,
            import::native_job_imports_its_charges_in_any_order,
            import::uncertain_charge_and_its_entry_count_once,
            import::entries_of_a_replaced_job_are_imported,
            import::imported_money_counts_toward_caps,
            import::imported_documents_export_unchanged,
            import::native_jobs_export_completely,
            import::unchanged_imports_can_be_removed,
            import::undo_of_jobs_leaves_imported_costs,
            import::external_job_continues_without_second_charge,
            retention::charges_of_removed_jobs_stay,
            retention::changed_and_unfinished_jobs_are_kept,
            retention::saves_of_removed_jobs_are_refused,
            retention::watches_report_removed_jobs,
            retention::exported_job_comes_back_with_one_charge,
            retention::undo_of_restored_job_keeps_its_charges,
            tasks::tasks_are_limited_across_workers,
            tasks::expired_claims_block_no_task,
            tasks::finished_and_other_jobs_are_no_tasks,
            tasks::model_limit_counts_only_its_model,
            tasks::limit_holds_under_concurrent_submits,
            money::unconfirmed_charge_counts_when_it_was_sent,
            due::oldest_queued_job_is_due_first,
            due::active_jobs_are_due_before_queued_ones,
            due::claim_excludes_others_until_it_expires,
            due::claims_of_dead_workers_are_ignored,
            due::not_before_delays_due,
            due::simulated_and_real_jobs_are_separate,
            due::next_due_is_the_earliest_change,
            list::page_is_ordered_with_ties_by_id,
            list::pages_have_no_gaps_or_duplicates,
            list::page_filters_by_stage_and_time,
            list::sorted_pages_are_complete,
            list::page_includes_hidden_on_request,
            list::search_is_literal,
            list::filter_lists_and_counts_what_matches,
            list::find_returns_ids_by_prefix,
            list::counts_are_by_stage,
            shared_records::record_is_read_as_it_was_written,
            shared_records::record_needs_its_latest_revision,
            shared_records::created_record_has_one_winner,
            shared_records::repeated_write_is_recognised,
            shared_records::newest_records_come_first,
            shared_records::kinds_and_ids_do_not_mix,
            watch::own_changes_arrive,
            watch::changes_of_other_processes_arrive,
            watch::watched_record_arrives,
            watch::change_of_the_caps_arrives,
            watch::watch_starts_at_the_present,
            watch::changes_of_one_job_are_coalesced,
            watch::many_changes_arrive_in_batches,
            watch::cancelled_wait_loses_no_change,
        }
    };
}

store_contract!(sqlite, super::fixture::sqlite, cfg(true));
store_contract!(sqlite_in_memory, super::fixture::sqlite_in_memory, cfg(true));

#[cfg(all(unix, feature = "firestore"))]
store_contract!(
    firestore,
    super::fixture::firestore,
    cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")
);

#[test]
fn rules_are_all_listed() {
    let list = include_str!("store_contract.rs");
    for (room, source) in [
        ("save", include_str!("store_contract/save.rs")),
        ("money", include_str!("store_contract/money.rs")),
        ("import", include_str!("store_contract/import.rs")),
        ("retention", include_str!("store_contract/retention.rs")),
        ("due", include_str!("store_contract/due.rs")),
        ("tasks", include_str!("store_contract/tasks.rs")),
        ("list", include_str!("store_contract/list.rs")),
        ("shared_records", include_str!("store_contract/shared_records.rs")),
        ("watch", include_str!("store_contract/watch.rs")),
    ] {
        let rules: Vec<&str> = source
            .lines()
            .filter_map(|line| line.strip_prefix("pub async fn ")?.strip_suffix("(fixture: Fixture) {"))
            .collect();
        assert!(rules.len() > 4, "{room}: {rules:?}");
        for rule in rules {
            assert!(list.contains(&format!("            {room}::{rule},\n")), "{room}::{rule} is not listed");
        }
    }
}
