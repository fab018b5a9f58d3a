//! The limits of a job in `darkroom.job`: other programs can write to a shared store and to files. Within these limits no sum, no
//! number and no time overflows, and no amount makes room under a cap.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use crate::costs::{Credits, MAX_CHARGE_USD, Usd};
use crate::jobs::{Attempt, Job, MAX_ATTEMPT_NUMBER, Outcome, Stage};
use crate::time::VALID_SECONDS;

/// Errors: one line.
pub(super) fn check(job: &Job) -> Result<(), String> {
    if job.attempts.iter().any(|attempt| !(1..=MAX_ATTEMPT_NUMBER).contains(&attempt.number)) {
        return Err(format!("darkroom.job has an attempt whose number is not one of 1 to {MAX_ATTEMPT_NUMBER}"));
    }
    let limit = Usd::new(Decimal::from(MAX_CHARGE_USD));
    for (what, amount) in job.attempts.iter().flat_map(amounts) {
        if amount < Usd::ZERO {
            return Err(format!("darkroom.job has a negative {what}"));
        }
        if amount > limit {
            return Err(format!("darkroom.job has a {what} that exceeds the limit of {MAX_CHARGE_USD} dollars"));
        }
    }
    match times(job).into_iter().find(|at| !VALID_SECONDS.contains(&at.timestamp())) {
        Some(at) => Err(format!("darkroom.job has {at}, which is not a valid time")),
        None => Ok(()),
    }
}

/// What an attempt says about money.
fn amounts(attempt: &Attempt) -> Vec<(&'static str, Usd)> {
    let resolved = attempt.resolution.as_ref().map(|resolution| &resolution.charge);
    let corrected = attempt.resolution.iter().flat_map(|resolution| &resolution.corrected);
    let corrected = corrected.map(|answer| ("charge", answer.amount));
    let charges = attempt.charges().chain(resolved).map(|charge| ("charge", charge.amount)).chain(corrected);
    let quoted = attempt.receipt.as_ref().and_then(|receipt| receipt.cost).map(Credits::to_usd);
    let prices = [attempt.estimate, quoted].map(|amount| ("price", amount));
    let reserved = [attempt.reserved, attempt.storage_reserved].map(|amount| ("reservation", amount));
    charges.chain(prices).chain(reserved).filter_map(|(what, amount)| Some((what, amount?))).collect()
}

/// Every time that the job has.
fn times(job: &Job) -> Vec<DateTime<Utc>> {
    let mut times = vec![job.created_at, job.updated_at];
    times.extend(job.not_before);
    times.extend(job.claim.as_ref().map(|claim| claim.until));
    if let Stage::Failed { failure } = &job.stage {
        times.push(failure.at);
    }
    for attempt in &job.attempts {
        times.push(attempt.created_at);
        times.extend([attempt.submitted_at, attempt.recheck_since, attempt.link_expires_at].into_iter().flatten());
        times.extend(attempt.steps.iter().flat_map(|step| [Some(step.started_at), step.ended_at]).flatten());
        times.extend(attempt.receipt.as_ref().map(|receipt| receipt.accepted_at));
        times.extend(attempt.charges().map(|charge| charge.at));
        if let Some(resolution) = &attempt.resolution {
            times.extend([resolution.at, resolution.charge.at]);
            times.extend(resolution.overruled_at);
            times.extend(resolution.corrected.iter().map(|answer| answer.at));
        }
        if let Some(Outcome::Failed { failure }) = &attempt.outcome {
            times.push(failure.at);
        }
    }
    times
}

#[cfg(test)]
mod tests {
    use chrono::Datelike;
    use serde_json::Value;

    use super::super::Fields;
    use super::super::job::parse_native;
    use super::*;
    use crate::costs::{Basis, Charge, Service};
    use crate::jobs::{JobId, Receipt, Spec, Ticket};
    use crate::provider::ResultLink;

