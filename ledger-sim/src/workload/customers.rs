//! Customers: few, so that most meet; their accounts are used like others.

use fastrand::Rng;

use super::{Workload, remember};
use crate::request::{Ask, Customer, NewAccount, Text};

const KEYS: [&str; 4] = ["email", "phone", "name", "tax.id"];

impl Workload {
    pub(super) fn customer(&mut self, rng: &mut Rng, ledger: &str) -> Ask {
        let name = match rng.u32(0..30) {
            0 => "no one".to_owned(),
            1 => "x".repeat(rng.usize(64..66)),
            _ => format!("c-{}", rng.u32(0..4)),
        };
        let people: Vec<&String> = self.people_of(ledger).collect();
        Ask::Customer(match rng.u32(0..12) {
            0 if !people.is_empty() => {
                Customer::Erase { name: people[rng.usize(0..people.len())].clone() }
            }
            0..3 => Customer::Erase { name },
            3..6 => self.register(rng, ledger, name),
            _ => {
                let remove = (0..rng.usize(0..3)).map(|_| key(rng)).collect();
                Customer::Update { name, set: values(rng), remove }
            }
        })
    }

    /// Customers of a ledger who were to be registered.
    pub(super) fn people_of(&self, ledger: &str) -> impl Iterator<Item = &String> {
        self.people.iter().filter(move |(of, _)| of == ledger).map(|(_, name)| name)
    }

    pub(super) fn register(&mut self, rng: &mut Rng, ledger: &str, name: String) -> Customer {
        let accounts = (0..rng.usize(0..3)).map(|_| self.account(rng, ledger, &name)).collect();
        remember(&mut self.people, rng, ledger, &name);
        Customer::Register { name, accounts, profile: values(rng) }
    }

    /// What is noted of it is mostly its customer's.
    fn account(&self, rng: &mut Rng, ledger: &str, customer: &str) -> NewAccount {
        let name = match rng.u32(0..20) {
            0 => "cash".to_owned(),
            1 => "no account".to_owned(),
            _ => format!("customers:{}", rng.u32(0..12)),
        };
        let mut metadata = self.noted(rng, ledger);
        if rng.bool() {
            // Seldom of somebody else, who need not be there.
            let of = match rng.u32(0..6) {
                0 => format!("c-{}", rng.u32(0..5)),
                _ => customer.to_owned(),
            };
            let iban = Text { of: Some(of), text: format!("DE{}", rng.u32(0..9)) };
            metadata.insert("iban".into(), iban);
        }
        NewAccount { name, kind: if rng.u32(0..30) == 0 { 6 } else { rng.i32(1..6) }, metadata }
    }
}

fn key(rng: &mut Rng) -> String {
    match rng.u32(0..30) {
        0 => "no key".to_owned(),
        1..3 => format!("more-{}", rng.u32(0..60)),
        _ => KEYS[rng.usize(0..KEYS.len())].to_owned(),
    }
}

fn values(rng: &mut Rng) -> Vec<(String, String)> {
    if rng.u32(0..12) == 0 {
        // So that a profile is full some time.
        return (0..rng.u32(14..34)).map(|at| (format!("more-{at}"), "v".to_owned())).collect();
    }
    let value = |rng: &mut Rng| match rng.u32(0..60) {
        0 => String::new(),
        1 => "x".repeat(257),
        2 => "é".repeat(128),
        _ => format!("text {}", rng.u32(0..20)),
    };
    let mut values: Vec<(String, String)> = Vec::new();
    for _ in 0..rng.usize(0..3) {
        let key = key(rng);
        if values.iter().all(|(before, _)| *before != key) {
            values.push((key, value(rng)));
        }
    }
    values
}
