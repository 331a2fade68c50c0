"""Public functions that take what a heavy library has, with arguments; each is imported once asked for."""

from __future__ import annotations

from collections.abc import Callable, Sized
from importlib import import_module
from typing import Any

import eqprop
from tests.calls import BATCH, Call, a, of_modules


def of_keras() -> list[Call]:
    keras: Any = import_module("keras")
    net = keras.Sequential([keras.layers.Dense(3)])
    return [a(eqprop.keras.from_module, net, BATCH, **of_modules)]


def of_torch() -> list[Call]:
    from eqprop.torch import from_module, from_optimizer, is_optimizer

    torch: Any = import_module("torch")
    return [
        a(from_module, torch.nn.Linear(2, 3), BATCH, outputs=None, loss=None, name="n"),
        a(from_optimizer, torch.optim.SGD, name="n"),
        a(is_optimizer, torch.optim.SGD),
    ]


def of_transformers() -> list[Call]:
    from eqprop.transformers import Cell, Row, as_json, as_markdown, as_text, from_config, table

    def some(architectures: Any, *, on_row: Any) -> None:
        """All of them, which are asked for by none, take a quarter of an hour."""
        if not isinstance(architectures, Sized) or len(architectures):
            table(architectures, on_row=on_row)

    some.__name__ = "table"
    rows = [Row("llama", "5", (Cell("s", "holds"),)), Row("gpt2", "5", (), "why")]
    return [
        *(a(written, rows) for written in (as_json, as_markdown, as_text)),
        a(from_config, "nonesuch", raised=False, name="n"),
        a(some, ["nonesuch"], on_row=print),
    ]


WHERE_INSTALLED: dict[str, tuple[tuple[str, ...], Callable[[], list[Call]]]] = {
    "eqprop.keras": (("keras",), of_keras),
    "eqprop.torch": (("torch",), of_torch),
    "eqprop.transformers": (("torch", "transformers"), of_transformers),
}
"""Module → the libraries that it needs, and its functions with arguments."""
