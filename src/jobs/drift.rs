//! Three numbers that must agree: our estimate, the provider's quote, and the settled charge.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::{Attempt, Job};
use crate::costs::{Basis, Usd};

/// Pixels of one megapixel on the bill.
const MEGAPIXEL: u64 = 1_048_576;

/// What an attempt was estimated, quoted and charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PriceTrail {
    /// Before the submit, by our own table.
    pub estimate: Option<Usd>,
    /// In the reply to the submit.
    pub quote: Option<Usd>,
    /// On the finished ticket, or on the bill.
    pub settled: Option<Usd>,
}

impl PriceTrail {
    /// The last number minus the first, where they differ: what the estimate was wrong by.
    pub fn drift(&self) -> Option<Usd> {
        let numbers = [self.estimate, self.quote, self.settled];
        let mut known = numbers.into_iter().flatten();
        let first = known.next()?;
        let last = known.next_back()?;
        (last != first).then(|| last - first)
    }

    /// `estimate $0.03, quote $0.03, settled $0.045`; `None` where fewer than two numbers are known.
    pub fn line(&self) -> Option<String> {
        let numbers = [("estimate", self.estimate), ("quote", self.quote), ("settled", self.settled)];
        let known: Vec<String> =
            numbers.into_iter().filter_map(|(name, usd)| Some(format!("{name} {}", usd?.display()))).collect();
        (known.len() > 1).then(|| known.join(", "))
    }

    /// Whether the provider charged another price than it had quoted.
    pub fn is_requoted(&self) -> bool {
        self.quote.zip(self.settled).is_some_and(|(quote, settled)| quote != settled)
    }
}

impl Attempt {
    /// Its three numbers; `None` before it was accepted.
    pub fn price_trail(&self) -> Option<PriceTrail> {
        let charge = self.charge.as_ref()?;
        Some(PriceTrail {
            estimate: self.estimate,
            quote: self.receipt.as_ref().and_then(|receipt| receipt.cost).map(crate::costs::Credits::to_usd),
            settled: charge.amount.filter(|_| charge.basis == Basis::Settled),
        })
    }

    /// The three numbers and, where they differ, by how much and why: one line. `None` where there is nothing to compare.
    pub fn price_line(&self, size: Option<(u32, u32)>) -> Option<String> {
        let trail = self.price_trail()?;
        let line = trail.line()?;
        let Some(drift) = trail.drift() else { return Some(line) };
        let sign = if drift > Usd::ZERO { "+" } else { "" };
        let cause = self.drift_cause(size).unwrap_or_default();
        Some(format!("{line} ({sign}{}: {cause})", drift.display()))
    }

    /// The likely cause of a drift, in one line; `None` where the numbers agree. `size` is the requested output in pixels.
    pub fn drift_cause(&self, size: Option<(u32, u32)>) -> Option<String> {
        let trail = self.price_trail()?;
        trail.drift()?;
        if self.resolution.as_ref().is_some_and(|resolution| resolution.overruled_at.is_none()) {
            return Some("an operator booked the amount on the bill".to_owned());
        }
        if trail.is_requoted() {
            return Some("the provider charged another price than it had quoted".to_owned());
        }
        let receipt = self.receipt.as_ref()?;
        let billed = |megapixels: Option<Decimal>| megapixels.map(|megapixels| megapixels.ceil().max(Decimal::ONE));
        let requested = size.map(|(width, height)| (u64::from(width) * u64::from(height)).div_ceil(MEGAPIXEL).max(1));
        if let Some((output, requested)) = billed(receipt.output_megapixels).zip(requested)
            && output != Decimal::from(requested)
        {
            return Some(format!("the provider counted {output} MP of output, we {requested}"));
        }
        if receipt.output_megapixels.is_some() && size.is_none() {
            return Some("the provider chose the size".to_owned());
        }
        if receipt.input_megapixels.is_some_and(|input| input > Decimal::ZERO) {
            let input = receipt.input_megapixels.unwrap_or_default();
            return Some(format!("reference images: the provider counted {input} MP"));
        }
        Some("the provider's price differs from the price table (assets/prices.toml)".to_owned())
    }
}

