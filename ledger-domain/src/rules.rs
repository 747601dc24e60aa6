//! What an account allows: how far its balances may pass zero on its normal side.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::amount::Decimal;
use crate::command::transfer::write_amount;
use crate::command::write_field;
use crate::name::AssetCode;
use crate::state::AssetHandle;

/// The rules that a client asks for, by name. Bound and no bound are not asked for together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AskedRules {
    /// Whether its balances may pass zero without bound.
    pub may_go_negative: bool,
    /// How far they may pass zero, for each asset; not zero. In an order and without a repeat, so that equal
    /// rules are equal values.
    pub credit_limits: BTreeMap<AssetCode, Decimal>,
}

/// The rules that an account has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountRules {
    /// Whether its balances may pass zero without bound.
    pub may_go_negative: bool,
    /// How far they may pass zero, in minor units, ascending by asset; not zero. Boxed, so that the many
    /// accounts without one pay nothing for it.
    pub credit_limits: Box<[(AssetHandle, u128)]>,
}

impl AskedRules {
    /// Without a limit for any asset.
    #[must_use]
    pub fn without_limits(may_go_negative: bool) -> Self {
        AskedRules { may_go_negative, credit_limits: BTreeMap::new() }
    }

    /// Canonical bytes, as fields of a command's content.
    pub(crate) fn write_content(&self, out: &mut Vec<u8>) {
        let AskedRules { may_go_negative, credit_limits } = self;
        write_field(5, &[u8::from(*may_go_negative)], out);
        if !credit_limits.is_empty() {
            let mut limits = Vec::new();
            for (asset, amount) in credit_limits {
                write_field(3, asset.as_str().as_bytes(), &mut limits);
                write_amount(*amount, &mut limits);
            }
            write_field(6, &limits, out);
        }
    }
}

impl AccountRules {
    /// Without a limit for any asset.
    #[must_use]
    pub fn without_limits(may_go_negative: bool) -> Self {
        AccountRules { may_go_negative, credit_limits: Box::default() }
    }

    /// How far a balance of this asset may pass zero, in minor units; `None` is without bound.
    #[must_use]
    pub fn bound(&self, asset: AssetHandle) -> Option<u128> {
        if self.may_go_negative {
            return None;
        }
        let at = self.credit_limits.binary_search_by_key(&asset, |(limited, _)| *limited).ok();
        let limit = at.and_then(|at| self.credit_limits.get(at));
        Some(limit.map_or(0, |(_, amount)| *amount))
    }
}
