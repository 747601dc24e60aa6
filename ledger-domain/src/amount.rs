//! Money: unsigned integers of minor units inside, decimal strings at the edge. Never a float.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Minor units of an asset with this scale as a decimal string, always with the full scale: 1200 of
/// scale 2 is "12.00".
#[must_use]
pub fn format_minor(minor: u128, scale: u8) -> String {
    let digits = minor.to_string();
    let scale = usize::from(scale);
    if scale == 0 {
        return digits;
    }
    let padded = format!("{digits:0>width$}", width = scale.saturating_add(1));
    let (whole, fraction) = padded.split_at(padded.len().saturating_sub(scale));
    format!("{whole}.{fraction}")
}

/// `plus` less `minus`, both in minor units, as [`format_minor`] has it, with a leading "-" when it is
/// negative.
#[must_use]
pub fn format_difference(plus: u128, minus: u128, scale: u8) -> String {
    match plus.checked_sub(minus) {
        Some(difference) => format_minor(difference, scale),
        None => format!("-{}", format_minor(minus.abs_diff(plus), scale)),
    }
}

/// A decimal as a client wrote it, before the asset and so its scale is known.
///
/// Normalised: no trailing zeros behind the point, so that "1.5" and "1.50" are one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decimal {
    mantissa: u128,
    scale: u8,
}

/// Why a decimal string or its conversion was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AmountError {
    /// Not `(0|[1-9][0-9]*)(\.[0-9]+)?`.
    Malformed,
    /// More digits behind the point than the asset's scale, or than the 255 of any scale.
    TooManyDecimals,
    /// More digits than 128 bits hold: 2^128 minor units or more.
    Overflow,
}

impl Decimal {
    /// From minor units of an asset with this scale.
    #[must_use]
    pub fn from_minor(minor: u128, scale: u8) -> Self {
        let (mut mantissa, mut scale) = (minor, scale);
        while scale > 0 && mantissa.is_multiple_of(10) {
            mantissa /= 10;
            scale = scale.saturating_sub(1);
        }
        Decimal { mantissa, scale }
    }

    /// Reads `(0|[1-9][0-9]*)(\.[0-9]+)?`.
    ///
    /// # Errors
    /// [`AmountError::Malformed`] for any other shape; once trailing zeros behind the point are gone,
    /// [`AmountError::TooManyDecimals`] for more than 255 digits behind it and
    /// [`AmountError::Overflow`] for digits that make 2^128 or more.
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
    pub fn to_minor(self, scale: u8) -> Result<u128, AmountError> {
        let missing = scale.checked_sub(self.scale).ok_or(AmountError::TooManyDecimals)?;
        let factor = 10u128.checked_pow(u32::from(missing)).ok_or(AmountError::Overflow)?;
        self.mantissa.checked_mul(factor).ok_or(AmountError::Overflow)
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
            let read = Decimal::parse(text);
            assert_eq!(read.map(Decimal::parts), expected, "{text:?}");
            if let Ok(decimal) = read {
                assert_eq!(Decimal::parse(&decimal.to_string()), read, "prints what it reads");
            }
        };
        check("0", Ok((0, 0)));
        check("0.00", Ok((0, 0)));
        check("12", Ok((12, 0)));
        check("12.34", Ok((1234, 2)));
        check("12.30", Ok((123, 1)));
        check("0.000000000000000000000000000001", Ok((1, 30)));
        check("340282366920938463463374607431768211455", Ok((u128::MAX, 0)));
        check("340282366920938463463374607431768211456", Err(AmountError::Overflow));
        check(&format!("0.{}1", "0".repeat(254)), Ok((1, 255)));
        check(&format!("0.{}1", "0".repeat(255)), Err(AmountError::TooManyDecimals));
        check(&format!("1.{}", "0".repeat(1_000)), Ok((1, 0)));
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
        assert_eq!(minor("12.34", 2), Ok(1234));
        assert_eq!(minor("12.3", 2), Ok(1230));
        assert_eq!(minor("12.340", 2), Ok(1234));
        assert_eq!(minor("12.345", 2), Err(AmountError::TooManyDecimals));
        assert_eq!(minor("1", 30), Ok(10u128.pow(30)));
        assert_eq!(minor("340282367", 30), Err(AmountError::Overflow));
    }

    #[test]
    fn formats_with_the_full_scale() {
        assert_eq!(format_minor(0, 2), "0.00");
        assert_eq!(format_minor(5, 2), "0.05");
        assert_eq!(format_minor(1200, 2), "12.00");
        assert_eq!(format_minor(7, 0), "7");
        assert_eq!(format_difference(100, 250, 2), "-1.50");
        assert_eq!(format_difference(250, 100, 2), "1.50");
    }

    #[test]
    fn minor_units_and_what_was_written_are_one_value() {
        let check = |minor, scale, text: &str| {
            assert_eq!(Ok(Decimal::from_minor(minor, scale)), Decimal::parse(text), "{text:?}");
        };
        check(0, 30, "0");
        check(150, 2, "1.5");
        check(100, 0, "100");
        check(100, 2, "1.00");
        check(u128::MAX, 30, "340282366.920938463463374607431768211455");
    }
}
