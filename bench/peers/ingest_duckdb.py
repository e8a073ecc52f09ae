"""A turn of DuckDB: the same rules on the same file, good rows typed into Parquet, bad ones kept.

Rows with too few or too many cells are told by the reader; everything else by the query.
"""

import pathlib
import sys
import time

import duckdb

from rules import COLUMNS, MISSING, OPTIONAL, PROVINCE, WEIGHTS, say

csv, out = sys.argv[1], pathlib.Path(sys.argv[2])

DIGITS = " + ".join(
    f"(ascii(substr(id_number, {place}, 1)) - 48) * {weight}"
    for place, weight in enumerate(WEIGHTS, start=1)
)
CHECK = "CASE WHEN upper(substr(id_number, 18, 1)) = 'X' THEN 10 ELSE ascii(substr(id_number, 18, 1)) - 48 END"
RULES = [
    f"regexp_full_match(id_number, '{PROVINCE}\\d{{15}}[0-9Xx]')",
    f"({DIGITS} + {CHECK}) % 11 = 1",
    "try_strptime(substr(id_number, 7, 8), '%Y%m%d') IS NOT NULL",
    "born IS NOT NULL",
    "registered IS NOT NULL",
    "income IS NOT NULL",
    f"regexp_full_match(division, '{PROVINCE}\\d{{4}}')",
    "(mobile IS NULL OR regexp_full_match(mobile, '1[3-9]\\d{9}'))",
] + [f"{column} IS NOT NULL" for column in COLUMNS if column not in OPTIONAL]

columns = ", ".join(f"'{column}': 'VARCHAR'" for column in COLUMNS)
missing = ", ".join(f"'{text}'" for text in MISSING)
trimmed = ", ".join(f"trim({column}) AS {column}" for column in COLUMNS)

begin = time.perf_counter()
connection = duckdb.connect()
connection.execute(f"""
    CREATE TEMP TABLE checked AS
    SELECT *, coalesce({" AND ".join(RULES)}, false) AS good FROM (
        SELECT *, TRY_CAST(born_on AS DATE) AS born, TRY_CAST(registered_on AS DATE) AS registered,
               TRY_CAST(annual_income AS DECIMAL(18, 2)) AS income
        FROM (SELECT {trimmed} FROM read_csv('{csv}', header = true, auto_detect = false,
            delim = ',', quote = '"', escape = '"', columns = {{{columns}}}, nullstr = [{missing}],
            store_rejects = true))
    )""")
connection.execute(f"""
    COPY (SELECT id_number, name, sex, born AS born_on, division, address, mobile, ethnic_group,
                 education, income AS annual_income, registered AS registered_on, synthetic
          FROM checked WHERE good)
    TO '{out / "good.parquet"}' (FORMAT parquet, COMPRESSION lz4_raw)""")
connection.execute(f"COPY (SELECT * FROM checked WHERE NOT good) TO '{out / 'bad.csv'}'")
connection.execute(f"COPY (SELECT line, csv_line FROM reject_errors) TO '{out / 'ragged.csv'}'")
seconds = time.perf_counter() - begin
good, bad = connection.execute(
    "SELECT count(*) FILTER (good), count(*) FILTER (NOT good) FROM checked"
).fetchone()
ragged = connection.execute("SELECT count(DISTINCT line) FROM reject_errors").fetchone()[0]
say(seconds, good, bad + ragged)
