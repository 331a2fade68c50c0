"""Whatever is typed, configured or kept in a file, the command line answers, or says in a line what is wrong."""

from __future__ import annotations

import contextlib
import io
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import click
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eqprop.faces.cli import cli, main
from eqprop.faces.project import KEYS

pytestmark = pytest.mark.installed

NETS = """
    import numpy as np
    import eqprop
    from eqprop import groups

    signs = eqprop.Transformation(groups.Sign(1), on_params=lambda s, p: s * p, on_outputs=lambda s, y: s * y)
    model = eqprop.Model(lambda p, x: x * p, np.ones(1), np.ones(1), name="m")
    good = eqprop.Pair(model, signs, name="good")
    number = 3
"""
FILES = {"bytes.json": b"\xff\xfe{", "deep.json": b"[" * 9999, "list.json": b"[1]", "empty.json": b"", "one.json": b"1"}
texts = ["", " ", "-1", "0", "nan", "inf", "1e999", "9" * 40, "a\nb", "\ud800", "\0", "θ→x", "x" * 5000, "../..", "/"]
texts += [
    "/dev/null/x",
    "folder",
    *FILES,
    "junk_nets",
    "junk_nets:good",
    "junk_nets:number",
    "junk_nets:model",
    "junk:",
]
texts += [":good", "catalog:", "catalog:x[y]", "x[y]", "*", "[", "(", "\\", "--", "-", "-z", "１", "²", "0/0", "1/2"]
texts += ["json=", "json=/nowhere/x", "markdown=folder", "xml=1", "auto", "noether", "optimizer-step", "EQ1", "EQ999"]
texts += [
    "2027-13-45",
    "os:system",
    "sys:exit",
    "sys:argv",
    "__main__:x",
    "json.:x",
    "%s",
    "{x}",
    "\x1b[31m",
    "~",
    "a\\b",
]
QUICK = ["--property", "equivariance", "--max-architectures", "1", "--probes", "1", "--jobs", "1", "--no-unseen"]
TARGETS = {"verify": ["junk_nets:good"], "find": ["junk_nets:model"], "new": ["junk-entry"], "explain": ["noether"]}
OTHERS = {"verify": QUICK, "find": ["--no-proof"], "baseline add": ["--reason", "r"]}
SLOW = ("optimizers", "selfcheck")
"""Commands that search the catalog, however they are called."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Iterator[Path]:
    path: Path = tmp_path_factory.mktemp("junk")
    (path / "junk_nets.py").write_text(dedent(NETS), encoding="utf-8")
    (path / "folder").mkdir()
    for name, content in FILES.items():
        (path / name).write_bytes(content)
    with contextlib.chdir(path):
        yield path
    sys.modules.pop("junk_nets", None)


def answered(arguments: list[str]) -> int:
    """Run a command as it is typed: it ends with a code of its own, and with one line where it could not run."""
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit, match=r"^[012]$") as left,
    ):
        main(arguments)
    code = left.value.code
    if code == 2:
        assert re.search(r"(^|\n)eqprop: error: [^\n]+\n\Z|\A\Z", err.getvalue()), err.getvalue()
        assert err.getvalue() or "error" in out.getvalue() or arguments[-1].isspace(), out.getvalue()
    return int(code)


def commands(group: click.Group, before: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{name} ")
        elif name not in SLOW:
            yield f"{before}{name}", command


PLACES = [
    (name, param)
    for name, command in commands(cli)
    for param in command.params
    if not (isinstance(param, click.Option) and param.is_flag) and (name, param.name) != ("verify", "jobs")
]


def typed(name: str, param: click.Parameter, text: str) -> list[str]:
    """A command with a text for one of its options or arguments, and usual values of the others."""
    if isinstance(param, click.Argument):
        return [*name.split(), *OTHERS.get(name, ()), "--", text]
    target = TARGETS.get(name, ["list.json"] if name in ("merge", "replay", "baseline add") else [])
    return [*name.split(), *OTHERS.get(name, ()), param.opts[0], text, *(["--", *target] if target else [])]


def type_junk(count: int) -> None:
    @settings(
        max_examples=count, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(place=st.sampled_from(PLACES), text=st.one_of(st.sampled_from(texts), st.text(max_size=5)))
    def type_one(place: tuple[str, click.Parameter], text: str) -> None:
        name, param = place
        if name == "verify" and (param.name, text) in (("targets", ""), ("targets", "catalog")):
            return  # the whole catalog
        answered(typed(name, param, text))

    type_one()


def test_what_is_typed_is_answered(folder):
    type_junk(40)


@pytest.mark.slow
def test_a_thousand_things_that_are_typed_are_answered(folder):
    type_junk(1000)


values = ["3", "-1", "1.5", "true", '""', '" "', '"\\u0000"', '"x"', "[]", "[1]", '[""]', '["a:b"]', "{}", "{a = 1}"]
values += ["2020-01-01", "nan", "inf", '{"good::noether" = 3}', '{"good::noethr" = "r"}', '{"x::noether" = "r"}']
values += ["99999999999999999999", '"folder"', '"bytes.json"', '"list.json"', '["junk_nets:number"]', "[[]]", "["]
WHOLE = [
    "tool = 3",
    "[tool]\neqprop = 3",
    "[tool]\neqprop = []",
    "tool.eqprop.seed = -1",
    "[tool.eqprop",
    "# eqprop \ud800",
]


def configured(folder: Path, text: str) -> int:
    (folder / "pyproject.toml").write_bytes(text.encode("utf-8", "surrogatepass"))
    return answered(["verify", "--ledger", "--jobs", "1", *QUICK[:-3], "--no-unseen"])


def test_what_is_configured_is_answered(folder):
    known = 'targets = ["junk_nets:good"]\n'
    for key in [*KEYS, "nonesuch"]:
        for value in values[:: 1 if key in ("targets", "ledger") else 3]:
            before = "" if key == "targets" else known
            configured(folder, f"[tool.eqprop]\n{before}{key} = {value}\n")
    assert {configured(folder, text) for text in WHOLE} == {2}
    (folder / "pyproject.toml").unlink()


def test_a_table_counts_however_it_is_written(folder):
    for text in ("[tool]\neqprop = {seed = -1}", "tool.eqprop.seed = -1", '[tool."eqprop"]\nseed = -1'):
        assert configured(folder, text) == 2
    (folder / "pyproject.toml").unlink()


JSON: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-2, 3), st.floats(), st.text(max_size=3)),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=2), inner, max_size=2)),
    max_leaves=5,
)
LEDGER = {
    "format": 1,
    "settings": {"profile": "gate"},
    "cells": {"t:x": {"good": ["noether"]}},
    "digests": {"t:x": {"good": "3f1c"}},
}
ENTRY = {"target": "", "pair": "p", "property": "noether", "reason": "r", "expires": "", "counterexample": "c"}
VERDICT = {"pair": "p", "property": "noether", "order": 1, "outcome": "holds", "counterexample": None}
REPORT = {"shard": "1/1", "seed": 0, "profile": "gate", "seconds": 1.0, "places": {}, "verdicts": [VERDICT]}
ARRAY = {"dtype": "float64", "shape": [1], "values": [1.0]}
recipe = {"target": "junk_nets:good", "subject": "good", "pair": "good", "property": "equivariance", "structure": ""}
recipe |= {"loss": "squared error", "precision": "float64", "probe": {n: {".": ARRAY} for n in ("params", "inputs")}}
recipe["probe"] |= {"element": {".": {"dtype": "int64", "shape": [1], "values": [-1]}}}  # pyright: ignore[reportOperatorIssue]
KEPT = {
    "eqprop-ledger.json": (LEDGER, ["verify", "--ledger", "--jobs", "1"]),
    "eqprop-baseline.json": ({"format": 1, "known": [ENTRY]}, ["baseline", "show"]),
    "report.json": (REPORT, ["merge", "report.json"]),
    "counterexample.json": (recipe, ["replay", "counterexample.json"]),
}


def places_in(record: Any) -> list[tuple[Any, ...]]:
    """The way to each value of a record."""
    pairs = record.items() if isinstance(record, dict) else enumerate(record) if isinstance(record, list) else ()
    return [(), *((key, *rest) for key, value in pairs for rest in places_in(value))]


def replaced(record: Any, way: tuple[Any, ...], junk: Any) -> Any:
    if not way:
        return junk
    key, *rest = way
    inner = replaced(record[key], tuple(rest), junk)
    return {**record, key: inner} if isinstance(record, dict) else [*record[:key], inner, *record[key + 1 :]]


def keep_junk(folder: Path, file: str, count: int) -> None:
    record, command = KEPT[file]

    @settings(
        max_examples=count, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(way=st.sampled_from(places_in(record)), junk=JSON)
    def keep_one(way: tuple[Any, ...], junk: Any) -> None:
        (folder / file).write_text(json.dumps(replaced(record, way, junk)), encoding="utf-8")
        answered(command)

    try:
        keep_one()
    finally:
        (folder / file).unlink()


@pytest.mark.parametrize("file", KEPT)
def test_what_a_file_keeps_is_answered(folder, file):
    keep_junk(folder, file, 10)


@pytest.mark.slow
@pytest.mark.parametrize("file", KEPT)
def test_much_more_that_a_file_keeps_is_answered(folder, file):
    keep_junk(folder, file, 300)
