"""Plain data, as JSON has it, held to the fields of the class that it is to become."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

Record = dict[str, Any]
"""What a report, a counterexample or a ledger is in a file: dictionaries, lists, strings and numbers inside."""

KINDS: Mapping[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (int, float),
    "tuple[str, ...]": (list, tuple),
    "tuple[int, ...]": (list, tuple),
    "tuple[float, ...]": (list, tuple),
    "Mapping[str, str]": (dict,),
    "Mapping[str, Any]": (dict,),
    "Record": (dict,),
}
"""How a field is annotated → what JSON may have for it. Other fields are read by classes of their own."""

INNER: Mapping[str, tuple[type, ...]] = {
    "tuple[str, ...]": (str,),
    "tuple[int, ...]": (int,),
    "tuple[float, ...]": (int, float),
    "Mapping[str, str]": (str,),
}


def check_fields(kind: type, record: Mapping[str, Any]) -> None:
    """Raise unless each field of a dataclass that a record has is of its type.

    Raises:
        TypeError: naming the field.
    """
    for field in fields(kind):
        expected = KINDS.get(str(field.type))
        if expected is None or field.name not in record:
            continue
        value: Any = record[field.name]
        inner = INNER.get(str(field.type), (object,))
        values = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()  # pyright: ignore[reportUnknownVariableType]
        if not isinstance(value, expected) or not all(isinstance(part, inner) for part in values):
            msg = f"{field.name} is a {type(value).__name__}; expected {field.type}"
            raise TypeError(msg)
