//! The second largest contribution of each group, which the engine has no function for: the p%
//! rule asks what is left of a sum without its two largest contributions.

use std::{marker::PhantomData, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, ArrowNativeTypeOp, ArrowPrimitiveType, AsArray, BooleanArray,
        PrimitiveArray,
    },
    datatypes::{DataType, Decimal128Type, Field, FieldRef, Float64Type},
};
use datafusion::{
    common::{Result, ScalarValue, plan_datafusion_err},
    logical_expr::{
        Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, Expr, GroupsAccumulator, Signature,
        Volatility,
        function::{AccumulatorArgs, StateFieldsArgs},
        utils::format_state_name,
    },
};

/// The second largest value of an expression; none where there are fewer than two.
pub(crate) fn second_largest(value: Expr) -> Expr {
    let signature = Signature::any(1, Volatility::Immutable);
    AggregateUDF::new_from_impl(SecondLargest { signature }).call(vec![value])
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct SecondLargest {
    signature: Signature,
}

fn unknown_type() -> datafusion::common::DataFusionError {
    plan_datafusion_err!("not a number")
}

impl AggregateUDFImpl for SecondLargest {
    fn name(&self) -> &'static str {
        "second_largest"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [kind @ (DataType::Decimal128(..) | DataType::Float64)] => Ok(kind.clone()),
            _ => Err(unknown_type()),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let field = |name| {
            Arc::new(Field::new(
                format_state_name(args.name, name),
                args.return_type().clone(),
                true,
            ))
        };
        Ok(vec![field("most"), field("next")])
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        match args.return_field.data_type() {
            kind @ DataType::Decimal128(..) => Ok(Box::new(Tops::<Decimal128Type>::new(kind))),
            kind @ DataType::Float64 => Ok(Box::new(Tops::<Float64Type>::new(kind))),
            _ => Err(unknown_type()),
        }
    }

    fn groups_accumulator_supported(&self, _args: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        match args.return_field.data_type() {
            kind @ DataType::Decimal128(..) => Ok(Box::new(Tops::<Decimal128Type>::new(kind))),
            kind @ DataType::Float64 => Ok(Box::new(Tops::<Float64Type>::new(kind))),
            _ => Err(unknown_type()),
        }
    }
}

/// The two largest values of a group.
#[derive(Debug, Clone, Copy)]
struct Top<N> {
    most: Option<N>,
    next: Option<N>,
}

impl<N: ArrowNativeTypeOp> Top<N> {
    const NONE: Self = Self { most: None, next: None };

    fn add(&mut self, value: N) {
        match (self.most, self.next) {
            (Some(most), _) if value.is_gt(most) => {
                *self = Self { most: Some(value), next: Some(most) };
            }
            (Some(_), Some(next)) if !value.is_gt(next) => {}
            (Some(_), _) => self.next = Some(value),
            (None, _) => self.most = Some(value),
        }
    }
}

/// The two largest values of each group.
#[derive(Debug)]
struct Tops<T: ArrowPrimitiveType> {
    all: Vec<Top<T::Native>>,
    kind: DataType,
    of: PhantomData<T>,
}

impl<T: ArrowPrimitiveType> Tops<T> {
    fn new(kind: &DataType) -> Self {
        Self { all: Vec::new(), kind: kind.clone(), of: PhantomData }
    }

    fn cover(&mut self, groups: usize) {
        if self.all.len() < groups {
            self.all.resize(groups, Top::NONE);
        }
    }

    fn add(&mut self, values: &ArrayRef, groups: &[usize], filter: Option<&BooleanArray>) {
        let values = values.as_primitive::<T>();
        for (row, group) in groups.iter().enumerate() {
            let is_in = filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row));
            if is_in
                && values.is_valid(row)
                && let Some(top) = self.all.get_mut(*group)
            {
                top.add(values.value(row));
            }
        }
    }

    fn array(&self, values: impl Iterator<Item = Option<T::Native>>) -> ArrayRef {
        let array: PrimitiveArray<T> = values.collect();
        Arc::new(array.with_data_type(self.kind.clone()))
    }

    fn state_of(&self, tops: &[Top<T::Native>]) -> Vec<ArrayRef> {
        let most = self.array(tops.iter().map(|top| top.most));
        let next = self.array(tops.iter().map(|top| top.next));
        vec![most, next]
    }
}

