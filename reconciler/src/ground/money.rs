//! Amounts of US dollars as text, and as JSON numbers with `#[serde(with = "crate::ground::money")]`.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::{Deserialize, Deserializer, Serializer};

use crate::ground::number::grouped;

/// `$1,234.50`; negative amounts have a leading minus.
pub fn money(amount: Decimal) -> String {
    let text = format!("{:.2}", amount.abs());
    let (whole, cents) = text.split_once('.').unwrap_or((&text, "00"));
    let sign = if amount < Decimal::ZERO { "-" } else { "" };
    format!("{sign}${}.{cents}", grouped(whole))
}

/// `+$90.00/month`: a change of the monthly cost.
pub fn change(amount: Decimal) -> String {
    format!("{}/month", signed(amount))
}

/// `+$90.00`.
pub fn signed(amount: Decimal) -> String {
    let sign = if amount < Decimal::ZERO { "" } else { "+" };
    format!("{sign}{}", money(amount))
}

/// `$90.00/month`.
pub fn a_month(amount: Decimal) -> String {
    format!("{}/month", money(amount))
}

/// Serialises as the nearest floating point number; two decimals survive.
pub fn serialize<S: Serializer>(amount: &Decimal, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(amount.to_f64().unwrap_or_default())
}

/// Rounds to the cent.
pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Decimal, D::Error> {
    let amount = f64::deserialize(from)?;
    Decimal::try_from(amount).map(|amount| amount.round_dp(2)).map_err(serde::de::Error::custom)
}
