//! Vectors as they are kept: the directions of texts, in whole numbers.
//!
//! Only the angle between two of them counts, so that each is stretched to the range of its numbers:
//! half the room of what came, and nothing that a search would notice is lost.

use llm_core::answer::Vector;

/// Numbers of a vector: twice those of the largest model that is known.
pub const LENGTH_MAX: usize = 8_192;

/// A direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed(Vec<i16>);

impl Packed {
    /// A vector as it came; `None` where it has no direction, or its numbers are packed otherwise.
    pub fn of(vector: &Vector) -> Option<Self> {
        match vector {
            Vector::Float(numbers) => Self::stretched(numbers),
            Vector::Int(numbers) => {
                let numbers: Vec<f64> = numbers.iter().copied().map(f64::from).collect();
                Self::stretched(&numbers)
            }
            Vector::Base64(_) => None,
        }
    }

    fn stretched(numbers: &[f64]) -> Option<Self> {
        let most = numbers.iter().fold(0.0_f64, |most, number| most.max(number.abs()));
        if numbers.len() > LENGTH_MAX || most <= 0.0 || !most.is_finite() {
            return None;
        }
        let one = |number: &f64| (number / most * f64::from(i16::MAX)).round() as i16;
        Some(Self(numbers.iter().map(one).collect()))
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|number| number.to_le_bytes()).collect()
    }

    /// From its bytes; `None` where they are none of ours.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (numbers, rest) = bytes.as_chunks::<2>();
        if !rest.is_empty() || numbers.is_empty() || numbers.len() > LENGTH_MAX {
            return None;
        }
        Some(Self(numbers.iter().map(|pair| i16::from_le_bytes(*pair)).collect()))
    }

    /// How near two directions are, from -1 to 1; `None` for two that are of different models.
    pub fn nearness(&self, other: &Self) -> Option<f64> {
        if self.0.len() != other.0.len() {
            return None;
        }
        let product = |a: &[i16], b: &[i16]| -> i64 {
            a.iter().zip(b).map(|(a, b)| i64::from(i32::from(*a) * i32::from(*b))).sum()
        };
        let lengths = product(&self.0, &self.0) as f64 * product(&other.0, &other.0) as f64;
        (lengths > 0.0).then(|| product(&self.0, &other.0) as f64 / lengths.sqrt())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_angle_stays(
            pairs in prop::collection::vec((-1.0..1.0_f64, -1.0..1.0_f64), 3..200),
        ) {
            let (a, b): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
            let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            let lengths = dot(&a, &a) * dot(&b, &b);
            prop_assume!(lengths > 1e-6);
            let exact = dot(&a, &b) / lengths.sqrt();
            let (a, b) = (Vector::Float(a), Vector::Float(b));
            let (a, b) = (Packed::of(&a).unwrap(), Packed::of(&b).unwrap());
            prop_assert!((a.nearness(&b).unwrap() - exact).abs() < 1e-3);
            prop_assert_eq!(Packed::from_bytes(&a.to_bytes()), Some(a));
        }
    }

    #[test]
    fn what_has_no_direction_is_none() {
        for numbers in [vec![], vec![0.0; 4], vec![f64::NAN], vec![f64::INFINITY, 1.0]] {
            assert_eq!(Packed::of(&Vector::Float(numbers)), None);
        }
        let (a, b) = (Packed(vec![1]), Packed(vec![1, 2]));
        assert_eq!(a.nearness(&b), None);
        assert_eq!(Packed::from_bytes(&[1, 2, 3]), None);
    }
}
