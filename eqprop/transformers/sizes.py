"""Tiny configurations: the names that configurations have for their sizes, and small numbers for them."""

# pyright: reportMissingImports=false

from __future__ import annotations

from typing import Any

import torch
import transformers

from eqprop.errors import InvalidInput

HIDDEN, HEADS, KEY_VALUE_HEADS, WIDTH = 32, 4, 2, 8
UNITS, EXPERT_UNITS, SHARED_UNITS, EXPERTS, VOCABULARY, POSITIONS = 20, 10, 14, 3, 11, 16
"""All lengths of axes differ, so that an axis says what it is of; only heads · width is the stream's width, as in most
released models."""

_NAMES = (
    (HIDDEN, "hidden_size d_model n_embd n_embed dim embedding_size word_embed_proj_dim hidden_dim lru_width"),
    (
        HEADS,
        "num_attention_heads n_head n_heads num_heads decoder_attention_heads encoder_attention_heads mamba_n_heads",
    ),
    (KEY_VALUE_HEADS, "num_key_value_heads"),
    (WIDTH, "head_dim kv_channels attention_head_dim global_head_dim v_head_dim d_kv"),
    (UNITS, "intermediate_size n_inner ffn_dim ffn_hidden_size d_ff shared_intermediate_size decoder_ffn_dim"),
    (UNITS, "dense_intermediate_size encoder_ffn_dim"),
    (EXPERT_UNITS, "moe_intermediate_size expert_ffn_hidden_size"),
    (SHARED_UNITS, "shared_expert_intermediate_size moe_shared_expert_intermediate_size"),
    (EXPERTS, "num_experts num_local_experts n_routed_experts moe_num_experts"),
    (VOCABULARY, "vocab_size vocab_size_per_layer_input"),
    (POSITIONS, "n_positions max_position_embeddings n_ctx max_seq_len"),
    (2, "num_experts_per_tok moe_topk moe_k num_experts_per_token top_k_experts"),
    (1, "n_group topk_group first_k_dense_replace num_shared_experts n_shared_experts bos_token_id eos_token_id"),
    (12, "q_lora_rank"),
    (6, "kv_lora_rank qk_nope_head_dim hidden_size_per_layer_input state_size ssm_state_size mamba_d_state"),
    (4, "qk_rope_head_dim rotary_dim"),
)
_LAYERS = "num_hidden_layers n_layer n_layers num_layers decoder_layers encoder_layers"
SIZES = {name: size for size, names in _NAMES for name in names.split()}
ROTARY_OF_LATENTS = "qk_rope_head_dim"

LARGEST = 300_000
"""Parameters that a tiny model may have; more are those of a part whose sizes have other names."""


def tiny(model_type: str) -> Any:
    """The configuration of a model type with small numbers for its sizes: two layers, or one of each kind it has.

    Raises:
        InvalidInput: where some size stays large.
        Exception: whatever the library raises where these numbers do not go together.
    """
    config = transformers.AutoConfig.for_model(model_type, **_changed(transformers.AutoConfig.for_model(model_type)))
    with torch.device("meta"):
        module = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    count = sum(parameter.numel() for parameter in module.parameters())
    if count > LARGEST:
        msg = (
            f"{count:,} parameters are left, at most {LARGEST:,} are tried; its configuration has other names for sizes"
        )
        raise InvalidInput(msg)
    return config


def _changed(usual: Any) -> dict[str, Any]:
    """What is small instead of usual, the configurations inside of one included."""
    stored = vars(usual)
    changed: dict[str, Any] = {name: SIZES[name] for name in stored if _is_size(name, stored[name])}
    if ROTARY_OF_LATENTS in stored:  # latents have a key and a value for each head
        own = {"head_dim": SIZES[ROTARY_OF_LATENTS], "num_key_value_heads": HEADS}
        changed |= {name: size for name, size in own.items() if name in changed}
    kinds = list(dict.fromkeys(stored.get("layer_types") or ()))
    layers = max(2, len(kinds))
    if kinds:
        changed["layer_types"] = (kinds * 2)[:layers]
    changed |= {name: layers for name in _LAYERS.split() if name in stored}
    inside = {name: part for name, part in stored.items() if isinstance(part, transformers.PretrainedConfig)}
    changed |= {name: {**_changed(part), "model_type": part.model_type} for name, part in inside.items()}
    return changed | ({"pad_token_id": None} if "pad_token_id" in stored else {})


def _is_size(name: str, value: Any) -> bool:
    return name in SIZES and (value is None or (isinstance(value, int) and not isinstance(value, bool)))
