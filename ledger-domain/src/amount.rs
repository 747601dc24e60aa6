//! Money: unsigned integers of minor units inside, decimal strings at the edge. Never a float.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An amount in the minor unit of its asset: 1234 is 12.34 of an asset with scale 2.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Amount(pub u128);

impl Amount {
    /// Decimal string with the full scale: `Amount(1200).format(2)` is "12.00".
    #[must_use]
    pub fn format(self, scale: u8) -> String {
        format_minor(self.0, scale)
    }
}

/// `debits` and `credits` as a balance on the side where `debits` count, with a leading "-" when it is
/// negative.
#[must_use]
pub fn format_difference(plus: u128, minus: u128, scale: u8) -> String {
    match plus.checked_sub(minus) {
        Some(difference) => format_minor(difference, scale),
        None => format!("-{}", format_minor(minus.abs_diff(plus), scale)),
    }
}

fn format_minor(minor: u128, scale: u8) -> String {
    let digits = minor.to_string();
    let scale = usize::from(scale);
    if scale == 0 {
        return digits;
    }
    let padded = format!("{digits:0>width$}", width = scale.saturating_add(1));
    let (whole, fraction) = padded.split_at(padded.len().saturating_sub(scale));
    format!("{whole}.{fraction}")
}

/// A decimal as a client wrote it, before the asset and so its scale is known.
///
/// Normalised: no trailing zeros behind the point, so that "1.5" and "1.50" are one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Decimal {
    mantissa: u128,
    scale: u8,
}

/// Why a decimal string or its conversion was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AmountError {
    /// Not `(0|[1-9][0-9]*)(\.[0-9]+)?`.
    Malformed,
    /// More digits behind the point than the asset's scale.
    TooManyDecimals,
    /// 2^128 minor units or more.
    Overflow,
}

impl Decimal {
    /// From minor units of an asset with this scale.
    #[must_use]
    pub fn from_minor(amount: Amount, scale: u8) -> Self {
        Decimal { mantissa: amount.0, scale }.normalised()
    }

    /// Reads `(0|[1-9][0-9]*)(\.[0-9]+)?`.
    ///
    /// # Errors
    /// [`AmountError::Malformed`] for any other shape, [`AmountError::Overflow`] for a mantissa of
    /// 2^128 or more once trailing zeros behind the point are gone.
    pub fn parse(text: &str) -> Result<Self, AmountError> {
        let (whole, fraction) = match text.split_once('.') {
            Some((_, "")) => return Err(AmountError::Malformed),
            Some((whole, fraction)) => (whole, fraction),
            None => (text, ""),
        };
        let digits_only = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        let leading_zero = whole.len() > 1 && whole.starts_with('0');
        if whole.is_empty() || leading_zero || !digits_only(whole) || !digits_only(fraction) {
            return Err(AmountError::Malformed);
        }
        let fraction = fraction.trim_end_matches('0');
        let scale = u8::try_from(fraction.len()).map_err(|_| AmountError::TooManyDecimals)?;
        let mut mantissa: u128 = 0;
        for digit in whole.bytes().chain(fraction.bytes()) {
            mantissa = mantissa
                .checked_mul(10)
                .and_then(|m| m.checked_add(u128::from(digit.saturating_sub(b'0'))))
                .ok_or(AmountError::Overflow)?;
        }
        Ok(Decimal { mantissa, scale })
    }

    /// Minor units of an asset with this scale.
    ///
    /// # Errors
    /// [`AmountError::TooManyDecimals`] or [`AmountError::Overflow`].
    pub fn to_minor(self, scale: u8) -> Result<Amount, AmountError> {
        let missing = scale.checked_sub(self.scale).ok_or(AmountError::TooManyDecimals)?;
        let factor = 10u128.checked_pow(u32::from(missing)).ok_or(AmountError::Overflow)?;
        self.mantissa.checked_mul(factor).map(Amount).ok_or(AmountError::Overflow)
    }

    /// Whether it is zero.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.mantissa == 0
    }

    /// Mantissa and scale: the value is mantissa / 10^scale.
    #[must_use]
    pub fn parts(self) -> (u128, u8) {
        (self.mantissa, self.scale)
    }

    fn normalised(mut self) -> Self {
        while self.scale > 0 && self.mantissa.is_multiple_of(10) {
            self.mantissa /= 10;
            self.scale = self.scale.saturating_sub(1);
        }
        self
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format_minor(self.mantissa, self.scale))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_what_the_grammar_allows_and_nothing_else() {
        let check = |text: &str, expected: Result<(u128, u8), AmountError>| {
            assert_eq!(Decimal::parse(text).map(Decimal::parts), expected, "{text:?}");
        };
        check("0", Ok((0, 0)));
        check("0.00", Ok((0, 0)));
        check("12", Ok((12, 0)));
        check("12.34", Ok((1234, 2)));
        check("12.30", Ok((123, 1)));
        check("0.000000000000000000000000000001", Ok((1, 30)));
        check("340282366920938463463374607431768211455", Ok((u128::MAX, 0)));
        check("340282366920938463463374607431768211456", Err(AmountError::Overflow));
        for malformed in [
            "", ".", "1.", ".5", "01", "00", "+1", "-1", "1e3", "1,5", " 1", "1 ", "1.2.3", "٣",
            "NaN",
        ] {
            check(malformed, Err(AmountError::Malformed));
        }
    }

    #[test]
    fn converts_to_minor_units_exactly_or_refuses() {
        let minor = |text: &str, scale| Decimal::parse(text).and_then(|d| d.to_minor(scale));
        assert_eq!(minor("12.34", 2), Ok(Amount(1234)));
        assert_eq!(minor("12.3", 2), Ok(Amount(1230)));
        assert_eq!(minor("12.340", 2), Ok(Amount(1234)));
        assert_eq!(minor("12.345", 2), Err(AmountError::TooManyDecimals));
        assert_eq!(minor("1", 30), Ok(Amount(10u128.pow(30))));
        assert_eq!(minor("340282367", 30), Err(AmountError::Overflow));
    }

    #[test]
    fn formats_with_the_full_scale() {
        assert_eq!(Amount(0).format(2), "0.00");
        assert_eq!(Amount(5).format(2), "0.05");
        assert_eq!(Amount(1200).format(2), "12.00");
        assert_eq!(Amount(7).format(0), "7");
        assert_eq!(format_difference(100, 250, 2), "-1.50");
        assert_eq!(format_difference(250, 100, 2), "1.50");
    }
}
