//! What sets a selection apart: the values that are more frequent in it than in the rest of a range.
//!
//! Values are ordered by how far their share inside lies above their share outside at the very least, given how many
//! events were counted: the lower end of the interval for the difference of two proportions made of Wilson's score
//! intervals (E. B. Wilson, 1927; R. G. Newcombe, "Interval estimation for the difference between independent
//! proportions", Statistics in Medicine 17, 1998, method 10). Large differences of many events come first; what a few
//! events could do by chance does not come at all.

use std::collections::HashMap;

use arrow::array::{Array, AsArray, FixedSizeBinaryBuilder};
use arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result as Made};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, ident,
};
use wire::code::Code;

use super::group::{Key, any_of_column, count_of, group_column, groupable, groups, single};
use super::job::Job;
use super::tally::{Share, is_tallied};
use super::top::per_flag;
use super::{SearchError, Searcher, TOP_MAX, Window};
use crate::ast::{Node, Search};
use crate::compile;
use crate::fields::Id;

/// Values of one field that are looked at, when it has very many: the most frequent of the selection.
const CANDIDATES: usize = 200;
/// Most fields of one call.
const FIELDS_MAX: usize = 16;
/// Standard deviations of a normal distribution with one in ten thousand outside: of a thousand values that differ in
/// nothing, hardly one is shown.
const DEVIATIONS: f64 = 3.89;
/// Bits of an IPv4 address that name its network here.
const V4_NETWORK: u8 = 24;
/// The same of an IPv6 address.
const V6_NETWORK: u8 = 48;

/// What sets a selection apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Explained {
    /// What is over-represented, most telling first.
    pub findings: Vec<Finding>,
    /// Events of the selection.
    pub inside: u64,
    /// Events of the rest.
    pub outside: u64,
    /// Fields that were left out because the selection is made by them.
    pub given: Vec<&'static str>,
}

/// A value that is more frequent inside a selection than outside.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The field.
    pub field: &'static str,
    /// The value as one writes it in a search, for clients also a network; `None` when the field is empty.
    pub value: Option<String>,
    /// The code, for the field `code`.
    pub code: Option<Code>,
    /// A term that finds events with this value.
    pub term: String,
    /// Events of the selection with the value.
    pub inside: u64,
    /// Events of the rest with the value.
    pub outside: u64,
    /// `inside` as a part of the selection, 0 to 1.
    pub inside_share: f64,
    /// `outside` as a part of the rest, 0 to 1.
    pub outside_share: f64,
    /// How much larger the first share is than the second at least.
    pub difference: f64,
}

/// What values are looked at together.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Aspect {
    Field(Id),
    /// Networks of clients.
    Network,
}

impl Aspect {
    fn id(self) -> Id {
        match self {
            Aspect::Field(id) => id,
            Aspect::Network => Id::Client,
        }
    }

    fn column(self) -> Expr {
        match self {
            Aspect::Field(id) => group_column(id),
            Aspect::Network => ScalarUDF::from(Network::new()).call(vec![ident("client")]),
        }
    }
}

