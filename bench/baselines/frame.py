"""Count the same groups with pandas: ``python frame.py LOGS [ROLE_ARN]``.

The records are flattened by hand: the obvious `json_normalize` takes ten times as long and about 65 kB of memory for
each event. Duplicates and other accounts' copies are counted too.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from reference import IDENTIFYING, arns

_KEY = ["role", "source", "name", "region", "error", "via", "day", "params", "arns"]


def rows(logs: Path, wanted: str) -> Iterator[tuple[str, ...]]:
    """Yield a flat row for each call of a role: the columns of the key, and the time."""
    for file in sorted(logs.rglob("*.json.gz")):
        for record in json.loads(gzip.decompress(file.read_bytes()))["Records"]:
            who = record["userIdentity"]
            if who.get("type") != "AssumedRole" or record["eventType"] != "AwsApiCall":
                continue
            issuer = who["sessionContext"]["sessionIssuer"]
            if wanted and issuer["arn"] != wanted:
                continue
            params = record["requestParameters"] or {}
            yield (
                issuer["principalId"],
                record["eventSource"],
                record["eventName"],
                record["awsRegion"],
                record.get("errorCode", ""),
                who.get("invokedBy", ""),
                record["eventTime"][:10],
                json.dumps({name: params[name] for name in IDENTIFYING if name in params}),
                " ".join(arns(record.get("resources") or ())),
                record["eventTime"],
            )


def main() -> None:
    """Count the groups and print the totals."""
    wanted = sys.argv[2] if len(sys.argv) > 2 else ""
    frame = pd.DataFrame(rows(Path(sys.argv[1]), wanted), columns=[*_KEY, "time"])
    groups = frame.groupby(_KEY, sort=False)["time"].agg(["size", "min", "max"])
    print(json.dumps({"events": int(groups["size"].sum()), "groups": len(groups)}))


if __name__ == "__main__":
    main()
