"""A turn of anonypy (Mondrian): the same table to the same k, its loss by the same measure."""

import json
import math
import pathlib
import sys
import time

import anonypy
import pandas

folder, k = pathlib.Path(sys.argv[1]), int(sys.argv[2])
table = pandas.read_csv(folder / "adult.csv", sep=";")
columns = list(table.columns[:8])
leaves = {
    name: sum(1 for _ in open(folder / f"adult_hierarchy_{name}.csv", encoding="utf-8"))
    for name in columns
}
for name in table.columns:
    if name != "age":
        table[name] = table[name].astype("category")

begin = time.perf_counter()
rows = anonypy.Preserver(table, columns, table.columns[8]).anonymize_k_anonymity(k=k)
seconds = time.perf_counter() - begin


def stands_for(name: str, value: str) -> int:
    if name != "age":
        return value.count(",") + 1
    ends = [int(end) for end in value.split("-")]
    return ends[-1] - ends[0] + 1


count = sum(row["count"] for row in rows)
total = 1.0
for name in columns:
    lost = sum(row["count"] * stands_for(name, row[name][0]) for row in rows) / leaves[name]
    least = count / leaves[name]
    total *= 1 + (lost - least) / (count - least)
print(json.dumps({"seconds": seconds, "loss": math.pow(total, 1 / len(columns)) - 1}))
