//! Runner `ssz_generic`: the SSZ library under our containers, with types declared by the names
//! of the cases.

use crate::case::Case;
use crate::value::Value;
use alloy_primitives::U256;
use anyhow::{Context, Result, anyhow, bail};
use consensus::{HashTreeRoot, Root};
use ssz::{Decode, DecodeError, Encode};
use ssz_derive::{Decode, Encode};
use ssz_types::typenum::{
    U1, U2, U3, U4, U5, U6, U7, U8, U9, U15, U16, U17, U31, U32, U33, U128, U256 as N256, U511,
    U512, U513, U1024, Unsigned,
};
use ssz_types::{BitList, BitVector, FixedVector, VariableList};
use std::marker::PhantomData;

/// A type of the test cases: SSZ, and the form it has in `value.yaml`.
trait Tested: Decode + Encode + HashTreeRoot + 'static {
    fn to_value(&self) -> Value;
    fn from_value(value: &Value) -> Result<Self>;
}

/// Runs a case of the type `T`.
fn run<T: Tested>(case: &Case) -> Result<()> {
    let bytes = case.ssz("serialized")?;
    let decoded = T::from_ssz_bytes(&bytes);
    match case.suite() {
        "invalid" => {
            let refusal = decoded.as_ref().err().map(error_name);
            case.check_accepted("the encoding", false, refusal);
            Ok(())
        }
        "valid" => {
            let decoded = decoded.map_err(|error| anyhow!("does not decode: {error:?}"))?;
            let expected = case.expected_bytes(bytes);
            case.check_bytes(
                "decoded and encoded again",
                &decoded.as_ssz_bytes(),
                &expected,
            );
            let value = case.yaml("value.yaml")?;
            case.check_value("value", &decoded.to_value(), &case.expected(&value));
            let parsed = T::from_value(&value).context("value.yaml")?;
            case.check_bytes("value.yaml encoded", &parsed.as_ssz_bytes(), &expected);
            let root = Value::Map(vec![(
                "root".into(),
                Value::scalar(decoded.hash_tree_root()),
            )]);
            case.check_value("meta", &root, &case.expected_yaml("meta.yaml")?);
            Ok(())
        }
        other => bail!("unknown suite `{other}`"),
    }
}

/// The variant of a decoding error.
fn error_name(error: &DecodeError) -> &'static str {
    match error {
        DecodeError::InvalidByteLength { .. } => "InvalidByteLength",
        DecodeError::InvalidLengthPrefix { .. } => "InvalidLengthPrefix",
        DecodeError::OutOfBoundsByte { .. } => "OutOfBoundsByte",
        DecodeError::OffsetIntoFixedPortion(_) => "OffsetIntoFixedPortion",
        DecodeError::OffsetSkipsVariableBytes(_) => "OffsetSkipsVariableBytes",
        DecodeError::OffsetsAreDecreasing(_) => "OffsetsAreDecreasing",
        DecodeError::OffsetOutOfBounds(_) => "OffsetOutOfBounds",
        DecodeError::InvalidListFixedBytesLen(_) => "InvalidListFixedBytesLen",
        DecodeError::ZeroLengthItem => "ZeroLengthItem",
        DecodeError::BytesInvalid(_) => "BytesInvalid",
        _ => "OtherDecodeError",
    }
}

macro_rules! uint {
    ($($type:ty),*) => {$(
        impl Tested for $type {
            fn to_value(&self) -> Value {
                Value::Scalar(self.to_string())
            }

            fn from_value(value: &Value) -> Result<Self> {
                Ok(value.text()?.parse()?)
            }
        }
    )*};
}

uint!(u8, u16, u32, u64, u128, bool);

/// A 256-bit number.
#[derive(Clone, Debug)]
struct Uint256(U256);

impl Encode for Uint256 {
    fn is_ssz_fixed_len() -> bool {
        true
    }

    fn ssz_fixed_len() -> usize {
        32
    }

    fn ssz_bytes_len(&self) -> usize {
        32
    }

    fn ssz_append(&self, buffer: &mut Vec<u8>) {
        self.0.ssz_append(buffer);
    }
}

impl Decode for Uint256 {
    fn is_ssz_fixed_len() -> bool {
        true
    }

    fn ssz_fixed_len() -> usize {
        32
    }

    fn from_ssz_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        U256::from_ssz_bytes(bytes).map(Uint256)
    }
}

