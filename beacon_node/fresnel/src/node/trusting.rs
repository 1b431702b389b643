//! A verifier for blocks from files whose signatures are trusted.

use consensus::{Bls, SignatureSet, Verifier};

/// Takes the signatures of a block as good. They come at least in pairs, the proposer's and the
/// RANDAO reveal's; one that comes alone is a deposit's, which decides whether its key joins, and is
/// verified.
pub(crate) struct Trusting(pub(crate) Bls);

impl Verifier for Trusting {
    fn verify_sets(&self, sets: &[SignatureSet]) -> Result<(), usize> {
        match sets {
            [_] => self.0.verify_sets(sets),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use consensus::{BLSSignature, Pool, PubkeyId, Root, SetKeys};

    #[test]
    fn only_single_signatures_are_verified() {
        let secret = consensus::SecretKey::interop(0);
        let pubkey = PubkeyId::intern(&secret.public_key());
        let message = Root::repeat_byte(1);
        let set = |signature: BLSSignature| SignatureSet {
            signature,
            message,
            pubkeys: SetKeys::One(pubkey),
        };
        let trusting = Trusting(Bls::new(Pool::default(), [1; 32]));
        let (good, bad) = (secret.sign(message), secret.sign(Root::ZERO));
        assert!(trusting.verify_sets(&[set(good)]).is_ok());
        assert!(trusting.verify_sets(&[set(bad)]).is_err());
        assert!(trusting.verify_sets(&[set(good), set(bad)]).is_ok());
    }
}
