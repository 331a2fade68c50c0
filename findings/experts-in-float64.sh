#!/usr/bin/env bash
# transformers 5.24.0 with torch 2.13.0 on a CPU.
#
# What it does: makes a Mixtral of one layer and four experts with random weights, as MixtralForCausalLM(config) makes it, takes
# it to each floating-point type by .to(dtype), and runs it forwards and backwards at six tokens; the same with
# experts_implementation="eager".
# What one would guess: a wider type is never harder than a narrow one. Whoever checks derivatives by differences takes a model
# to float64, as torch.autograd.gradcheck asks for.
# What is seen: float16, bfloat16 and float32 run, and float64 alone is refused ("Expected mat_a to be Float32, BFloat16 or Float16
# matrix, got Double"), by a product of groups of rows that the configuration does not name: it was chosen when the model
# was made. With "eager" all four run.
# Exits with 0 as long as this is so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 transformers==5.24.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PYTHON'
import torch
from transformers import MixtralConfig, MixtralForCausalLM

SMALL = {
    "vocab_size": 16,
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "num_local_experts": 4,
}
TYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def said(dtype, **settings):
    """Nothing where a model of this type runs; else what it is refused with."""
    model = MixtralForCausalLM._from_config(MixtralConfig(**SMALL), **settings).to(dtype)
    try:
        model(torch.arange(6)[None]).logits.sum().backward()
    except RuntimeError as error:
        return str(error)
    return ""


by_default = {dtype: said(dtype) for dtype in TYPES}
eager = {dtype: said(dtype, experts_implementation="eager") for dtype in TYPES}
for dtype in TYPES:
    print(f"{dtype}: by default {by_default[dtype] or 'runs'}; eager {eager[dtype] or 'runs'}")
assert not any(eager.values()), "eager experts are refused as well"
assert not any(by_default[dtype] for dtype in TYPES[:3]), "the behaviour has changed: a narrow type is refused"
assert "got Double" in by_default[torch.float64], "the behaviour has changed: float64 runs"
PYTHON
