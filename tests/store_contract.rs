//! What every store must do, whatever it is made of. One function for each rule; an adapter passes them all or is none.
//!
//! A new adapter adds one line at the end: `store_contract!(name, make_fixture, attribute_of_each_test);`.

mod fixture;
mod money;
mod pages;
mod queue;
mod saving;
mod sqlite_only;
mod takeover;
mod watching;

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
            saving::what_is_created_is_there,
            saving::all_are_created_or_none,
            saving::a_thousand_jobs_are_created_at_once,
            saving::a_save_needs_the_newest_revision,
            saving::of_eight_savers_one_wins_each_round,
            saving::a_job_that_is_not_there_is_not_saved,
            saving::a_refused_save_spoils_no_other,
            money::charges_come_with_the_job,
            money::no_save_books_twice,
            money::settling_replaces_amount_and_basis,
            money::a_charge_that_is_withdrawn_is_gone,
            money::a_conflict_books_nothing,
            money::a_cap_is_reached_but_never_passed,
            money::a_cap_counts_what_is_charged_and_reserved,
            money::budgets_hold_per_period_and_kind_of_money,
            money::an_unknown_price_fits_under_no_cap,
            money::costs_are_grouped_in_four_ways,
            money::costs_have_a_beginning_and_an_end,
            money::costs_are_exact_over_any_span,
            takeover::what_an_old_backend_left_is_taken_over_once,
            takeover::partial_day_keeps_imported_costs_exact,
            takeover::nothing_that_is_there_is_overwritten,
            takeover::entry_without_id_is_identified_by_content,
            takeover::native_job_and_charges_import_in_any_order,
            takeover::imported_money_counts_under_a_cap,
            takeover::what_was_taken_over_is_told_as_it_came,
            takeover::exported_native_jobs_lose_nothing,
            takeover::external_job_continues_without_paying_twice,
            queue::the_oldest_queued_job_is_due_first,
            queue::what_is_under_way_comes_before_what_is_queued,
            queue::a_claim_keeps_others_off_until_it_runs_out,
            queue::claims_of_gone_workers_do_not_count,
            queue::nothing_is_due_before_its_time,
            queue::simulated_and_real_jobs_do_not_meet,
            queue::next_due_is_the_next_instant_that_changes_due,
            pages::a_page_is_in_order_and_ties_are_broken_by_id,
            pages::pages_have_no_gap_and_no_repetition,
            pages::a_page_takes_stages_and_times,
            pages::hidden_jobs_are_shown_on_request,
            pages::a_search_takes_every_letter_as_it_is,
            pages::a_prefix_finds_ids_in_order,
            pages::counts_are_by_stage,
            watching::changes_of_this_store_arrive,
            watching::changes_of_another_process_arrive,
            watching::a_watch_begins_with_the_present,
            watching::many_changes_of_one_job_are_one,
            watching::a_flood_arrives_in_portions_and_whole,
            watching::a_dropped_wait_loses_nothing,
        }
    };
}

store_contract!(sqlite, super::fixture::sqlite, cfg(true));

#[cfg(all(unix, feature = "firestore"))]
store_contract!(
    firestore,
    super::fixture::firestore,
    cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")
);
