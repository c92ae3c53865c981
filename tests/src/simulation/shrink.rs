//! Cuts a life that fails down to one that is as small as possible and still fails (delta debugging).

use anyhow::Result;

use crate::simulation::life::{Happening, Life};

/// Returns the smallest life found with at most `plays` plays. `fails` plays a life; it returns the days that were played if
/// something differed.
pub async fn shrink(
    life: Life,
    mut plays: usize,
    mut fails: impl AsyncFnMut(&Life) -> Result<Option<i64>>,
) -> Result<Life> {
    let mut smallest = life;
    let mut parts = 2;
    while plays > 0 && parts <= smallest.happenings.len().max(1) * 2 {
        let length = smallest.happenings.len().div_ceil(parts).max(1);
        let mut from = 0;
        let mut is_smaller = false;
        while from < smallest.happenings.len() && plays > 0 {
            plays -= 1;
            let smaller = without(&smallest, from, length);
            match fails(&smaller).await? {
                Some(days) => {
                    smallest = smaller.until_day(days);
                    is_smaller = true;
                }
                None => from += length,
            }
        }
        if length == 1 && !is_smaller {
            break;
        }
        parts = if is_smaller { 2.max(parts / 2) } else { parts * 2 };
    }
    Ok(smallest)
}

/// The life without `length` happenings from this place on.
fn without(life: &Life, from: usize, length: usize) -> Life {
    let is_left_out = |place: usize| (from..from + length).contains(&place);
    let left = life.happenings.iter().enumerate().filter(|(place, _)| !is_left_out(*place));
    let happenings: Vec<Happening> = left.map(|(_, happening)| happening.clone()).collect();
    Life { happenings, ..*life }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::draw::draw;
    use crate::simulation::life::Event;

    #[tokio::test]
    async fn only_what_fails_is_left() {
        let life = draw(3, 300, 20);
        let needed = |event: &Event| matches!(event, Event::Churn { .. });
        let fails = async |life: &Life| {
            let place = life.happenings.iter().position(|happening| needed(&happening.event));
            Ok(place.map(|place| life.happenings[place].at.nth_day() + 1))
        };
        let smallest = shrink(life, 200, fails).await.unwrap();
        assert_eq!(smallest.happenings.len(), 1, "{smallest:?}");
        assert!(needed(&smallest.happenings[0].event));
        assert_eq!(smallest.days, smallest.happenings[0].at.nth_day() + 1);
    }
}
