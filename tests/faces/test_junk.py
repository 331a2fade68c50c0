"""Whatever is typed, configured or kept in a file, the command line answers, or says in a line what is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click
import pytest
from hypothesis import strategies as st

from eqprop.faces.cli import cli
from eqprop.faces.project import KEYS
from tests.faces.commands import FILES, LEDGER, REPORT, answered, project
from tests.junk import Fed, LostResultError, WrongVerdictError

pytestmark = pytest.mark.installed

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
QUICK = ["--property", "equivariance", "--max-architectures", "1", "--probes", "4", "--no-unseen", "--max-time", "2"]
TARGETS = {
    "verify": ["junk_nets:both"],
    "find": ["junk_nets:model"],
    "init": ["junk_nets:model"],
    "new": ["junk-entry"],
    "explain": ["noether"],
    "optimizers": ["junk_nets:number"],
    "merge": ["list.json"],
    "replay": ["list.json"],
    "baseline add": ["list.json"],
}
OTHERS = {
    "verify": [*QUICK, "--jobs", "1", "--report", f"json={REPORT}"],
    "find": ["--no-proof"],
    "optimizers": ["--jobs", "1"],
    "baseline add": ["--reason", "r"],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Iterator[Path]:
    with project(tmp_path_factory.mktemp("junk")) as path:
        yield path


def commands(group: click.Group, before: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{name} ")
        else:
            yield f"{before}{name}", command


class Place(NamedTuple):
    """An option or an argument of a command."""

    command: str
    param: click.Parameter

    def typed(self, text: str) -> list[str]:
        """The command with a text for it, and usual values of the others."""
        name, param = self
        start = [*name.split(), *OTHERS.get(name, ())]
        if isinstance(param, click.Argument):
            return [*start, "--", text]
        given = [f"{param.opts[0]}={text}"] if isinstance(param, click.Option) and param.is_flag else []
        return [*start, *(given or [param.opts[0], text]), *(["--", *TARGETS[name]] if name in TARGETS else [])]


PLACES = [Place(name, param) for name, command in commands(cli) for param in command.params]


def type_one(place: Place, text: str) -> None:
    if (place.command, place.param.name, text) in WHOLE_CATALOG:
        return
    before = {path: path.read_bytes() for path in map(Path, KEPT) if path.is_file()}
    code = answered(place.typed(text))
    if code and any(path.read_bytes() != content for path, content in before.items()):
        raise LostResultError(str(before))


WHOLE_CATALOG = {(name, "targets", text) for name in ("verify", "optimizers") for text in ("", "catalog")}
"""What would run for hours, and is asked for by these."""

TYPED = Fed("options and arguments", PLACES, st.one_of(st.sampled_from(texts), st.text(max_size=5)), type_one)


def test_every_command_and_every_one_of_its_options_is_fed():
    names = {place.command for place in PLACES}
    assert names == {name for name, command in commands(cli) if command.params}
    assert {"verify", "optimizers", "selfcheck", "baseline add", "ledger update"} <= names
    for name, command in commands(cli):
        assert [p.param for p in PLACES if p.command == name] == command.params


def test_what_is_typed_is_answered(folder):
    TYPED.fed(25)


@pytest.mark.slow
def test_a_thousand_things_that_are_typed_are_answered(folder):
    TYPED.fed(1000)


USUAL = {
    "targets": '["junk_nets:both"]',
    "properties": '["equivariance"]',
    "unseen": "false",
    "max_architectures": "1",
    "probes": "4",
    "max_time": "2.0",
}
values = ["3", "-1", "1.5", "true", '""', '" "', '"\\u0000"', '"x"', "[]", "[1]", '[""]', '["a:b"]', "{}", "{a = 1}"]
values += ["2020-01-01", "nan", "inf", '{"good::noether" = 3}', '{"good::noethr" = "r"}', '{"x::noether" = "r"}']
values += ["99999999999999999999", '"folder"', '"bytes.json"', '"list.json"', '["junk_nets:number"]', "[[]]", "["]
values += ['"quick"', '"deep"', '"model"', '"xla"', '["noether"]', '["junk_nets:good"]', '["junk_nets:model"]']
values += ['{"good::equivariance" = "r"}', '{"good::equivariance" = {share = 2, reason = "r"}}']
WHOLE = [
    "tool = 3",
    "[tool]\neqprop = 3",
    "[tool]\neqprop = []",
    "tool.eqprop.seed = -1",
    "[tool.eqprop",
    "# eqprop \ud800",
]


def configured(text: str) -> int:
    """The code of a project's run, with a ledger of two cells."""
    Path("pyproject.toml").write_bytes(text.encode("utf-8", "surrogatepass"))
    ledger = Path("eqprop-ledger.json")
    ledger.write_text(json.dumps(LEDGER), encoding="utf-8")
    try:
        return answered(["verify", "--ledger", "--jobs", "1", "--report", f"json={REPORT}"])
    finally:
        if not ledger.is_file():
            raise LostResultError(str(ledger))
        ledger.unlink()
        Path("pyproject.toml").unlink()