impl HashTreeRoot for Uint256 {
    fn hash_tree_root(&self) -> Root {
        Root::from(self.0.to_le_bytes())
    }
}

impl Tested for Uint256 {
    fn to_value(&self) -> Value {
        Value::Scalar(self.0.to_string())
    }

    fn from_value(value: &Value) -> Result<Self> {
        let number = U256::from_str_radix(value.text()?, 10);
        Ok(Uint256(number.map_err(|error| anyhow!("{error}"))?))
    }
}

impl<T: Tested, N: Unsigned> Tested for FixedVector<T, N> {
    fn to_value(&self) -> Value {
        Value::List(self.iter().map(T::to_value).collect())
    }

    fn from_value(value: &Value) -> Result<Self> {
        let items: Result<Vec<T>> = value.items()?.iter().map(T::from_value).collect();
        FixedVector::new(items?).map_err(|error| anyhow!("{error:?}"))
    }
}

impl<T: Tested, N: Unsigned> Tested for VariableList<T, N> {
    fn to_value(&self) -> Value {
        Value::List(self.iter().map(T::to_value).collect())
    }

    fn from_value(value: &Value) -> Result<Self> {
        let items: Result<Vec<T>> = value.items()?.iter().map(T::from_value).collect();
        VariableList::new(items?).map_err(|error| anyhow!("{error:?}"))
    }
}

/// What is written as the hexadecimal form of its SSZ bytes.
macro_rules! hexadecimal {
    ($type:ident) => {
        impl<N: Unsigned + Clone> Tested for $type<N> {
            fn to_value(&self) -> Value {
                Value::Scalar(format!("0x{}", const_hex::encode(self.as_ssz_bytes())))
            }

            fn from_value(value: &Value) -> Result<Self> {
                Self::from_ssz_bytes(&value.bytes()?).map_err(|error| anyhow!("{error:?}"))
            }
        }
    };
}

hexadecimal!(BitList);
hexadecimal!(BitVector);

/// `ByteList[256]`: a list of bytes that is written as hexadecimal.
#[derive(Clone, Debug, Encode, Decode)]
#[ssz(struct_behaviour = "transparent")]
struct ByteList256(VariableList<u8, N256>);

impl HashTreeRoot for ByteList256 {
    fn hash_tree_root(&self) -> Root {
        self.0.hash_tree_root()
    }
}

impl Tested for ByteList256 {
    fn to_value(&self) -> Value {
        Value::Scalar(format!("0x{}", const_hex::encode(&self.0[..])))
    }

    fn from_value(value: &Value) -> Result<Self> {
        let list = VariableList::new(value.bytes()?);
        list.map(ByteList256).map_err(|error| anyhow!("{error:?}"))
    }
}

/// The vectors write the names of fields large.
fn field_name(field: &str) -> String {
    field.to_ascii_uppercase()
}

macro_rules! container {
    ($name:ident { $($field:ident: $type:ty),* $(,)? }) => {
        #[derive(Clone, Debug, Encode, Decode)]
        struct $name { $($field: $type,)* }

        impl HashTreeRoot for $name {
            fn hash_tree_root(&self) -> Root {
                consensus::hashing::container_root([$(self.$field.hash_tree_root()),*])
            }
        }

        impl Tested for $name {
            fn to_value(&self) -> Value {
                Value::map([$((field_name(stringify!($field)).as_str(), self.$field.to_value()),)*])
            }

            fn from_value(value: &Value) -> Result<Self> {
                Ok($name { $($field: Tested::from_value(value.field(&field_name(stringify!($field)))?)?,)* })
            }
        }
    };
}

container!(SingleFieldTestStruct { a: u8 });
container!(SmallTestStruct { a: u16, b: u16 });
container!(FixedTestStruct {
    a: u8,
    b: u64,
    c: u32,
});
container!(VarTestStruct { a: u16, b: VariableList<u16, U1024>, c: u8, });
container!(ComplexTestStruct {
    a: u16,
    b: VariableList<u16, U128>,
    c: u8,
    d: ByteList256,
    e: VarTestStruct,
    f: FixedVector<FixedTestStruct, U4>,
    g: FixedVector<VarTestStruct, U2>,
});
container!(BitsStruct {
    a: BitList<U5>,
    b: BitVector<U2>,
    c: BitVector<U1>,
    d: BitList<U6>,
    e: BitVector<U8>,
});

/// A family of types that differ in their length.
trait ByLength {
    fn run<N: Unsigned + Clone>(case: &Case) -> Result<()>;
}

