//! One seed simulates the real services, with faults, against a naive model.

mod model;
mod request;
