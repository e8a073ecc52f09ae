//! The noise of an answer, drawn once.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::{
    Code, Design, Part, PrivacyError, Totals,
    mechanism::{add_noise, add_noise_above},
};

/// A group with its figures, noise included. Nothing of it depends on one subject by more than the
/// answer was charged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// The values of the group's key.
    pub key: Vec<Code>,
    /// The figures, in the order of the design, in their smallest units. Counts may be negative.
    pub figures: Vec<i128>,
}

impl Design {
    /// Adds noise to the totals, and leaves out groups of too few where keys were found.
    ///
    /// # Errors
    ///
    /// [`PrivacyError::Mechanism`] if noise cannot be drawn; the charge stands all the same.
    pub fn release(&self, totals: &Totals) -> Result<Vec<Cell>, PrivacyError> {
        let column = |part| totals.column(part).ok_or(PrivacyError::Layout);
        let counted = match self.threshold {
            None => None,
            Some(threshold) => {
                let scale = self.place(Part::Subjects).and_then(|place| self.drawn.get(place));
                let scale = scale.ok_or(PrivacyError::Layout)?.scale;
                // A key without a subject is none: that it was there at all tells of somebody.
                let present: HashMap<u32, i128> = (0_u32..)
                    .zip(column(Part::Subjects)?)
                    .filter(|(_, subjects)| **subjects > 0)
                    .map(|(group, subjects)| (group, *subjects))
                    .collect();
                Some(add_noise_above(scale, threshold, &present)?)
            }
        };
        let mut shown: Vec<(&Vec<Code>, usize)> = totals
            .keys
            .iter()
            .enumerate()
            .filter(|(group, _)| is_shown(counted.as_ref(), *group))
            .map(|(group, key)| (key, group))
            .collect();
        shown.sort_unstable();
        let mut cells: Vec<Cell> = shown
            .iter()
            .map(|(key, _)| Cell { key: (*key).clone(), figures: Vec::new() })
            .collect();
        for drawn in &self.drawn {
            let noised = match &counted {
                Some(counted) if drawn.part == Part::Subjects => {
                    shown.iter().filter_map(|(_, group)| find(counted, *group)).collect()
                }
                Some(_) | None => {
                    let exact = column(drawn.part)?;
                    let exact: Vec<i128> =
                        shown.iter().filter_map(|(_, group)| exact.get(*group).copied()).collect();
                    add_noise(drawn.scale, &exact)?
                }
            };
            for (cell, figure) in cells.iter_mut().zip(noised) {
                cell.figures.push(figure);
            }
        }
        Ok(cells)
    }
}

fn find(counted: &HashMap<u32, i128>, group: usize) -> Option<i128> {
    u32::try_from(group).ok().and_then(|group| counted.get(&group).copied())
}

fn is_shown(counted: Option<&HashMap<u32, i128>>, group: usize) -> bool {
    counted.is_none_or(|counted| find(counted, group).is_some())
}

/// The mean that a sum and a count come to, in hundredths of the sum's unit, rounded to the
/// nearest; none where the count, noise included, is not above zero.
pub fn mean(sum: i128, count: i128) -> Option<i128> {
    if count <= 0 {
        return None;
    }
    let hundredfold = sum.checked_mul(100)?;
    let half = count / 2;
    let away = if hundredfold < 0 {
        hundredfold.checked_sub(half)?
    } else {
        hundredfold.checked_add(half)?
    };
    Some(away / count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_is_rounded_to_the_nearest_hundredth_and_needs_somebody() {
        assert_eq!(mean(10, 4), Some(250));
        assert_eq!(mean(2, 3), Some(67));
        assert_eq!(mean(-2, 3), Some(-67));
        assert_eq!(mean(7, 0), None);
        assert_eq!(mean(7, -3), None);
        assert_eq!(mean(i128::MAX, 3), None);
    }
}