struct Vectors<T>(PhantomData<T>);

impl<T: Tested> ByLength for Vectors<T> {
    fn run<N: Unsigned + Clone>(case: &Case) -> Result<()> {
        run::<FixedVector<T, N>>(case)
    }
}

struct BitLists;

impl ByLength for BitLists {
    fn run<N: Unsigned + Clone>(case: &Case) -> Result<()> {
        run::<BitList<N>>(case)
    }
}

struct BitVectors;

impl ByLength for BitVectors {
    fn run<N: Unsigned + Clone>(case: &Case) -> Result<()> {
        run::<BitVector<N>>(case)
    }
}

/// Runs the type of the family that has this length.
fn by_length<F: ByLength>(case: &Case, length: usize) -> Result<()> {
    match length {
        0 => refuse_type(case),
        1 => F::run::<U1>(case),
        2 => F::run::<U2>(case),
        3 => F::run::<U3>(case),
        4 => F::run::<U4>(case),
        5 => F::run::<U5>(case),
        6 => F::run::<U6>(case),
        7 => F::run::<U7>(case),
        8 => F::run::<U8>(case),
        9 => F::run::<U9>(case),
        15 => F::run::<U15>(case),
        16 => F::run::<U16>(case),
        17 => F::run::<U17>(case),
        31 => F::run::<U31>(case),
        32 => F::run::<U32>(case),
        33 => F::run::<U33>(case),
        511 => F::run::<U511>(case),
        512 => F::run::<U512>(case),
        513 => F::run::<U513>(case),
        other => bail!("no type of length {other}"),
    }
}

/// The `index`-th part of the case's name between underscores.
fn name_part<'c>(case: &'c Case, index: usize) -> Result<&'c str> {
    let name = case.short_name();
    name.split('_')
        .nth(index)
        .ok_or_else(|| anyhow!("`{name}` does not declare a type"))
}

fn length_in_name(case: &Case, index: usize) -> Result<usize> {
    let part = name_part(case, index)?;
    part.parse()
        .with_context(|| format!("`{part}` is not a length"))
}

/// A vector of length zero is no legal type: having none is how its encodings are refused.
fn refuse_type(case: &Case) -> Result<()> {
    case.ssz("serialized")?;
    case.check_accepted("the type", false, Some("NoSuchType"));
    Ok(())
}

pub(crate) fn basic_vector(case: &Case) -> Result<()> {
    let length = length_in_name(case, 2)?;
    match name_part(case, 1)? {
        "bool" => by_length::<Vectors<bool>>(case, length),
        "uint8" => by_length::<Vectors<u8>>(case, length),
        "uint16" => by_length::<Vectors<u16>>(case, length),
        "uint32" => by_length::<Vectors<u32>>(case, length),
        "uint64" => by_length::<Vectors<u64>>(case, length),
        "uint128" => by_length::<Vectors<u128>>(case, length),
        "uint256" => by_length::<Vectors<Uint256>>(case, length),
        other => bail!("unknown element type `{other}`"),
    }
}

pub(crate) fn bitlist(case: &Case) -> Result<()> {
    by_length::<BitLists>(case, length_in_name(case, 1)?)
}

pub(crate) fn bitvector(case: &Case) -> Result<()> {
    by_length::<BitVectors>(case, length_in_name(case, 1)?)
}

pub(crate) fn boolean(case: &Case) -> Result<()> {
    run::<bool>(case)
}

pub(crate) fn uints(case: &Case) -> Result<()> {
    match name_part(case, 1)? {
        "8" => run::<u8>(case),
        "16" => run::<u16>(case),
        "32" => run::<u32>(case),
        "64" => run::<u64>(case),
        "128" => run::<u128>(case),
        "256" => run::<Uint256>(case),
        other => bail!("no number of {other} bits"),
    }
}

pub(crate) fn containers(case: &Case) -> Result<()> {
    match name_part(case, 0)? {
        "SingleFieldTestStruct" => run::<SingleFieldTestStruct>(case),
        "SmallTestStruct" => run::<SmallTestStruct>(case),
        "FixedTestStruct" => run::<FixedTestStruct>(case),
        "VarTestStruct" => run::<VarTestStruct>(case),
        "ComplexTestStruct" => run::<ComplexTestStruct>(case),
        "BitsStruct" => run::<BitsStruct>(case),
        other => bail!("unknown container `{other}`"),
    }
}
