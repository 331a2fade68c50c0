"""Released architectures: models of configurations, forms that hold, forms that do not, and the table that is kept."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest
from click.testing import CliRunner

from eqprop.errors import InvalidInput
from eqprop.faces.cli import cli
from eqprop.transformers import Cell, Row, as_json, as_markdown, as_text


@pytest.mark.parametrize("written", [as_text, as_markdown, as_json])
@pytest.mark.parametrize("rows", [None, 3, "llama", [{"architecture": "llama"}]])
def test_what_is_no_row_is_not_written(written, rows):
    with pytest.raises(InvalidInput, match=r"^rows (is|has) .*; expected a list such as what .*table returns"):
        written(rows)


transformers = pytest.importorskip("transformers")
torch = pytest.importorskip("torch")

from eqprop.actions import experts, hidden_units  # noqa: E402 - they are used with what follows
from eqprop.groups import Scaling  # noqa: E402
from eqprop.transformers import (  # noqa: E402
    from_config,
    table,
    trying,
)
from eqprop.transformers.anatomy import Anatomy  # noqa: E402
from eqprop.transformers.attention import attention_families  # noqa: E402
from eqprop.transformers.experts import EXPERTS, ROUTER  # noqa: E402
from eqprop.transformers.forms import Family, Form  # noqa: E402
from eqprop.transformers.gains import gain_families, stream_norms  # noqa: E402
from eqprop.transformers.latents import LATENT  # noqa: E402
from eqprop.transformers.merging import merged  # noqa: E402
from eqprop.transformers.networks import VERSION, network_of  # noqa: E402
from eqprop.transformers.trying import _judged, _Tried  # noqa: E402
from eqprop.transformers.units import unit_families  # noqa: E402
from eqprop.transformers.views import Part, seen_through  # noqa: E402

KEPT = Path(__file__).with_name("architectures.json")


def cells(row):
    return {cell.symmetry: cell for cell in row.cells}


def test_three_architectures_have_the_forms_that_their_sources_say():
    llama, gpt2, gemma = (cells(row) for row in table(["llama", "gpt2", "gemma"]))
    assert [one["query–key"].text for one in (llama, gpt2, gemma)] == ["ℂ^4, halves", "GL(8)", "ℂ^4, halves"]
    assert all(one["value–output"].text == "GL(8)" for one in (llama, gpt2, gemma))
    assert "norm: γ → head" in llama["norm gains"].text
    assert "input_layernorm: 1 + γ → attention" in gemma["norm gains"].text
    assert llama["rotation"].text == "O(32)"
    assert gpt2["rotation"].text.startswith("O(31), Q 1 = 1")
    assert (llama["up–down"].outcome, gpt2["up–down"].outcome) == ("holds", "broken")
    assert (llama["logit shift"].outcome, gpt2["logit shift"].outcome) == ("holds", "broken")
    assert "tied" in gpt2["logit shift"].why


def tried(architecture, *families):
    """What is seen at one element of each family: the form that fits, else None."""
    anatomy = Anatomy(network_of(architecture, raised=True))
    chosen = [one for give in families for one in ([give] if isinstance(give, Family) else give(anatomy))]
    return [one.form.text if one.fits else None for one in (_Tried(anatomy, family) for family in chosen)]


def attention(anatomy):
    return [family for column in attention_families(anatomy) for family in column]


def test_a_norm_behind_the_output_of_attention_is_no_part_of_a_head():
    """BERT: attention.self has the heads, attention.output the norm, and the MLP lies in two modules."""
    anatomy = Anatomy(network_of("bert", raised=True))
    assert any("attention.output" in t.rest for t in stream_norms(anatomy))
    assert tried("bert", attention) == ["S_4", "GL(8)", "GL(8)"]
    cell = trying._Tried(anatomy, unit_families(anatomy)[0]).cell({})
    assert (cell.outcome, cell.why) == ("broken", "gelu is not homogeneous, and nothing is gated")


def test_attention_that_nothing_depends_on_is_not_read():
    """A decoder without an encoder: cross attention lies idle, and its projections have the names of the others."""
    anatomy = Anatomy(network_of("bart", raised=True))
    assert not any("encoder_attn" in t.path for t in anatomy.tensors)
    assert tried("bart", attention) == ["S_4", "GL(8)", "GL(8)"]


@pytest.mark.parametrize(("architecture", "pairing"), [("deepseek_v3", "interleaved"), ("minicpm3", "halves")])
def test_latent_attention_shares_one_complex_factor_among_its_heads(architecture, pairing):
    circuit = f"GL(6) × ℂ^2, {pairing}, the same in all heads"
    latents = "O(12) of queries × O(6) of keys and values"
    assert tried(architecture, attention, LATENT) == ["S_4", circuit, "GL(8)", latents]


def test_gains_of_latents_are_traded_against_what_is_seen_to_read_them():
    anatomy = Anatomy(network_of("deepseek_v3", raised=True))
    families = [family for family in gain_families(anatomy) if "_a_layernorm" in family.name]
    assert tried("deepseek_v3", *families) == ["γ → q_b_proj", "γ → kv_b_proj"]


def test_a_sigmoid_sees_what_a_softmax_over_experts_does_not():
    assert tried("mixtral", EXPERTS, ROUTER) == ["S_3", "+ a"]
    assert tried("deepseek_v3", EXPERTS, ROUTER) == ["S_3", None]  # the correction moves with its expert


def test_norms_beside_a_partial_rotary_table_trade_per_pair_and_per_channel():
    assert "norms: gains trade per pair and channel beside, halves" in tried("persimmon", attention)


def test_what_raises_is_said_in_its_row_and_ends_no_run(monkeypatch):
    def raises(anatomy):
        return 1 // 0

    monkeypatch.setattr(trying, "unit_families", raises)
    row, other = table(["gpt2", "gpt2"])
    assert (row.cells, row) == ((), other)
    assert "ZeroDivisionError: integer division or modulo by zero" in row.why


def test_a_form_that_fails_says_nothing_where_tensors_are_not_understood():
    anatomy = Anatomy(network_of("gpt2", raised=True))

    def forms(anatomy):
        yield Form("c", hidden_units(Scaling(32), writes={"*.ln_1.weight": 0}))

    def raises(anatomy):
        yield Form("d", replace(next(forms(anatomy)).transformation, on_params=lambda g, p: 1 // 0))

    read, unread = (
        Family("units", forms, "", lambda anatomy: "", lambda anatomy, text=text: text)
        for text in ("", "w is not read")
    )
    assert [_Tried(anatomy, family).cell({}).outcome for family in (read, unread)] == ["broken", "unsettled"]
    cell = _Tried(anatomy, replace(read, forms=raises)).cell({})
    assert cell.outcome == "unsettled"
    assert "ZeroDivisionError" in cell.why


def test_where_nothing_fits_the_first_form_is_shown_however_much_it_changes():
    """How much a drawn element of each changes decides nothing: the table would be another one by chance."""
    anatomy = Anatomy(network_of("gpt2", raised=True))
    shown = []
    for order in (("ln_1", "wte"), ("wte", "ln_1")):

        def forms(anatomy, order=order):
            for part in order:
                yield Form(part, hidden_units(Scaling(32), writes={f"*.{part}.weight": -1}))

        tried = _Tried(anatomy, Family("units", forms, "", lambda anatomy: ""))
        assert not tried.fits
        shown.append(tried.form and tried.form.text)
    assert shown == ["ln_1", "wte"]


def test_parts_of_a_network_that_differ_are_told_apart():
    holds, broken = Cell("value–output", "holds", "GL(8)"), Cell("value–output", "broken", "GL(8)", "a gate")
    assert merged([("a", holds), ("b", holds)]) == holds
    assert merged([("a", Cell("value–output", "absent")), ("b", broken)]) == broken
    assert merged([("full", holds), ("linear", broken)]).form == "full: GL(8); linear: no: a gate"


def test_a_model_has_the_names_and_the_logits_of_its_module():
    config = transformers.GPT2Config(n_embd=8, n_head=2, n_layer=1, vocab_size=7, n_positions=8, pad_token_id=None)
    network = network_of(config, raised=False)
    assert set(network.model.params) >= {"transformer.wte.weight", "transformer.h.0.attn.c_attn.weight"}
    with torch.no_grad():
        logits = network.module(torch.from_numpy(network.model.inputs["input_ids"])).logits
    with jax.enable_x64(True):
        found = network.model.apply(network.model.params, network.model.inputs)
    np.testing.assert_array_equal(np.asarray(found), logits.numpy())


def test_what_is_raised_computes_in_float64_and_gives_the_same_to_float32():
    plain, raised = (network_of("llama", raised=r) for r in (False, True))
    with jax.enable_x64(True):
        a, b = (np.asarray(n.model.apply(plain.model.params, plain.model.inputs)) for n in (plain, raised))
    assert 0 < np.max(np.abs(a - b)) < 1e-5 * np.max(np.abs(a))  # units in the last place of float32, some hundred sums


def test_a_claim_that_is_wrong_by_little_is_refused_by_the_library():
    """The screen lets 1e-6 pass; what holds is what the library says."""
    anatomy = Anatomy(network_of("llama", raised=True))

    def forms(anatomy):
        right = hidden_units(Scaling(20), writes={"*.up_proj.weight": 0}, reads={"*.down_proj.weight": 1})

        def wrong(element, params):
            moved = right.on_params(element, params)
            return {path: leaf * (1 + 1e-9) if "embed" in path else leaf for path, leaf in moved.items()}

        yield Form("wrong", replace(right, on_params=wrong))

    tried = _Tried(anatomy, Family("units", forms, "", lambda anatomy: ""))
    assert tried.fits
    assert _judged(anatomy, [tried])[id(tried)][0] == "broken"


def test_parts_are_put_back_where_they_came_from():
    rng = np.random.default_rng(0)
    params = {"w": rng.standard_normal((6, 3)), "g": rng.standard_normal(3)}
    parts = {"a": Part("w", 0, np.array([[4, 1], [0, 5]])), "g": Part("g", offset=1.0)}
    turned = seen_through(parts, experts(2, {"a": 0}))
    with jax.enable_x64(True):
        moved = turned.on_params(np.array([1, 0]), params)
    np.testing.assert_array_equal(moved["w"], params["w"][[4, 5, 2, 3, 0, 1]])
    with jax.enable_x64(True):
        grown = seen_through(parts, hidden_units(Scaling(3), writes={"g": 0})).on_params(np.full(3, 2.0), params)
    np.testing.assert_allclose(grown["g"], 2 * (params["g"] + 1) - 1, rtol=1e-15)


def test_rows_are_told_as_text_as_markdown_and_as_a_list():
    cell = Cell("rotation", "broken", "O(4)", change=0.2)
    rows = (Row("one", "5", (cell, Cell("experts", "absent"))), Row("two", "5", why="too large"))
    assert "no: O(4) changes the outputs by 2e-01" in as_text(rows)
    assert "not tried: too large" in as_text(rows)
    assert as_markdown(rows).splitlines()[-5] == "| `one` | no: O(4) changes the outputs by 2e-01 | – |"
    assert [row["architecture"] for row in json.loads(as_json(rows))] == ["one", "two"]


def test_an_unknown_model_type_is_answered_with_those_that_there_are():
    with pytest.raises(InvalidInput, match=r"'lama' is no causal language model of transformers .* llama"):
        from_config("lama")
    with pytest.raises(InvalidInput, match=r"config is .*; expected a configuration or a model type"):
        from_config(3)


def test_the_command_prints_a_list_of_rows():
    result = CliRunner().invoke(cli, ["architectures", "llama", "--format", "json"], standalone_mode=False)
    rows = json.loads(result.stdout)
    assert [row["architecture"] for row in rows] == ["llama"]
    assert {cell["symmetry"] for cell in rows[0]["cells"]} >= {"query–key", "rotation"}


def test_the_room_imports_neither_library_before_a_model_is_asked_for():
    code = "import sys, eqprop.transformers; sys.exit(bool({'torch', 'transformers'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.checkout
@pytest.mark.slow
def test_the_kept_table_is_what_this_release_does():
    kept = {row["architecture"]: row for row in json.loads(KEPT.read_text())}
    found = {row["architecture"]: row for row in json.loads(as_json(table(kept)))}
    changed = {
        (name, cell["symmetry"]): (old["outcome"], old["form"], cell["outcome"], cell["form"])
        for name in kept.keys() & found.keys()
        for old, cell in zip(kept[name]["cells"], found[name]["cells"], strict=False)
        if (old["outcome"], old["form"]) != (cell["outcome"], cell["form"])
    }
    assert not changed, f"kept of {next(iter(kept.values()))['version']}, found of {VERSION}"
    assert kept.keys() <= found.keys()


@pytest.mark.checkout
def test_the_kept_table_has_forty_architectures_and_agrees_on_two():
    kept = {row["architecture"]: row for row in json.loads(KEPT.read_text())}
    assert sum(bool(row["cells"]) for row in kept.values()) >= 40
    for row in json.loads(as_json(table(["mixtral", "qwen3"]))):
        assert [(c["symmetry"], c["outcome"], c["form"]) for c in row["cells"]] == [
            (c["symmetry"], c["outcome"], c["form"]) for c in kept[row["architecture"]]["cells"]
        ]