    /// What a reader makes of a document with such a job.
    fn read(change: impl FnOnce(&mut Job)) -> Result<Job, String> {
        let id = JobId::new("a").unwrap();
        let mut job = Job::new(id.clone(), Spec::new("flux-dev", "a fox"), true, DateTime::UNIX_EPOCH);
        change(&mut job);
        let text = Value::String(serde_json::to_string(&job).unwrap());
        parse_native(&id, &Fields::from_iter([("job".to_owned(), text)]), &Fields::new())
    }

    fn usd(text: &str) -> Usd {
        text.parse().unwrap()
    }

    fn receipt(accepted_at: DateTime<Utc>, cost: &str) -> Receipt {
        let ticket = Ticket { id: "t".to_owned(), polling_url: String::new() };
        let cost = Some(Credits::new(cost.parse().unwrap()));
        Receipt { ticket, cost, input_megapixels: None, output_megapixels: None, accepted_at }
    }

    #[test]
    fn native_amounts_have_the_limits_of_entries() {
        type Set = fn(&mut Attempt, Option<Usd>);
        let fields: [(Set, &str); 4] = [
            (|attempt, amount| attempt.reserved = amount, "reservation"),
            (|attempt, amount| attempt.storage_reserved = amount, "reservation"),
            (|attempt, amount| attempt.estimate = amount, "price"),
            (
                |attempt, amount| {
                    let (service, basis, model) = (Service::GoogleStorage, Basis::Settled, "flux-dev".to_owned());
                    let at = DateTime::UNIX_EPOCH;
                    attempt.storage_charge = Some(Charge { service, amount, basis, model, at, simulated: true });
                },
                "charge",
            ),
        ];
        for (set, what) in fields {
            let with = |amount: &str| read(|job| set(&mut job.attempts[0], Some(usd(amount))));
            assert!(with("1000000").is_ok() && with("0").is_ok(), "{what}");
            assert!(with("1000000.01").unwrap_err().contains("exceeds the limit"), "{what}");
            assert_eq!(with("-0.01").unwrap_err(), format!("darkroom.job has a negative {what}"));
        }
        let quoted = read(|job| job.attempts[0].receipt = Some(receipt(DateTime::UNIX_EPOCH, "-1")));
        assert!(quoted.unwrap_err().contains("negative price"));
    }

    #[test]
    fn native_times_are_those_of_the_contract() {
        let far: DateTime<Utc> = "+262142-12-31T23:59:59Z".parse().unwrap();
        for at in [far, DateTime::<Utc>::MIN_UTC] {
            for read in [
                read(|job| job.updated_at = at),
                read(|job| job.not_before = Some(at)),
                read(|job| job.attempts[0].receipt = Some(receipt(at, "4"))),
                read(|job| job.attempts[0].begin(crate::jobs::StepName::Submit, at)),
            ] {
                assert!(read.unwrap_err().contains("not a valid time"), "{at}");
            }
        }
    }

    #[test]
    fn link_without_an_end_leaves_a_job_readable() {
        for (expiry, year) in
            [("9999-12-31T23:59:59Z", 2199), ("0001-01-01T00:00:00Z", 1970), ("2026-11-29T10:00:00Z", 2026)]
        {
            let link = ResultLink::new(format!("https://delivery.example/a.png?se={expiry}&sig=x"));
            let job = read(|job| job.attempts[0].link_expires_at = link.expires_at()).unwrap();
            assert_eq!(job.attempts[0].link_expires_at.unwrap().year(), year);
        }
    }

    #[test]
    fn native_attempt_numbers_are_bounded() {
        for number in [0, MAX_ATTEMPT_NUMBER + 1, u32::MAX] {
            assert!(read(|job| job.attempts[0].number = number).unwrap_err().contains("number"), "{number}");
        }
        assert!(read(|job| job.attempts[0].number = MAX_ATTEMPT_NUMBER).is_ok());
    }
}