fn one(values: &[ArrayRef]) -> Result<&ArrayRef> {
    values.first().ok_or_else(unknown_type)
}

impl<T: ArrowPrimitiveType + Send + Sync> GroupsAccumulator for Tops<T> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.cover(total);
        self.add(one(values)?, groups, filter);
        Ok(())
    }

    fn evaluate(&mut self, emit: EmitTo) -> Result<ArrayRef> {
        let tops = emit.take_needed(&mut self.all);
        Ok(self.array(tops.iter().map(|top| top.next)))
    }

    fn state(&mut self, emit: EmitTo) -> Result<Vec<ArrayRef>> {
        let tops = emit.take_needed(&mut self.all);
        Ok(self.state_of(&tops))
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.cover(total);
        for values in values {
            self.add(values, groups, None);
        }
        Ok(())
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let mut each = Self::new(&self.kind);
        let values = one(values)?;
        each.cover(values.len());
        each.add(values, &(0..values.len()).collect::<Vec<_>>(), filter);
        Ok(self.state_of(&each.all))
    }

    fn size(&self) -> usize {
        self.all.capacity() * size_of::<Top<T::Native>>() + size_of::<Self>()
    }
}

impl<T: ArrowPrimitiveType + std::fmt::Debug + Send + Sync> Accumulator for Tops<T> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let values = one(values)?;
        self.cover(1);
        self.add(values, &vec![0; values.len()], None);
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let next = self.all.first().and_then(|top| top.next);
        ScalarValue::try_from_array(&self.array([next].into_iter()), 0)
    }

    fn size(&self) -> usize {
        GroupsAccumulator::size(self)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.cover(1);
        let arrays = self.state_of(self.all.get(..1).unwrap_or_default());
        arrays.iter().map(|array| ScalarValue::try_from_array(array, 0)).collect()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for values in states {
            Accumulator::update_batch(self, std::slice::from_ref(values))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::Float64Array;

    use super::*;

    fn floats(values: &[Option<f64>]) -> ArrayRef {
        Arc::new(Float64Array::from(values.to_vec()))
    }

    #[test]
    fn the_second_largest_is_the_same_however_the_rows_are_divided() {
        let values = [Some(3.0), None, Some(9.0), Some(9.0), Some(1.0), Some(4.0)];
        let groups = [0, 0, 0, 1, 1, 1];
        let mut whole = Tops::<Float64Type>::new(&DataType::Float64);
        GroupsAccumulator::update_batch(&mut whole, &[floats(&values)], &groups, None, 3).unwrap();
        let expected = floats(&[Some(3.0), Some(4.0), None]);
        let mut merged = Tops::<Float64Type>::new(&DataType::Float64);
        for (values, groups) in values.chunks(2).zip(groups.chunks(2)) {
            let state = merged.convert_to_state(&[floats(values)], None).unwrap();
            GroupsAccumulator::merge_batch(&mut merged, &state, groups, 3).unwrap();
        }
        for tops in [&mut whole, &mut merged] {
            let found = GroupsAccumulator::evaluate(tops, EmitTo::All).unwrap();
            assert_eq!(&found, &expected);
        }
        let mut one = Tops::<Float64Type>::new(&DataType::Float64);
        Accumulator::update_batch(&mut one, &[floats(&[Some(7.0), Some(7.0)])]).unwrap();
        assert_eq!(Accumulator::evaluate(&mut one).unwrap(), ScalarValue::Float64(Some(7.0)));
    }
}
