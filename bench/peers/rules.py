"""What the peers of `ingest` share: the rules of the table of persons, as Shuyu has them."""

import json

# What stands for a missing value.
MISSING = ["", "?", "-", "NA", "NaN", "nan", "N/A", "—", "NULL", "null", "None", "——"]
COLUMNS = [
    "id_number", "name", "sex", "born_on", "division", "address", "mobile",
    "ethnic_group", "education", "annual_income", "registered_on", "synthetic",
]
OPTIONAL = ["mobile", "education"]
# GB 11643: weights of the first 17 digits; with the check character they come to 1 modulo 11.
WEIGHTS = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]
# GB/T 2260: the codes of provinces.
PROVINCE = "(1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[1-3])"


def say(seconds: float, rows: int, refused: int) -> None:
    """Prints what the turn has to say."""
    with open("/proc/self/status", encoding="ascii") as status:
        peak = next(line for line in status if line.startswith("VmHWM:"))
    print(json.dumps({
        "seconds": seconds, "rows": rows, "refused": refused, "peak_kib": int(peak.split()[1]),
    }))
