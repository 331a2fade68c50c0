"""Plain data, as JSON has it."""

from __future__ import annotations

from typing import Any

Record = dict[str, Any]
"""What a report, a counterexample or a ledger is in a file: dictionaries, lists, strings and numbers inside."""
