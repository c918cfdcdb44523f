"""What tests share: short forms of records and accounts, golden cases, a fake AWS, pages."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
