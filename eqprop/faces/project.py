"""What a project says of itself: ``[tool.eqprop]`` of its pyproject.toml, and the files that it keeps beside it.

Imports neither JAX nor hypothesis.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eqprop.arguments import got, short, words_of
from eqprop.errors import InvalidInput
from eqprop.faces.known import ALLOWED, Known
from eqprop.kept import BASELINE, LEDGER, KeptLedger, KnownFailure, allowances_in, baseline_in, ledger_in

KEYS: dict[str, type] = {
    "targets": list,
    "find": list,
    "profile": str,
    "seed": int,
    "precision": str,
    "properties": list,
    "unseen": bool,
    "evaluator": str,
    "max_architectures": int,
    "probes": int,
    "max_time": float,
    "known_failures": dict,
    "allow_inconclusive": dict,
    "ledger": str,
    "baseline": str,
}
"""Keys of ``[tool.eqprop]`` and their types."""

FILES = {"ledger": LEDGER, "baseline": BASELINE}
"""Those that name a file."""

OF_RUNS = (
    "profile",
    "seed",
    "precision",
    "properties",
    "unseen",
    "evaluator",
    "max_architectures",
    "probes",
    "max_time",
)
"""Those that are arguments of runs."""

DRAWN_DIFFERENTLY = ("profile", "seed", "precision", "max_architectures", "probes", "max_time")
"""What, asked for on the command line, makes a run see other architectures than the ledger's: others may apply."""


@dataclass(frozen=True)
class Project:
    """A folder with a pyproject.toml, or without.

    Attributes:
        folder: where it is.
        table: ``[tool.eqprop]``, its keys and types checked.
    """

    folder: Path
    table: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @classmethod
    def of(cls, folder: Path) -> Project:
        """The project in a folder.

        Raises:
            InvalidInput: for a key or a value of ``[tool.eqprop]`` that is not expected.
        """
        return cls(folder, _table(folder / "pyproject.toml"))

    @property
    def targets(self) -> tuple[str, ...]:
        """What is to be verified."""
        return tuple(self.table.get("targets", ()))

    @property
    def models(self) -> tuple[str, ...]:
        """Those whose symmetries are found and held to the ledger."""
        return tuple(self.table.get("find", ()))

    def check_asked(self, *, besides: bool) -> None:
        """Refuse ``targets = []`` where nothing else is asked for: nobody would hear that nothing is verified.

        Args:
            besides: whether a ledger has cells of pairs, which are missing then.

        Raises:
            InvalidInput: for it.
        """
        if self.table.get("targets") == [] and not (self.models or besides):
            msg = (
                f"{self.folder / 'pyproject.toml'}: [tool.eqprop] targets is empty, so that nothing is verified; "
                "expected targets as in ['mypkg.nets:pairs']. Take the key out where only decorated tests are run."
            )
            raise InvalidInput(msg)

    @property
    def configured(self) -> dict[str, Any]:
        """What is said of runs: profile, seed, precision, properties, limits."""
        return {key: self.table[key] for key in OF_RUNS if key in self.table}

    @property
    def ledger_file(self) -> Path:
        """Where the ledger is, or would be."""
        return self.folder / self.table.get("ledger", LEDGER)

    def ledger(self) -> KeptLedger | None:
        """The ledger; None where nobody keeps one.

        Raises:
            InvalidInput: where it is named and not there, or cannot be read.
        """
        kept = "ledger" in self.table or self.ledger_file.is_file()
        return ledger_in(self.ledger_file) if kept else None

    @property
    def baseline_file(self) -> Path:
        """Where the baseline is, or would be."""
        return self.folder / self.table.get("baseline", BASELINE)

    def known(self) -> Known:
        """What it says of failures.

        Raises:
            InvalidInput: where its baseline cannot be read.
        """
        allowed = allowances_in(self.table.get("allow_inconclusive", {}), ALLOWED)
        return Known(self.table.get("known_failures", {}), self.baseline(), allowed)

    def baseline(self) -> tuple[KnownFailure, ...]:
        """The known failures that the project keeps.

        Raises:
            InvalidInput: where a file is named and not there, or cannot be read.
        """
        kept = "baseline" in self.table or self.baseline_file.is_file()
        return baseline_in(self.baseline_file) if kept else ()


def has_table(folder: Path) -> bool:
    """Whether a folder's pyproject.toml speaks of eqprop.

    Raises:
        InvalidInput: where it cannot be read.
    """
    return _said(folder / "pyproject.toml") is not None


def _said(path: Path) -> Any:
    """``[tool.eqprop]`` of a file, however it is written; None where nothing there is called so."""
    try:
        text = path.read_bytes() if path.is_file() else b""
        if b"eqprop" not in text:  # most projects' files are not read
            return None
        tool = tomllib.loads(text.decode("utf-8")).get("tool")
    except OSError as error:
        msg = f"{path} cannot be read: {words_of(error)}."
        raise InvalidInput(msg) from error
    except ValueError as error:  # no TOML, or no UTF-8
        msg = f"{path} is no TOML in UTF-8: {error}."
        raise InvalidInput(msg) from error
    return tool.get("eqprop") if isinstance(tool, dict) else None


def _table(path: Path) -> dict[str, Any]:
    """``[tool.eqprop]`` of a file, checked."""
    table = _said(path)
    if table is None:
        return {}
    what = f"{path}, [tool.eqprop]"
    if not isinstance(table, dict):
        msg = f"{what} is {got(table)}; expected a table."
        raise InvalidInput(msg)
    checked: dict[str, Any] = {str(key): value for key, value in table.items()}
    for key, value in checked.items():
        _check_value(key, value, what)
    for cell in allowances_in(checked.get("allow_inconclusive", {}), f"{path}, {ALLOWED}"):
        if "::" not in cell:
            msg = (
                f'{path}, {ALLOWED}: {cell!r} names no cell; expected "pair::property" = {{share = 0.5, reason = "…"}}.'
            )
            raise InvalidInput(msg)
    for cell, reason in checked.get("known_failures", {}).items():
        if "::" not in cell or not isinstance(reason, str) or not reason:
            msg = f'{path}, [tool.eqprop.known_failures]: {cell!r} = {reason!r}; expected "pair::property" = "reason".'
            raise InvalidInput(msg)
    return checked


def _check_value(key: str, value: Any, what: str) -> None:
    whole = type(value) is int and KEYS.get(key) is float  # 60 says what 60.0 does
    if key not in KEYS or not (whole or type(value) is KEYS[key]):
        expected = ", ".join(f"{name} ({kind.__name__})" for name, kind in KEYS.items())
        msg = f"{what}: {key} = {short(value)} is not expected; the keys are: {expected}."
        raise InvalidInput(msg)
    if isinstance(value, list) and not all(map(_printable, value)):
        msg = f"{what}: {key} = {short(value)}; expected a list of texts."
        raise InvalidInput(msg)
    if key in FILES and not (isinstance(value, str) and value.isprintable() and value.strip()):
        msg = f"{what}: {key} = {short(value)}; expected the name of a file, as in {FILES[key]!r}."
        raise InvalidInput(msg)


def _printable(value: object) -> bool:
    return isinstance(value, str) and value.isprintable()
