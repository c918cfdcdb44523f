"""The floor: unpack every file and do nothing else, ``python floor.py LOGS``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from isal import isal_zlib


def main() -> None:
    """Unpack all files and print their number and size."""
    files = sorted(Path(sys.argv[1]).rglob("*.json.gz"))
    size = sum(len(isal_zlib.decompressobj(31).decompress(file.read_bytes())) for file in files)
    print(json.dumps({"files": len(files), "bytes": size}))


if __name__ == "__main__":
    main()