/// The drift of many jobs, by its likely causes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DriftSummary {
    /// Attempts with at least two numbers.
    pub compared: u64,
    /// Attempts whose numbers differ.
    pub differing: u64,
    /// The first numbers of the compared attempts: mostly estimates.
    pub expected: Usd,
    /// Their last numbers: mostly settled charges.
    pub charged: Usd,
    /// How many attempts and how much, by cause.
    pub causes: BTreeMap<String, (u64, Usd)>,
}

impl DriftSummary {
    /// Takes in the attempts of a job.
    pub fn add(&mut self, job: &Job) {
        for attempt in &job.attempts {
            let Some(trail) = attempt.price_trail() else { continue };
            let numbers = [trail.estimate, trail.quote, trail.settled];
            let known: Vec<Usd> = numbers.into_iter().flatten().collect();
            let (Some(first), Some(last), true) = (known.first(), known.last(), known.len() > 1) else { continue };
            self.compared += 1;
            self.expected += *first;
            self.charged += *last;
            if let Some((drift, cause)) = trail.drift().zip(attempt.drift_cause(job.spec_of(attempt).size())) {
                self.differing += 1;
                let entry = self.causes.entry(cause).or_default();
                entry.0 += 1;
                entry.1 += drift;
            }
        }
    }

    /// `$0.05 in 4 of 120 attempts, mostly: the provider chose the size`; `None` where all agree.
    pub fn line(&self) -> Option<String> {
        let (cause, _) = self.causes.iter().max_by_key(|(_, (count, _))| *count)?;
        let (drift, sign) = (self.drift(), if self.drift() > Usd::ZERO { "+" } else { "" });
        let (differing, compared) = (self.differing, self.compared);
        Some(format!("{sign}{} in {differing} of {compared} attempts, mostly: {cause}", drift.display()))
    }

    /// What all of them were wrong by.
    pub fn drift(&self) -> Usd {
        self.charged - self.expected
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::costs::{Charge, Credits, Service};
    use crate::jobs::{Receipt, Ticket};

    fn attempt(
        estimate: &str,
        quote: Option<i64>,
        settled: Option<&str>,
        output: Option<&str>,
        input: Option<&str>,
    ) -> Attempt {
        let mut attempt = Attempt::new(1, DateTime::UNIX_EPOCH);
        attempt.estimate = estimate.parse().ok();
        attempt.receipt = Some(Receipt {
            ticket: Ticket { id: "t".into(), polling_url: String::new() },
            cost: quote.map(|credits| Credits::new(Decimal::from(credits))),
            input_megapixels: input.map(|text| text.parse().unwrap()),
            output_megapixels: output.map(|text| text.parse().unwrap()),
            accepted_at: DateTime::UNIX_EPOCH,
        });
        attempt.charge = Some(Charge {
            service: Service::BflApi,
            amount: settled.map(|text| text.parse().unwrap()).or(attempt.estimate),
            basis: if settled.is_some() { Basis::Settled } else { Basis::Estimated },
            model: "flux-2-pro".into(),
            at: DateTime::UNIX_EPOCH,
            simulated: true,
        });
        attempt
    }

    #[test]
    fn drift_names_its_likely_cause() {
        let size = Some((1024, 1024));
        for (attempt, size, drift, cause) in [
            (attempt("0.03", Some(3), Some("0.03"), Some("1.0"), None), size, None, None),
            (attempt("0.03", Some(3), Some("0.045"), None, None), size, Some("0.015"), Some("had quoted")),
            (
                attempt("0.03", Some(6), None, Some("1.98"), None),
                size,
                Some("0.03"),
                Some("counted 2 MP of output, we 1"),
            ),
            (attempt("0.03", Some(6), None, Some("1.98"), None), None, Some("0.03"), Some("chose the size")),
            (attempt("0.03", Some(9), None, Some("1"), Some("3.5")), size, Some("0.06"), Some("counted 3.5 MP")),
            (attempt("0.05", None, Some("0.04"), None, None), size, Some("-0.01"), Some("price table")),
            (attempt("", Some(3), None, None, None), size, None, None),
        ] {
            let trail = attempt.price_trail().unwrap();
            assert_eq!(trail.drift().map(|usd| usd.to_string()).as_deref(), drift, "{trail:?}");
            let found = attempt.drift_cause(size);
            assert_eq!(found.is_some(), cause.is_some(), "{found:?}");
            assert!(found.unwrap_or_default().contains(cause.unwrap_or_default()), "{trail:?}");
        }
    }
}
