"""Measure how one role is read from a bucket of many small objects: CPU time and requests.

    python bench/bench_bucket.py FOLDER ROLE_ARN [--split 10]

FOLDER holds AWSLogs, as `bench.corpora.trail` writes it. A server on this machine stands for S3: it gives the same
objects, each cut into objects of ``--split`` records, and counts requests. Each reading is a fresh process. The first
row reads all accounts, the second only what one role needs. The floor fetches and unpacks all objects as the first row
does, through the same client.
"""

from __future__ import annotations

import argparse
import gzip
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
from bisect import bisect_left
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parents[1]
PAGE = 1_000

_READ = """
import json, resource, sys
from concurrent.futures import ThreadPoolExecutor
from policygen.logs.chunk import ReadRequest
from policygen.logs.reader import ReadOptions, read_source
from policygen.evidence.role import parse_role
from policygen.logs.registry import open_source
from policygen.logs.source import LogObject, Scope
job, role, first, last = sys.argv[1:]
name, source = parse_role(role), open_source("s3://trail")
if job == "floor":
    from isal import igzip
    fetcher = source.reader.fetcher
    listed = [one.locator.split("/", 3)[3] for one in source.objects(Scope(first, last)) if isinstance(one, LogObject)]
    with ThreadPoolExecutor(16) as pool:
        out = {"bytes": sum(pool.map(lambda key: len(igzip.decompress(fetcher.fetch("trail", key))), listed))}
else:
    request = ReadRequest(name.matches, role, role=name.name, search=name.record_filter)
    scope = Scope(first, last, name.account, all_accounts=True if job == "all accounts" else None)
    done = read_source(source, request, scope, ReadOptions())
    out = {"events": sum(one.count for calls in done.counts.calls.values() for one in calls.values())}
used = resource.getrusage(resource.RUSAGE_SELF)
out |= {"cpu": used.ru_utime + used.ru_stime, "mb": used.ru_maxrss // 1024}
print(json.dumps(out))
"""


def cut(source: Path, folder: Path, records: int) -> None:
    """Write the files below `source` again, as files of so many records."""
    for file in sorted((source / "AWSLogs").rglob("*.json.gz")):
        whole = json.loads(gzip.decompress(file.read_bytes()))["Records"]
        target = folder / file.relative_to(source).parent
        target.mkdir(parents=True, exist_ok=True)
        for start in range(0, len(whole), records):
            text = json.dumps({"Records": whole[start : start + records]}, separators=(",", ":"))
            name = file.name.replace(".json.gz", f"{start:05}.json.gz")
            (target / name).write_bytes(gzip.compress(text.encode(), 1, mtime=0))


def serve(folder: Path, ready: Connection) -> None:
    """Serve the files of a folder as the bucket ``trail``; send the port, and at each message the requests so far."""
    keys = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.json.gz"))
    sizes = [(folder / key).stat().st_size for key in keys]
    counted: Counter[str] = Counter()

    class Bucket(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
            if "list-type" in asked:
                counted["list"] += 1
                self._answer(_listing(keys, sizes, asked).encode())
            else:
                counted["get"] += 1
                self._answer((folder / unquote(parts.path).removeprefix("/trail/")).read_bytes())

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Bucket)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    ready.send(server.server_address[1])
    while ready.recv():
        ready.send(dict(counted))
        counted.clear()


def _listing(keys: list[str], sizes: list[int], asked: dict[str, str]) -> str:
    """Return a page of ListObjectsV2."""
    prefix, delimiter = asked.get("prefix", ""), asked.get("delimiter", "")
    place = int(asked.get("continuation-token") or bisect_left(keys, prefix))
    rows: list[str] = []
    while place < len(keys) and keys[place].startswith(prefix) and len(rows) < PAGE:
        name, slash, _ = (
            keys[place][len(prefix) :].partition(delimiter) if delimiter else (keys[place], "", "")
        )
        if slash:
            folder = f"{prefix}{name}/"
            rows.append(f"<CommonPrefixes><Prefix>{escape(folder)}</Prefix></CommonPrefixes>")
            place = bisect_left(keys, folder[:-1] + "0")  # the sign after the slash
        else:
            row = f"<Key>{escape(keys[place])}</Key><Size>{sizes[place]}</Size><ETag>e{place}</ETag>"
            rows.append(f"<Contents>{row}</Contents>")
            place += 1
    more = place < len(keys) and keys[place].startswith(prefix)
    token = f"<NextContinuationToken>{place}</NextContinuationToken>" if more else ""
    return f"<ListBucketResult><IsTruncated>{str(more).lower()}</IsTruncated>{token}{''.join(rows)}</ListBucketResult>"


def main() -> None:
    """Measure and print a table in Markdown."""
    parser = argparse.ArgumentParser(description="Measures reading one role from a bucket.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("role")
    parser.add_argument(
        "--split", type=int, default=10, help="records of an object; 0 leaves the files as they are"
    )
    parser.add_argument("--days", nargs=2, default=("2026-10-26", "2026-11-24"), help="the window")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder
        if options.split:
            cut(options.folder, folder := Path(temporary), options.split)
        ours, theirs = multiprocessing.Pipe()
        server = multiprocessing.Process(target=serve, args=(folder, theirs), daemon=True)
        server.start()
        url = f"http://127.0.0.1:{ours.recv()}"
        keys = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "x", "AWS_REGION": "us-east-1"}
        environment = os.environ | keys | {"AWS_ENDPOINT_URL": url, "PYTHONPATH": str(ROOT)}
        print("| job | CPU s | peak MB | lists | gets | events |\n|---|--:|--:|--:|--:|--:|")
        for job in ("floor", "all accounts", "one role"):
            command = [sys.executable, "-c", _READ, job, options.role, *options.days]
            out = json.loads(subprocess.run(command, env=environment, check=True, capture_output=True).stdout)
            ours.send(True)
            asked = ours.recv()
            print(
                f"| {job} | {out['cpu']:.2f} | {out['mb']} | {asked.get('list', 0):,} | {asked.get('get', 0):,} "
                f"| {out.get('events', '')} |",
                flush=True,
            )
        ours.send(False)
        server.join()


if __name__ == "__main__":
    main()