impl Searcher {
    /// The values of `fields` that are more frequent in a selection than in the rest of a range, at most `n`. The
    /// range is what matches `base` in `within`; the selection is what of it matches `selection` in `window`. Fields
    /// the selection itself asks for are left out. Of fields with very many values the most frequent of the selection
    /// are looked at; clients also by network (24 and 48 bits).
    ///
    /// # Errors
    /// When a field cannot be grouped by or has several values for each event, there are too many, a limit is hit or the engine fails.
    pub async fn explain(
        &self,
        base: &Search,
        within: Window,
        selection: &Search,
        window: Window,
        fields: &[&str],
        n: usize,
    ) -> Result<Explained, SearchError> {
        let mut ids = Vec::new();
        for name in fields {
            let id = groupable(name)?;
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        if ids.len() > FIELDS_MAX {
            return Err(SearchError::Field(format!("a selection is explained by at most {FIELDS_MAX} fields")));
        }
        if ids.contains(&Id::Ede) {
            let text = "an event can have several `ede`: explain counts one value each".to_owned();
            return Err(SearchError::Field(text));
        }
        let given: Vec<Id> = ids.iter().copied().filter(|id| is_given(*id, selection)).collect();
        ids.retain(|id| !given.contains(id));
        let chosen = compile::filter(selection, window);
        let base = base.clone();
        let text = selection.to_string();
        self.run("explain", text, move |job| async move {
            job.explained(&base, within, &chosen, &ids, n.clamp(1, TOP_MAX)).await.map(|(findings, total)| Explained {
                findings,
                inside: total.part,
                outside: total.all - total.part,
                given: given.iter().map(|id| id.field().name).collect(),
            })
        })
        .await
    }
}

impl Job {
    async fn explained(
        &self,
        base: &Search,
        within: Window,
        chosen: &Expr,
        ids: &[Id],
        n: usize,
    ) -> Result<(Vec<Finding>, Share), SearchError> {
        // The action is counted for the totals, whether or not it was asked for.
        let small: Vec<Id> =
            std::iter::once(Id::Action).chain(ids.iter().copied().filter(|id| is_tallied(*id))).collect();
        let tallies = self.tallies(self.matching(base, within)?, &small, Some(chosen.clone())).await?;
        let mut total = Share::default();
        tallies.iter().take(1).flat_map(HashMap::values).for_each(|share| total.add(*share));
        let mut findings = Vec::new();
        for (id, tally) in small.into_iter().zip(tallies).skip(1) {
            let tally = if id == Id::Flags { each_flag(&tally) } else { tally };
            findings.extend(found(Aspect::Field(id), tally, total));
        }
        let large = ids.iter().filter(|id| !is_tallied(**id)).map(|id| Aspect::Field(*id));
        let networks = ids.contains(&Id::Client).then_some(Aspect::Network);
        for aspect in large.chain(networks) {
            let inside = self.matching(base, within)?.filter(chosen.clone())?;
            let inside = single(groups(inside, vec![aspect.column()], Some(CANDIDATES)).await?);
            if inside.is_empty() {
                continue;
            }
            let listed = any_of_column(aspect.id(), aspect.column(), inside.keys());
            let all = self.matching(base, within)?.filter(listed)?;
            let all = single(groups(all, vec![aspect.column()], None).await?);
            let share = |(key, part): (Key, u64)| {
                let all = all.get(&key).copied().unwrap_or(part);
                (key, Share { all, part })
            };
            findings.extend(found(aspect, inside.into_iter().map(share).collect(), total));
        }
        findings.sort_by(|a, b| {
            let by_value = || (a.field, &a.value).cmp(&(b.field, &b.value));
            b.difference.total_cmp(&a.difference).then_with(by_value)
        });
        findings.truncate(n);
        Ok((findings, total))
    }
}

/// Whether the selection asks for the field, or for one that says the same.
fn is_given(id: Id, selection: &Search) -> bool {
    fn names(node: &Node, is: &dyn Fn(Id) -> bool) -> bool {
        match node {
            Node::And(nodes) | Node::Or(nodes) => nodes.iter().any(|node| names(node, is)),
            Node::Not(inner) => names(inner, is),
            Node::Has(id) | Node::Term(id, _) => is(*id),
        }
    }
    let of_name = |id: Id| matches!(id, Id::Domain | Id::RegDomain | Id::Tld);
    let of_result = |id: Id| id.is_code() || id == Id::Outcome;
    let same = |other: Id| other == id || (of_name(id) && of_name(other)) || (of_result(id) && of_result(other));
    selection.root.as_ref().is_some_and(|root| names(root, &same))
}

fn each_flag(sets: &HashMap<Key, Share>) -> HashMap<Key, Share> {
    let of =
        |which: fn(&Share) -> u64| per_flag(&sets.iter().map(|(key, share)| (key.clone(), which(share))).collect());
    let part = of(|share| share.part);
    let share = |(key, all): (Key, u64)| {
        let part = part.get(&key).copied().unwrap_or(0);
        (key, Share { all, part })
    };
    of(|share| share.all).into_iter().map(share).collect()
}

fn found(aspect: Aspect, shares: HashMap<Key, Share>, total: Share) -> Vec<Finding> {
    let id = aspect.id();
    let finding = |(key, share): (Key, Share)| {
        let (inside, outside) = (share.part, share.all - share.part);
        let (all_inside, all_outside) = (total.part, total.all - total.part);
        let difference = least_difference(inside, all_inside, outside, all_outside);
        if difference <= 0.0 {
            return None;
        }
        let count = count_of(id, &key, inside);
        let value = match (aspect, count.value) {
            (Aspect::Network, Some(address)) => {
                let bits = if address.contains(':') { V6_NETWORK } else { V4_NETWORK };
                Some(format!("{address}/{bits}"))
            }
            (_, value) => value,
        };
        Some(Finding {
            field: id.field().name,
            term: id.field().term(value.as_deref()),
            value,
            code: count.code,
            inside,
            outside,
            inside_share: inside as f64 / all_inside as f64,
            outside_share: outside as f64 / all_outside as f64,
            difference,
        })
    };
    shares.into_iter().filter_map(finding).collect()
}

/// How much larger the share `a` of `a_all` is than `b` of `b_all` at least; below zero when it need not be larger.
fn least_difference(a: u64, a_all: u64, b: u64, b_all: u64) -> f64 {
    if a_all == 0 || b_all == 0 {
        return 0.0;
    }
    let (a_share, a_low, _) = wilson(a, a_all);
    let (b_share, _, b_high) = wilson(b, b_all);
    a_share - b_share - ((a_share - a_low).powi(2) + (b_high - b_share).powi(2)).sqrt()
}

/// A share and both ends of its score interval.
fn wilson(count: u64, all: u64) -> (f64, f64, f64) {
    let (all, square) = (all as f64, DEVIATIONS * DEVIATIONS);
    let share = count as f64 / all;
    let middle = (share + square / (2.0 * all)) / (1.0 + square / all);
    let root = (share * (1.0 - share) / all + square / (4.0 * all * all)).sqrt();
    let half = DEVIATIONS * root / (1.0 + square / all);
    (share, (middle - half).max(0.0), (middle + half).min(1.0))
}

/// The network of an address: the address with the bits beyond set to zero.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Network {
    signature: Signature,
}

