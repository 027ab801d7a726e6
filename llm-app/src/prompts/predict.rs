//! How likely a prompt is to do well: by what people have said of prompts of its class and score.
//!
//! Each class and band is a coin whose chance is not known. Before anybody has said anything it is
//! what the class as a whole has, worth `PRIOR` voices; each voice moves it. With fewer than
//! [`ENOUGH`] voices of its own nothing is predicted, and that is said.

use super::Prompts;
use super::intent::Class;
use super::score::Points;
use super::store::voices::Voices;
use crate::ground::NotDone;

/// What the class as a whole is worth, in voices.
const PRIOR: f64 = 8.0;
/// Voices without which nothing is predicted.
pub const ENOUGH: u64 = 20;
/// Of the normal distribution: 95 in 100 lie within so many deviations.
const WITHIN: f64 = 1.96;

/// A band of scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Band(u8);

impl Band {
    /// How many there are.
    pub const COUNT: u8 = 4;

    /// Of a score: below 40, 60, 80, and the rest.
    pub fn of(points: Points) -> Self {
        Self(match points {
            0..40 => 0,
            40..60 => 1,
            60..80 => 2,
            _ => 3,
        })
    }

    /// Its number, from 0.
    pub fn number(self) -> u8 {
        self.0
    }

    /// By its number.
    pub fn numbered(number: i64) -> Option<Self> {
        let number = u8::try_from(number).ok()?;
        (number < Self::COUNT).then_some(Self(number))
    }
}

/// What people have said: well, and not well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many liked it.
    pub good: u64,
    /// How many did not.
    pub bad: u64,
}

/// How likely it is, if it can be said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Predicted {
    /// How many have said anything of such prompts.
    pub voices: u64,
    /// The chance, and where it lies with 95 in 100; `None` is that there are not enough voices.
    pub chance: Option<Chance>,
}

/// A chance between 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chance {
    /// The best guess.
    pub mean: f64,
    /// Hardly less.
    pub low: f64,
    /// Hardly more.
    pub high: f64,
}

/// Of the voices of a class and band, and of those of the class.
#[expect(clippy::cast_precision_loss, reason = "nobody has 2^52 voices")]
pub fn predicted(band: Tally, class: Tally) -> Predicted {
    let voices = band.good + band.bad;
    if voices < ENOUGH {
        return Predicted { voices, chance: None };
    }
    let rate = (class.good as f64 + 1.0) / ((class.good + class.bad) as f64 + 2.0);
    let good = PRIOR * rate + band.good as f64;
    let bad = PRIOR * (1.0 - rate) + band.bad as f64;
    let all = good + bad;
    let mean = good / all;
    let deviation = (good * bad / (all * all * (all + 1.0))).sqrt();
    let (low, high) = (mean - WITHIN * deviation, mean + WITHIN * deviation);
    let chance = Chance { mean, low: low.max(0.0), high: high.min(1.0) };
    Predicted { voices, chance: Some(chance) }
}

impl Prompts {
    /// How likely a prompt of that class and band is to do well.
    pub(super) async fn predict(&self, class: Class, band: Band) -> Result<Predicted, NotDone> {
        let tallies = self.ground.database.read(Voices(class)).await?;
        let all = tallies.iter().fold(Tally::default(), |all, one| Tally {
            good: all.good + one.good,
            bad: all.bad + one.bad,
        });
        let own = tallies.get(usize::from(band.number())).copied().unwrap_or_default();
        Ok(predicted(own, all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_voices_predict_nothing_and_many_what_they_say() {
        let tally = |good, bad| Tally { good, bad };
        assert_eq!(predicted(tally(19, 0), tally(500, 0)).chance, None);
        let some = predicted(tally(15, 5), tally(15, 5)).chance.unwrap();
        assert!((some.mean - 0.74).abs() < 0.01, "{some:?}");
        let many = predicted(tally(900, 100), tally(900, 100)).chance.unwrap();
        assert!((many.mean - 0.9).abs() < 0.001 && many.high - many.low < some.high - some.low);
        // A class where nothing goes well weighs on a band with few voices.
        let weighed = predicted(tally(15, 5), tally(15, 500)).chance.unwrap();
        assert!(weighed.mean < some.mean);
        let all = predicted(tally(20, 0), tally(20, 0)).chance.unwrap();
        assert!(all.low > 0.0 && all.high <= 1.0 && all.mean < 1.0);
    }
}
