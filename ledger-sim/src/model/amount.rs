//! Decimal strings as digit strings.

/// The digits of an amount: whole part, and fraction without trailing zeros. `None` for anything else
/// than `(0|[1-9][0-9]*)(\.[0-9]+)?`.
pub(crate) fn decimal(text: &str) -> Option<(String, String)> {
    let mut whole = String::new();
    let mut fraction = String::new();
    let mut point = false;
    for character in text.chars() {
        match character {
            '.' if !point => point = true,
            '0'..='9' if point => fraction.push(character),
            '0'..='9' => whole.push(character),
            _ => return None,
        }
    }
    if whole.is_empty() || (point && fraction.is_empty()) {
        return None;
    }
    if whole.len() > 1 && whole.starts_with('0') {
        return None;
    }
    while fraction.ends_with('0') {
        fraction.pop();
    }
    Some((whole, fraction))
}

/// Whether digits, read as one number, are below 2^128.
pub(crate) fn fits(digits: &str) -> bool {
    number(digits).is_some()
}

/// Minor units of an asset with this scale, or the code of the refusal.
pub(crate) fn minor_units(text: &str, scale: u32) -> Result<u128, u32> {
    let (whole, mut fraction) = decimal(text).ok_or(102u32)?;
    if fraction.len() as u32 > scale {
        return Err(209);
    }
    while (fraction.len() as u32) < scale {
        fraction.push('0');
    }
    number(&(whole + &fraction)).ok_or(210)
}

fn number(digits: &str) -> Option<u128> {
    digits.bytes().try_fold(0u128, |number, digit| {
        number.checked_mul(10)?.checked_add(u128::from(digit - b'0'))
    })
}
