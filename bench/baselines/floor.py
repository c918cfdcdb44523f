"""The floor: unpack every file and do nothing else, ``python floor.py LOGS``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from isal import igzip


def main() -> None:
    """Unpack all files and print their number and size."""
    files = sorted(Path(sys.argv[1]).rglob("*.json.gz"))
    size = sum(len(igzip.decompress(file.read_bytes())) for file in files)
    print(json.dumps({"files": len(files), "bytes": size}))


if __name__ == "__main__":
    main()
