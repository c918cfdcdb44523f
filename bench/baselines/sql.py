"""Count the same groups with DuckDB on one thread: ``python sql.py LOGS [ROLE_ARN]``.

The files are read as text, and `from_json` decodes only the fields that are needed: the fastest of several ways.
Duplicates and other accounts' copies are counted too.
"""

from __future__ import annotations

import json
import sys

import duckdb
from reference import IDENTIFYING

RECORD = {
    "eventTime": "VARCHAR",
    "eventSource": "VARCHAR",
    "eventName": "VARCHAR",
    "awsRegion": "VARCHAR",
    "errorCode": "VARCHAR",
    "eventType": "VARCHAR",
    "userIdentity": {
        "type": "VARCHAR",
        "invokedBy": "VARCHAR",
        "sessionContext": {"sessionIssuer": {"arn": "VARCHAR", "principalId": "VARCHAR"}},
    },
    "requestParameters": dict.fromkeys(IDENTIFYING, "JSON"),
    "resources": [{"ARN": "VARCHAR"}],
}
RECORDS = """
WITH records AS (
    SELECT unnest(from_json(json->'Records', $shape)) AS r
    FROM read_json_objects($files, format = 'unstructured', maximum_object_size = 100000000)
)"""
_QUERY = f"""{RECORDS},
groups AS (
    SELECT count(*) AS events, min(r.eventTime) AS first, max(r.eventTime) AS last
    FROM records
    WHERE r.userIdentity.type = 'AssumedRole' AND r.eventType = 'AwsApiCall'
      AND ($role = '' OR r.userIdentity.sessionContext.sessionIssuer.arn = $role)
    GROUP BY r.userIdentity.sessionContext.sessionIssuer.principalId, r.eventSource, r.eventName, r.awsRegion,
        r.errorCode, r.userIdentity.invokedBy, r.eventTime[:10], r.requestParameters, r.resources
)
SELECT sum(events), count(*), min(first), max(last) FROM groups
"""


def main() -> None:
    """Count the groups and print the totals."""
    logs, role = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""
    base = duckdb.connect()
    base.execute("SET threads = 1")
    parameters = {"files": f"{logs}/**/*.json.gz", "shape": json.dumps([RECORD]), "role": role}
    row = base.execute(_QUERY, parameters).fetchone()
    assert row is not None
    print(json.dumps({"events": int(row[0] or 0), "groups": row[1]}))


if __name__ == "__main__":
    main()
