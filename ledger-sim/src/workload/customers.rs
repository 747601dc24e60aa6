//! Customers: few, so that most meet; their accounts are used like others.

use fastrand::Rng;

use super::Workload;
use crate::request::{Ask, Customer};

const KEYS: [&str; 4] = ["email", "phone", "name", "tax.id"];

impl Workload {
    pub(super) fn customer(&self, rng: &mut Rng) -> Ask {
        let name = match rng.u32(0..30) {
            0 => "no one".to_owned(),
            1 => "x".repeat(rng.usize(64..66)),
            _ => format!("c-{}", rng.u32(0..4)),
        };
        Ask::Customer(match rng.u32(0..12) {
            0..2 => Customer::Erase { name },
            2..6 => {
                let accounts = (0..rng.usize(0..3)).map(|_| account(rng)).collect();
                Customer::Register { name, accounts, profile: values(rng) }
            }
            _ => {
                let remove = (0..rng.usize(0..3)).map(|_| key(rng)).collect();
                Customer::Update { name, set: values(rng), remove }
            }
        })
    }
}

fn account(rng: &mut Rng) -> (String, i32) {
    let name = match rng.u32(0..20) {
        0 => "cash".to_owned(),
        1 => "no account".to_owned(),
        _ => format!("customers:{}", rng.u32(0..12)),
    };
    (name, if rng.u32(0..30) == 0 { 6 } else { rng.i32(1..6) })
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
