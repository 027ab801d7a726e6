//! How prompts did, by class and band: numbers that are nobody's.

use llm_store::sql::{Failure, Session, Task};

use super::count;
use crate::prompts::intent::Class;
use crate::prompts::predict::{Band, Tally};

const READ: &str = "SELECT band, good, bad FROM prompt_outcome WHERE class = $1";
const MOVE: &str = "INSERT INTO prompt_outcome (class, band, good, bad) VALUES ($1, $2, $3, $4) \
     ON CONFLICT (class, band) DO UPDATE SET good = prompt_outcome.good + excluded.good, \
     bad = prompt_outcome.bad + excluded.bad";

/// What was said of a class, band by band.
pub(in crate::prompts) struct Voices(pub(in crate::prompts) Class);

impl Task for Voices {
    type Out = [Tally; Band::COUNT as usize];

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let mut all = [Tally::default(); Band::COUNT as usize];
        for row in session.all(READ, &[self.0.word().into()]).await? {
            let place = usize::try_from(row.int(0)?).ok().and_then(|band| all.get_mut(band));
            if let Some(tally) = place {
                *tally = Tally { good: count(&row, 1)?, bad: count(&row, 2)? };
            }
        }
        Ok(all)
    }
}

/// One voice more, or one less.
pub(in crate::prompts) async fn moved(
    session: &mut Session<'_>,
    (class, band): (&str, i64),
    good: bool,
    by: i64,
) -> Result<(), Failure> {
    let (yes, no) = if good { (by, 0) } else { (0, by) };
    session.run(MOVE, &[class.into(), band.into(), yes.into(), no.into()]).await?;
    Ok(())
}
