//! The eth1 side of a made chain: deposits and the votes that bring them in.

use crate::{Error, InteropKeys};
use consensus::deposit_tree::DepositTree;
use consensus::transition::deposit_signature_set;
use consensus::{BeaconState, Deposit, DepositData, Eth1Data, Gwei, HashTreeRoot, Root, Spec};
use std::collections::BTreeMap;

/// First byte of the eth1 block hashes voted for, so that they are known as made up.
const BLOCK_HASH_MARK: u8 = 0xe1;

/// The deposit contract, and what it holds at the start of each voting period.
pub(crate) struct Eth1 {
    deposits: Vec<DepositData>,
    tree: DepositTree,
    /// Number of deposits from a voting period on.
    counts: BTreeMap<u64, u64>,
}

impl Eth1 {
    /// The contract with the deposits of genesis.
    pub(crate) fn new(deposits: Vec<DepositData>) -> Result<Eth1, Error> {
        let mut tree = DepositTree::new();
        for deposit in &deposits {
            tree.push(deposit.hash_tree_root())?;
        }
        Ok(Eth1 {
            counts: BTreeMap::from([(0, deposits.len() as u64)]),
            deposits,
            tree,
        })
    }

    /// Adds deposits that blocks vote for from a voting period on, not earlier than those before.
    pub(crate) fn add(&mut self, period: u64, deposits: &[DepositData]) -> Result<(), Error> {
        if self.counts.range(period + 1..).next().is_some() {
            return Err(Error::Impossible(format!(
                "deposits of eth1 voting period {period} come after those of a later one"
            )));
        }
        for deposit in deposits {
            self.tree.push(deposit.hash_tree_root())?;
            self.deposits.push(*deposit);
        }
        self.counts.insert(period, self.deposits.len() as u64);
        Ok(())
    }

    /// What every proposer votes for in the state's voting period.
    pub(crate) fn vote(&self, state: &BeaconState) -> Result<Eth1Data, Error> {
        let period = state.slot() / state.spec().eth1_voting_slots();
        let count = self.counts.range(..=period).next_back();
        let deposit_count = count.map_or(0, |(_, &count)| count);
        let mut block_hash = Root::with_last_byte(period as u8);
        block_hash[0] = BLOCK_HASH_MARK;
        block_hash[16..24].copy_from_slice(&period.to_be_bytes());
        Ok(Eth1Data {
            deposit_root: self.tree.root_at(deposit_count)?,
            deposit_count,
            block_hash,
        })
    }

    /// The deposits that a block must hold when these are the eth1 data it leads to.
    pub(crate) fn due(
        &self,
        state: &BeaconState,
        eth1_data: &Eth1Data,
    ) -> Result<Vec<Deposit>, Error> {
        let (first, count) = (state.eth1_deposit_index(), eth1_data.deposit_count);
        let last = count.min(first.saturating_add(state.spec().MAX_DEPOSITS));
        (first..last)
            .map(|index| {
                let data = self.deposits.get(index as usize);
                Ok(Deposit {
                    proof: self.tree.proof_at(index, count)?,
                    data: *data.ok_or(Error::UnknownDeposit(index))?,
                })
            })
            .collect()
    }
}

/// A signed deposit of an interop key to BLS credentials.
///
/// # Errors
/// If `number` is not among the keys.
pub(crate) fn signed_deposit(
    keys: &InteropKeys,
    number: u64,
    amount: Gwei,
    spec: &Spec,
) -> Result<DepositData, Error> {
    let pubkey = keys.pubkey(number).ok_or(Error::UnknownKeyNumber(number))?;
    let mut withdrawal_credentials = Root::from(kernels::sha256(pubkey.as_slice()));
    withdrawal_credentials[0] = consensus::BLS_WITHDRAWAL_PREFIX;
    let mut deposit = DepositData {
        pubkey,
        withdrawal_credentials,
        amount,
        signature: consensus::BLSSignature::ZERO,
    };
    let message = deposit_signature_set(&deposit, spec).message;
    deposit.signature = keys.secret(&pubkey)?.sign(message);
    Ok(deposit)
}
