"""Incomes by district, and how they go with age: an example of a Python job.

Reads `/in/persons.arrow` (district, age, income) and the parameter `least`, the fewest persons of
whom a figure may be shown. Makes `/out/districts.csv` and `/out/model.json`.
"""

import json

import pyarrow as pa
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import train_test_split

with open("/job/parameters.json") as file:
    least = json.load(file)["least"]

persons = pa.ipc.open_file("/in/persons.arrow").read_pandas()
known = persons.dropna(subset=["district", "age", "income"])
print(f"read {len(persons)} rows, of which {len(persons) - len(known)} lack a value and are left out")

districts = known.groupby("district", as_index=False).agg(
    persons=("income", "size"), income=("income", "mean")
)
districts[districts.persons >= least].to_csv("/out/districts.csv", index=False)

model = {"persons": len(known)}
if len(known) >= 10 * least:
    train, test = train_test_split(known, random_state=1)
    line = LinearRegression().fit(train[["age"]], train.income)
    model |= {
        "slope": line.coef_[0],
        "intercept": line.intercept_,
        "r2": line.score(test[["age"]], test.income),
    }
with open("/out/model.json", "w") as file:
    json.dump(model, file)
