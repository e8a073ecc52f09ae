//! Building a column of text in one piece of memory.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, StringArray},
    buffer::{Buffer, OffsetBuffer, ScalarBuffer},
};

use crate::MaskingError;

/// A column of the values of `from`, each written by `write` behind what is there already. What
/// has no value has none.
pub(super) fn written(
    from: &StringArray,
    bytes_each: usize,
    mut write: impl FnMut(&str, &mut Vec<u8>),
) -> Result<ArrayRef, MaskingError> {
    let mut bytes = Vec::with_capacity(from.len() * bytes_each);
    let mut ends: Vec<i32> = Vec::with_capacity(from.len() + 1);
    ends.push(0);
    for value in from {
        if let Some(value) = value {
            write(value, &mut bytes);
        }
        ends.push(i32::try_from(bytes.len()).map_err(|_| MaskingError::TooLarge)?);
    }
    let offsets = OffsetBuffer::new(ScalarBuffer::from(ends));
    StringArray::try_new(offsets, Buffer::from_vec(bytes), from.nulls().cloned())
        .map(|array| Arc::new(array) as ArrayRef)
        .map_err(|_| MaskingError::Length)
}
