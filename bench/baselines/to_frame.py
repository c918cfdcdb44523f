"""Turn records into a frame, as people do without policygen: ``python to_frame.py pandas|duckdb LOGS NUMBER``.

``pandas`` is `json_normalize`, a row for each record and a column for each field of any, of one file in NUMBER.
``duckdb`` makes a row for each event of a role, error, parameters, resources and day, with its count, on one thread.
Neither knows which permissions were asked for, and both count duplicates.
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path

_GROUPS = """
SELECT r.userIdentity.sessionContext.sessionIssuer.arn AS role, r.eventSource AS source, r.eventName AS name,
    r.errorCode AS error, r.requestParameters AS params, r.resources AS resources, r.eventTime[:10] AS day,
    count(*) AS n
FROM records
WHERE r.userIdentity.type = 'AssumedRole'
GROUP BY ALL
"""


def with_pandas(logs: Path, step: int) -> tuple[int, int]:
    """Return the records that were read, and the rows of the frame."""
    import pandas as pd

    found: list[object] = []
    for file in sorted(logs.rglob("*.json.gz"))[::step]:
        found += json.loads(gzip.decompress(file.read_bytes()))["Records"]
    return len(found), len(pd.json_normalize(found))


def with_duckdb(logs: Path, records: int) -> tuple[int, int]:
    """Return the records, all of them, and the rows of the frame."""
    import duckdb
    from sql import RECORD, RECORDS

    base = duckdb.connect()
    base.execute("SET threads = 1")
    parameters = {"files": f"{logs}/**/*.json.gz", "shape": json.dumps([RECORD])}
    return records, len(base.execute(RECORDS + _GROUPS, parameters).df())


def main() -> None:
    """Make the frame and print how large it is."""
    way = with_pandas if sys.argv[1] == "pandas" else with_duckdb
    records, rows = way(Path(sys.argv[2]), int(sys.argv[3]))
    print(json.dumps({"records": records, "rows": rows}))


if __name__ == "__main__":
    main()
