"""A turn of DataFusion SQL: the same masks on the same file, as far as SQL has them.

HMAC is written out: SHA-256 of one key and SHA-256 of another and the value.
"""

import pathlib
import sys
import time

from datafusion import SessionContext

from rules import say

csv, out = sys.argv[1], pathlib.Path(sys.argv[2])


def token(kind: str, column: str) -> str:
    inner = f"encode(sha256('{kind}-inner-key-of-32-bytes-or-more' || {column}), 'hex')"
    return f"encode(sha256('{kind}-outer-key-of-32-bytes-or-more' || {inner}), 'hex')"


begin = time.perf_counter()
context = SessionContext()
context.register_csv("persons", csv, schema_infer_max_records=1000)
masked = context.sql(f"""
    SELECT left({token('id', 'CAST(id_number AS VARCHAR)')}, 18) AS id_number,
           left(name, 1) || left({token('name', 'name')}, 2) AS name,
           sex,
           date_trunc('year', CAST(born_on AS DATE)) AS born_on,
           left(CAST(division AS VARCHAR), 4) || '00' AS division,
           left(address, greatest(strpos(address, '区'), strpos(address, '县'))) AS address,
           '12' || left({token('mobile', 'CAST(mobile AS VARCHAR)')}, 9) AS mobile,
           ethnic_group,
           education,
           least(round(annual_income / power(10, floor(log10(annual_income + 1)) - 1))
                 * power(10, floor(log10(annual_income + 1)) - 1), 1000000) AS annual_income,
           date_trunc('month', CAST(registered_on AS DATE)) AS registered_on,
           synthetic
    FROM persons
""")
masked.write_parquet(str(out), compression="lz4_raw")
seconds = time.perf_counter() - begin
rows = SessionContext().read_parquet(str(out)).count()
say(seconds, rows, 0)
