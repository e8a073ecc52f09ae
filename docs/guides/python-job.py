"""Incomes by district, and how they go with age: an example of a program in Python.

Reads `/in/persons.arrow` (district, age, income) and the parameter `least`, the fewest persons of
whom a figure may be shown. Makes `/out/output.csv` (district, persons, income, slope, r2).
"""

import json

import pandas as pd
import pyarrow as pa
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import train_test_split

with open("/job/parameters.json") as file:
    least = json.load(file)["least"]

persons = pa.ipc.open_file("/in/persons.arrow").read_pandas()
known = persons.dropna(subset=["district", "age", "income"])
print(f"read {len(persons)} rows, of which {len(persons) - len(known)} lack a value and are left out")

rows = []
for district, group in known.groupby("district"):
    if len(group) < 10 * least:
        print("left out a district of too few persons")
        continue
    train, test = train_test_split(group, random_state=1)
    line = LinearRegression().fit(train[["age"]], train.income)
    r2 = line.score(test[["age"]], test.income)
    rows.append([district, len(group), group.income.mean(), line.coef_[0], r2])

columns = ["district", "persons", "income", "slope", "r2"]
pd.DataFrame(rows, columns=columns).to_csv("/out/output.csv", index=False)
