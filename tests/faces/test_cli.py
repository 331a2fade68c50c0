"""The command line."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

import eqprop as door
from eqprop.faces.cli import main
from eqprop.registry import entries

pytestmark = pytest.mark.installed

NETS = """
    import numpy as np
    import eqprop
    from eqprop import groups

    def pair(name, apply, **rest):
        signs = eqprop.Transformation(groups.Sign(1), on_params=lambda s, p: s * p, on_outputs=lambda s, y: s * y)
        return eqprop.Pair(eqprop.Model(apply, np.ones(1), np.ones(1), name="m"), signs, name=name, **rest)

    good = pair("good", lambda p, x: x * p)
    bad = pair("bad", lambda p, x: x * p * p)

    def noisy(p, x):
        print("a model that prints")
        return x * p

    loud = pair("loud", noisy)
    greek = pair("θ → x", lambda p, x: x * p * p)
    both = [good, bad]
"""


@pytest.fixture
def eqprop(folder, capsys):
    """Runs a command: its exit code, standard output and standard error."""

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit, match=r"^[012]$") as left:
            main(arguments)
        out, err = capsys.readouterr()
        assert isinstance(left.value.code, int)
        return left.value.code, out, err

    return run


QUICK = ("--property", "equivariance", "--max-architectures", "1", "--jobs", "1")


def test_what_holds_exits_with_0_and_a_line_for_the_pair(eqprop):
    code, out, err = eqprop("verify", "nets:good", *QUICK)
    assert (code, err) == (0, "")
    assert re.search(r"^good +1/1 +- +- +- +\de-\d+ +1 +\d+ +[\d.]+s  holds$", out, re.MULTILINE)


def test_what_is_falsified_exits_with_1_and_prints_its_counterexample_after_the_table(eqprop):
    code, out, _ = eqprop("verify", "nets:both", *QUICK)
    assert code == 1
    assert out.index("falsified: equivariance") < out.index("Falsified: equivariance (order 0) for bad")
    assert out.rstrip().splitlines()[-1].startswith("2 pairs: 1 holds, 1 falsified")


def test_output_to_a_pipe_has_no_control_codes(eqprop, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    _, out, _ = eqprop("verify", "nets:both", "--verbose", *QUICK)
    assert "\x1b" not in out


def test_json_is_all_there_is_on_the_standard_output(eqprop):
    code, out, _ = eqprop("verify", "nets:loud", "--format", "json", *QUICK)
    record = json.loads(out)
    assert code == record["exit_code"] == 0
    assert [cell["outcome"] for cell in record["verdicts"]] == ["holds"]


def test_a_counterexample_is_saved_and_replayed(eqprop, folder):
    _, out, _ = eqprop("verify", "nets:bad", *QUICK)
    (file,) = (folder / ".eqprop").iterdir()
    assert f"eqprop replay .eqprop/{file.name}" in out
    code, out, _ = eqprop("replay", f".eqprop/{file.name}")
    assert code == 1
    assert out.splitlines()[-1] == "STILL FAILS"


def test_a_mended_model_replays_as_holding(eqprop, folder):
    eqprop("verify", "nets:bad", *QUICK)
    (file,) = (folder / ".eqprop").iterdir()
    nets: Any = sys.modules["nets"]
    nets.bad = nets.good.replaced(name="bad")
    code, out, _ = eqprop("replay", str(file))
    assert (code, out.splitlines()[-1]) == (0, "FIXED")


def test_a_folder_that_cannot_be_written_to_loses_only_the_files(eqprop, folder):
    (folder / "file").touch()
    code, out, err = eqprop("verify", "nets:bad", "--save", "file/x", *QUICK)
    assert code == 1
    assert "Falsified: equivariance" in out
    assert "counterexamples are not saved" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["verify", "nets:nope"], "'nets' has no attribute 'nope'"),
        (["verify", "nets:both", "--match", "ugly"], "--match 'ugly' leaves no pair; the pairs are: good, bad."),
        (["verify", "nets:good", "--property", "noethr"], "no property is called 'noethr'"),
        (["verify", "nets:good", "--jobs", "many"], "--jobs is 'many'; expected a number from 1, or auto."),
        (
            ["verify", "nets:good", "--profile", "fast"],
            "'fast' is not one of 'quick', 'gate', 'wide', 'explore', 'deep'",
        ),
        (["verify", "nets:good", "--seed", "-1"], "the seed is -1"),
        (["explain", "noethr"], "Did you mean noether?"),
        (["explain", "EQ999"], "no code is called 'EQ999'"),
        (["replay", "nets.py"], "is no counterexample file"),
        (["replay", "nowhere.json"], "nowhere.json"),
        (["verifi"], "No such command 'verifi'"),
        (["list", "--group", "nonesuch"], "no entry has a group like 'nonesuch'. The groups are: "),
        (["list", "--group", "scalling"], "Did you mean Scaling"),
        (["list", "--group", "scaling", "--order", "1"], "give one of them"),
        (["verify", "nets"], "target 'nets' names a module; say what in it is to be verified, as in nets:pairs."),
        (["verify", "nets.py"], "as in nets:pairs."),
        (["verify", ":good"], "target ':good' names nothing before a colon"),
        (["verify", "..nets:good"], "'..nets' is no name of a module"),
        (["verify", "catalog:"], "target 'catalog:' names nothing behind a colon"),
        (["verify", "nets:good", "--optimizer", "adam"], "optimizer 'adam' names nothing behind a colon"),
        (["selfcheck", "relu"], "the catalog has no entry 'relu'. `eqprop list` shows"),
        (["list", "--match", "nonesuch"], "no entry and no property has a name that contains 'nonesuch'"),
    ],
)
def test_what_cannot_run_exits_with_2_and_one_line(eqprop, arguments, message):
    code, out, err = eqprop(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("eqprop: error: ")
    assert message in err
    assert len(err.splitlines()) == 1


def test_ctrl_c_prints_what_is_finished(eqprop, monkeypatch):
    from eqprop.runs import single

    search = single.search

    def interrupted(task, *rest):
        if task.name == "bad":
            raise KeyboardInterrupt
        return search(task, *rest)

    monkeypatch.setattr(single, "search", interrupted)
    code, out, err = eqprop("verify", "nets:both", *QUICK)
    assert code == 1
    assert "interrupted" in err
    assert "missing [EQ302]: bad: expected, and nothing verified it" in out


def test_match_chooses_pairs_by_a_part_of_their_name(eqprop):
    _, out, _ = eqprop("verify", "nets:both", "--match", "GOO", *QUICK)
    assert "1 pair: 1 holds" in out


def test_list_names_every_entry_and_property(eqprop):
    code, out, _ = eqprop("list")
    assert code == 0
    assert all(name in out for name in entries())
    assert "noether (order 1)" in out


def test_what_a_claim_does_not_look_at_is_not_said_with_no_unseen(eqprop):
    asked = ("verify", "nets:good", "--profile", "quick", "--property", "jacobian-covariance")
    told, quiet = eqprop(*asked), eqprop(*asked, "--no-unseen")
    assert (told[0], quiet[0]) == (0, 0)
    assert "nothing that was asked looks at" in told[1]
    assert "looks at" not in quiet[1]


def test_list_by_order_names_the_properties_of_that_order(eqprop):
    _, out, _ = eqprop("list", "--order", "0")
    assert re.findall(r"\(order (\d)\)", out) == ["0", "0", "0", "0"]


@pytest.mark.parametrize("name", ["noether", "optimizer-step", "optimizer-trajectory", *list(entries())[:2]])
def test_explain_gives_the_statement_and_the_command(eqprop, name):
    code, out, _ = eqprop("explain", name)
    assert code == 0
    assert out.startswith(f"{name}: ")
    assert "eqprop verify" in out


def test_explain_says_how_a_property_of_optimizers_is_asked_for(eqprop):
    assert "eqprop verify --optimizer MODULE:ATTR" in eqprop("explain", "optimizer-step")[1]
    assert "eqprop optimizers" in eqprop("explain", "optimizer-charge")[1]


def test_explain_gives_the_mutants_with_their_orders(eqprop):
    entry = next(entry for entry in entries().values() if entry.mutants)
    _, out, _ = eqprop("explain", entry.name)
    assert all(re.search(rf"order {m.order}  {re.escape(m.name)} ", out) for m in entry.mutants)


def python(code: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, env={**os.environ, **environment}
    )


def test_the_public_door_shows_type_checkers_what_it_opens():
    source = ast.parse(Path(door.__file__).read_text())
    shown = {
        alias.asname: node.module
        for node in ast.walk(source)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("eqprop")
        for alias in node.names
    }
    assert shown == {**door._HOMES, **dict.fromkeys(door._ROOMS, "eqprop")}
    assert set(door.__all__) == {*shown, "__version__"}
    assert all(getattr(door, name) is not None for name in door.__all__)


def test_an_unknown_public_name_is_answered_with_all_names():
    with pytest.raises(AttributeError, match=r"no attribute 'Modle'; the public names are: .*Model"):
        door.Modle  # noqa: B018


def test_help_answers_without_importing_jax_or_hypothesis():
    code = """
        import sys
        from eqprop.faces.cli import main
        try:
            main(["verify", "--help"])
        finally:
            assert not {"jax", "hypothesis", "rich", "pytest"} & set(sys.modules)
    """
    done = python(dedent(code))
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"Usage: eqprop verify" in done.stdout


def test_a_terminal_without_unicode_still_gets_the_counterexample_and_its_file(folder):
    code = f"from eqprop.faces.cli import main; main(['verify', 'nets:greek', *{QUICK!r}])"
    done = python(code, PYTHONIOENCODING="ascii", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", LC_ALL="C")
    (file,) = (folder / ".eqprop").iterdir()
    assert f"eqprop replay .eqprop/{file.name}".encode() in done.stdout
    # A search that takes long says so on the standard error; what cannot be written would be a traceback there.
    assert done.returncode == 1
    assert b"Error" not in done.stderr
    assert b"f(K_g ?, X_g x) = T_g f(?, x)" in done.stdout
