"""A turn of Polars: the same rules on the same file, good rows typed into Parquet, bad ones kept.

Its reader cuts surplus cells off and fills missing ones, so a row of the wrong length is told by
the rules that its shifted cells break.
"""

import pathlib
import sys
import time

import polars as pl

from rules import COLUMNS, MISSING, OPTIONAL, PROVINCE, WEIGHTS, say

csv, out = sys.argv[1], pathlib.Path(sys.argv[2])


def digit(place: int) -> pl.Expr:
    return pl.col("id_number").str.slice(place, 1).cast(pl.Int32, strict=False)


last = pl.col("id_number").str.slice(17, 1).str.to_uppercase()
check = pl.when(last == "X").then(10).otherwise(digit(17))
total = sum((digit(place) * weight for place, weight in enumerate(WEIGHTS)), check)
rules = [
    pl.col("id_number").str.contains(f"^{PROVINCE}[0-9]{{15}}[0-9Xx]$"),
    total % 11 == 1,
    pl.col("id_number").str.slice(6, 8).str.to_date("%Y%m%d", strict=False).is_not_null(),
    pl.col("born").is_not_null(),
    pl.col("registered").is_not_null(),
    pl.col("income").is_not_null(),
    pl.col("division").str.contains(f"^{PROVINCE}[0-9]{{4}}$"),
    pl.col("mobile").is_null() | pl.col("mobile").str.contains("^1[3-9][0-9]{9}$"),
    *(pl.col(column).is_not_null() for column in COLUMNS if column not in OPTIONAL),
]

begin = time.perf_counter()
checked = (
    pl.scan_csv(csv, infer_schema=False, null_values=MISSING, truncate_ragged_lines=True)
    .with_columns(pl.col(column).str.strip_chars() for column in COLUMNS)
    .with_columns(
        born=pl.col("born_on").str.to_date("%Y-%m-%d", strict=False),
        registered=pl.col("registered_on").str.to_date("%Y-%m-%d", strict=False),
        income=pl.col("annual_income").cast(pl.Decimal(18, 2), strict=False),
    )
    .with_columns(good=pl.all_horizontal(rules).fill_null(False))
    .collect(engine="streaming")
)
good = (
    checked.filter(pl.col("good"))
    .with_columns(born_on="born", registered_on="registered", annual_income="income")
    .select(COLUMNS)
)
good.write_parquet(out / "good.parquet", compression="lz4")
bad = checked.filter(~pl.col("good")).select(COLUMNS)
bad.write_csv(out / "bad.csv")
seconds = time.perf_counter() - begin
say(seconds, good.height, bad.height)
