//! Figures of this machine beside which all others are read.

use std::hint::black_box;

use anyhow::{Result, ensure};
use blst::BLST_ERROR;
use blst::min_pk::{SecretKey, Signature};

use crate::measure::{Sample, measure_short};

/// What a row's time is mostly made of: figures of two machines are compared after dividing each
/// by its machine's calibration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Hashing of nodes and arithmetic.
    Sha256,
    /// Pairings and point arithmetic.
    Bls,
    /// Reading and writing memory.
    Memory,
    /// Not a time.
    Nothing,
}

/// The calibration of one machine.
#[derive(Clone, Copy, Debug)]
pub struct Calibration {
    /// SHA-256 of one 64-byte node with the generic digest, ns.
    pub sha256_node_ns: Sample,
    /// One verification of a signature with its subgroup check, us.
    pub bls_verify_us: Sample,
    /// Copying 53 MiB between warm buffers, GB/s.
    pub memcpy_gbps: Sample,
}

/// The machine of the baselines.
pub const BASELINE_SHA256_NODE_NS: f64 = 90.6;
/// The same.
pub const BASELINE_BLS_VERIFY_US: f64 = 910.0;
/// The same.
pub const BASELINE_MEMCPY_GBPS: f64 = 19.0;

const COPIED: usize = 53 << 20;

impl Calibration {
    /// Measures this machine, on one core.
    pub fn measure(runs: usize) -> Result<Calibration> {
        let node = [7; 64];
        let sha256 = measure_short(runs, || {
            black_box(kernels::sha256(black_box(&node)));
        })?;
        let from = vec![1u8; COPIED];
        let mut to = vec![2u8; COPIED];
        let copy = measure_short(runs, || {
            black_box(&mut to).copy_from_slice(black_box(&from));
        })?;
        Ok(Calibration {
            sha256_node_ns: sha256.map(|ms| ms * 1e6),
            bls_verify_us: bls_verify(runs)?.map(|ms| ms * 1e3),
            memcpy_gbps: copy.map(|ms| COPIED as f64 / ms / 1e6),
        })
    }

    /// By how much this machine is slower than that of the baselines, in CPU time.
    pub fn slowness(&self, scale: Scale) -> f64 {
        match scale {
            Scale::Sha256 => self.sha256_node_ns.cpu / BASELINE_SHA256_NODE_NS,
            Scale::Bls => self.bls_verify_us.cpu / BASELINE_BLS_VERIFY_US,
            Scale::Memory => BASELINE_MEMCPY_GBPS / self.memcpy_gbps.cpu,
            Scale::Nothing => 1.0,
        }
    }
}

fn bls_verify(runs: usize) -> Result<Sample> {
    const DST: &[u8] = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";
    let Ok(secret) = SecretKey::key_gen(&[3; 32], &[]) else {
        anyhow::bail!("no key from 32 bytes");
    };
    let key = secret.sk_to_pk();
    let signature: Signature = secret.sign(&[4; 32], DST, &[]);
    let mut all_hold = true;
    let sample = measure_short(runs, || {
        let outcome = signature.verify(true, black_box(&[4; 32]), DST, &[], &key, false);
        all_hold &= outcome == BLST_ERROR::BLST_SUCCESS;
    })?;
    ensure!(all_hold, "a signature does not verify");
    Ok(sample)
}