def configure_one(key: str, value: str) -> None:
    usual = "\n".join(f"{k} = {v}" for k, v in USUAL.items() if k != key)
    code = configured(f"[tool.eqprop]\n{usual}\n{key} = {value}\n")
    if code == 0:
        msg = f"{key} = {value}: green, with a pair that is wrong"
        raise WrongVerdictError(msg)


CONFIGURED = Fed(
    "keys of [tool.eqprop]",
    [*KEYS, "nonesuch"],
    st.one_of(st.sampled_from(values), st.integers().map(str), st.text(max_size=5).map(json.dumps)),
    configure_one,
)


def test_what_is_configured_is_answered(folder):
    CONFIGURED.fed(20)
    # Without a table, all that the ledger has is missing.
    assert [configured(text) for text in WHOLE] == [1, 2, 2, 2, 2, 2]


@pytest.mark.slow
def test_every_key_with_every_value_is_answered(folder):
    for key in CONFIGURED.places:
        for value in values:
            configure_one(key, value)


def test_a_table_counts_however_it_is_written(folder):
    for text in ("[tool]\neqprop = {seed = -1}", "tool.eqprop.seed = -1", '[tool."eqprop"]\nseed = -1'):
        assert configured(text) == 2


JSON: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-2, 3), st.floats(), st.text(max_size=3)),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=2), inner, max_size=2)),
    max_leaves=5,
)
DIGESTED = {**LEDGER, "settings": {"profile": "gate"}, "digests": {"junk_nets:both": {"good": "3f1c", "bad": "3f1c"}}}
ENTRY = {"target": "", "pair": "p", "property": "noether", "reason": "r", "expires": "", "counterexample": "c"}
VERDICT = {"pair": "p", "property": "noether", "order": 1, "outcome": "holds", "counterexample": None}
OF_SHARD = {"shard": "1/1", "seed": 0, "profile": "gate", "seconds": 1.0, "places": {}, "verdicts": [VERDICT]}
ARRAY = {"dtype": "float64", "shape": [1], "values": [1.0]}
recipe = {"target": "junk_nets:good", "subject": "good", "pair": "good", "property": "equivariance", "structure": ""}
recipe |= {"loss": "squared error", "precision": "float64", "probe": {n: {".": ARRAY} for n in ("params", "inputs")}}
recipe["probe"] |= {"element": {".": {"dtype": "int64", "shape": [1], "values": [-1]}}}  # pyright: ignore[reportOperatorIssue]
VERIFY = ["verify", "--changed", *QUICK, "--jobs", "1", "--report", f"json={REPORT}", "junk_nets:both"]
KEPT = {
    "eqprop-ledger.json": (DIGESTED, VERIFY),
    "eqprop-baseline.json": ({"format": 1, "known": [ENTRY]}, ["baseline", "show"]),
    "report.json": (OF_SHARD, ["merge", "report.json"]),
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


def keep_one(place: tuple[str, tuple[Any, ...]], junk: Any) -> None:
    file, way = place
    record, command = KEPT[file]
    text = json.dumps(replaced(record, way, junk))
    path = Path(file)
    path.write_text(text, encoding="utf-8")
    try:
        code = answered(command)
        if path.read_text(encoding="utf-8") != text:
            raise LostResultError(file)
    finally:
        path.unlink()
    if file == "counterexample.json" and code == 1:
        msg = f"{text}: still fails, of a pair that is right"
        raise WrongVerdictError(msg)


def of_kept(*files: str) -> Fed:
    return Fed("values in kept files", [(f, way) for f in files for way in places_in(KEPT[f][0])], JSON, keep_one)


@pytest.mark.parametrize("file", KEPT)
def test_what_a_file_keeps_is_answered(folder, file):
    of_kept(file).fed(10)


@pytest.mark.slow
@pytest.mark.parametrize("file", KEPT)
def test_much_more_that_a_file_keeps_is_answered(folder, file):
    of_kept(file).fed(300)
