//! The circuit breaker: while Vault is away, requests fail at once instead of piling up behind it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::fault::VaultFault;

/// How long nobody asks again once Vault did not answer: it is found again within five seconds of its return.
const PAUSE: Duration = Duration::from_secs(2);

#[derive(Default)]
pub(super) struct Breaker {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Since when, and why, nobody is asked.
    broken: Option<(Instant, VaultFault)>,
    /// How often it was tripped.
    trips: u64,
    faults: BTreeMap<&'static str, u64>,
}

/// When a call began, in trips.
#[derive(Clone, Copy)]
pub(super) struct Ticket(u64);

impl Breaker {
    /// Whether Vault may be asked. When the pause is over one caller may; the others wait for what it finds, another pause
    /// at most.
    pub(super) fn pass(&self) -> Result<Ticket, VaultFault> {
        let mut state = self.lock();
        let ticket = Ticket(state.trips);
        match &mut state.broken {
            Some((since, fault)) if since.elapsed() < PAUSE => Err(fault.clone()),
            Some((since, _)) => {
                *since = Instant::now();
                Ok(ticket)
            }
            None => Ok(ticket),
        }
    }

    /// Whether it has not been tripped since, for whoever passed and then waited.
    pub(super) fn still_holds(&self, ticket: Ticket) -> Result<(), VaultFault> {
        let state = self.lock();
        match &state.broken {
            Some((_, fault)) if state.trips != ticket.0 => Err(fault.clone()),
            _ => Ok(()),
        }
    }

    /// What a call came to.
    pub(super) fn judge(&self, ticket: Ticket, fault: Option<&VaultFault>) {
        let mut state = self.lock();
        match fault {
            Some(fault) if fault.stops_everybody() => state.trip(ticket, fault),
            other => {
                if let Some(fault) = other {
                    state.count(fault);
                }
                if state.broken.take().is_some() {
                    tracing::info!("Vault answers again");
                }
            }
        }
    }

    /// What a call came to that nobody waits for.
    pub(super) fn note(&self, fault: Option<&VaultFault>) {
        if let Some(fault) = fault {
            self.lock().count(fault);
        }
    }

    pub(super) fn faults(&self) -> Vec<(&'static str, u64)> {
        self.lock().faults.iter().map(|(&kind, &count)| (kind, count)).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Calls that were under way together are one fault.
    fn trip(&mut self, ticket: Ticket, fault: &VaultFault) {
        if self.trips != ticket.0 {
            return;
        }
        self.count(fault);
        self.trips += 1;
        if self.broken.as_ref().is_none_or(|(_, known)| known != fault) {
            tracing::warn!(kind = fault.kind(), %fault, "Vault is not asked for a moment");
        }
        self.broken = Some((Instant::now(), fault.clone()));
    }

    fn count(&mut self, fault: &VaultFault) {
        *self.faults.entry(fault.kind()).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass_the_time(breaker: &Breaker) {
        let mut state = breaker.lock();
        let (since, _) = state.broken.as_mut().expect("it is broken");
        *since = since.checked_sub(PAUSE).expect("a machine that has been up for a while");
    }

    #[test]
    fn one_fault_stops_all_and_one_call_finds_out_when_it_is_over() {
        let breaker = Breaker::default();
        let together = [breaker.pass(), breaker.pass()].map(|ticket| ticket.expect("nothing is wrong"));
        for ticket in together {
            breaker.judge(ticket, Some(&VaultFault::Sealed));
        }
        assert_eq!(breaker.faults(), [("sealed", 1)], "calls that were under way together");
        assert_eq!(breaker.still_holds(together[0]), Err(VaultFault::Sealed));
        assert_eq!(breaker.pass().err(), Some(VaultFault::Sealed));

        pass_the_time(&breaker);
        let trying = breaker.pass().expect("the pause is over");
        assert_eq!(breaker.still_holds(trying), Ok(()), "whoever tries gets through");
        assert_eq!(breaker.pass().err(), Some(VaultFault::Sealed), "one at a time");
        breaker.judge(trying, Some(&VaultFault::Standby));
        assert_eq!(breaker.pass().err(), Some(VaultFault::Standby));

        pass_the_time(&breaker);
        let trying = breaker.pass().expect("the pause is over");
        breaker.judge(trying, None);
        assert!(breaker.pass().is_ok() && breaker.pass().is_ok());
    }

    #[test]
    fn an_answer_about_one_key_stops_nobody() {
        let breaker = Breaker::default();
        for fault in [VaultFault::TooOld, VaultFault::Refused(400), VaultFault::Denied, VaultFault::NoSuchKey] {
            let ticket = breaker.pass().expect("open");
            breaker.judge(ticket, Some(&fault));
        }
        assert!(breaker.pass().is_ok());
        assert_eq!(breaker.faults(), [("denied", 1), ("no_such_key", 1), ("refused", 1), ("too_old", 1)]);
    }
}
