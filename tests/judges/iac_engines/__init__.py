"""The programs that read infrastructure as code, asked what a rendered file means. See README.md.

Each engine takes texts that a format rendered and gives, for each, the policy documents that would reach IAM, in order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Document = dict[str, Any]
Engine = Callable[[Sequence[str]], list[list[Document]]]