impl Network {
    fn new() -> Network {
        Network { signature: Signature::any(1, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Network {
    fn name(&self) -> &str {
        "network"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Made<DataType> {
        Ok(DataType::FixedSizeBinary(16))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Made<ColumnarValue> {
        let [argument] = arguments.args.as_slice() else {
            return Err(DataFusionError::Execution("one address is needed".to_owned()));
        };
        let array = argument.to_array(arguments.number_rows)?;
        let Some(addresses) = array.as_fixed_size_binary_opt() else {
            return Err(DataFusionError::Execution("client is no address".to_owned()));
        };
        let mut networks = FixedSizeBinaryBuilder::with_capacity(addresses.len(), 16);
        for address in addresses {
            match address.and_then(|address| <[u8; 16]>::try_from(address).ok()) {
                Some(address) => networks.append_value(network(address))?,
                None => networks.append_null(),
            }
        }
        Ok(ColumnarValue::Array(std::sync::Arc::new(networks.finish())))
    }
}

fn network(address: [u8; 16]) -> [u8; 16] {
    let number = u128::from_be_bytes(address);
    // IPv4 is stored as the last 32 bits of IPv6.
    let kept = if event::address_from_bytes(address).is_ipv4() { 96 + V4_NETWORK } else { V6_NETWORK };
    (number & (u128::MAX << (128 - kept))).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_the_published_one() {
        // Newcombe (1998), table II, method 10, with 1.96 deviations: 56/70 - 48/80 is from 0.0524 to 0.3339. With
        // more deviations the lower end is lower.
        let difference = least_difference(56, 70, 48, 80);
        assert!((-0.2..0.0524).contains(&difference), "{difference}");
        assert!(least_difference(5600, 7000, 4800, 8000) > 0.15);
        assert!(least_difference(1, 1, 0, 1_000) < least_difference(100, 100, 0, 1_000));
        assert!(least_difference(0, 0, 1, 2) <= 0.0);
    }

    #[test]
    fn networks_of_both_families() {
        let network =
            |text: &str| event::address_from_bytes(network(event::address_bytes(text.parse().unwrap()))).to_string();
        assert_eq!(network("192.0.2.77"), "192.0.2.0");
        assert_eq!(network("2001:db8:1:2::3"), "2001:db8:1::");
    }
}
