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
    (HIDDEN, "hidden_size d_model n_embd n_embed dim embedding_size word_embed_proj_dim hidden_dim lru_width emb_dim"),
    (HIDDEN, "out_hidden_size backbone_hidden_size hidden_size_global"),
    (2 * HIDDEN, "attention_hidden_size"),
    (
        HEADS,
        "num_attention_heads n_head n_heads num_heads decoder_attention_heads encoder_attention_heads mamba_n_heads",
    ),
    (HEADS, "swa_num_attention_heads num_encoder_attention_heads num_decoder_attention_heads mamba_num_heads"),
    (HEADS, "linear_num_heads linear_num_value_heads"),
    (
        KEY_VALUE_HEADS,
        "num_key_value_heads swa_num_key_value_heads linear_num_key_heads n_groups index_n_heads o_groups",
    ),
    (WIDTH, "head_dim kv_channels attention_head_dim global_head_dim v_head_dim d_kv dim_head d_head swa_head_dim"),
    (WIDTH, "attention_head_size mamba_head_dim index_head_dim"),
    (UNITS, "intermediate_size n_inner ffn_dim ffn_hidden_size d_ff shared_intermediate_size decoder_ffn_dim"),
    (UNITS, "dense_intermediate_size encoder_ffn_dim dim_ff dff d_inner feed_forward_size mlp_dim"),
    (EXPERT_UNITS, "moe_intermediate_size expert_ffn_hidden_size linear_value_head_dim"),
    (
        SHARED_UNITS,
        "shared_expert_intermediate_size moe_shared_expert_intermediate_size shared_experts_intermediate_size",
    ),
    (EXPERTS, "num_experts num_local_experts n_routed_experts moe_num_experts"),
    (VOCABULARY, "vocab_size vocab_size_per_layer_input n_words pronunciation_vocab_size shape_vocab_size"),
    (VOCABULARY, "unpadded_vocab_size"),
    (POSITIONS, "n_positions max_position_embeddings n_ctx max_seq_len num_position_embeddings rel_extent"),
    (2, "num_experts_per_tok moe_topk moe_k num_experts_per_token top_k_experts zero_expert_num depth num_blocks"),
    (1, "n_group topk_group first_k_dense_replace num_shared_experts n_shared_experts bos_token_id eos_token_id"),
    (1, "num_expert_group num_dense_layers attn_layer_offset"),
    (2, "attn_layer_period"),
    (12, "q_lora_rank router_hidden_size input_embedding_size output_embedding_size"),
    (6, "kv_lora_rank qk_nope_head_dim hidden_size_per_layer_input state_size ssm_state_size mamba_d_state"),
    (6, "linear_key_head_dim linear_head_dim o_lora_rank d_rel adapter_rank laurel_rank"),
    (6, "pronunciation_embed_dim shape_embed_dim"),
    (10, "qk_head_dim"),
    (4, "qk_rope_head_dim rotary_dim prompt_types prompt_length segment_types position_bias_num_buckets"),
    (0, "num_kv_shared_layers"),
)
_LAYERS = (
    "num_hidden_layers n_layer n_layers num_layers decoder_layers encoder_layers num_encoder_layers num_decoder_layers"
)
SIZES = {name: size for size, names in _NAMES for name in names.split()}
ROTARY_OF_LATENTS = "qk_rope_head_dim"
KINDS = ("layer_types", "layers_block_type", "block_types")
VARIANTS: tuple[dict[str, Any], ...] = (
    {"pad_token_id": None},
    {"pad_token_id": 0},
    {"pad_token_id": 0, "num_experts_per_tok": 1},
    {"pad_token_id": None, "layer_types": ["conv", "full_attention"]},
    {"pad_token_id": None, "is_decoder": True},
)
"""Tried in this order: without a token for padding, whose row would count for nothing; then what some ask for."""

LARGEST = 500_000
"""Parameters that a tiny model may have; more are those of a part whose sizes have other names."""


def tiny(model_type: str, variant: dict[str, Any]) -> Any:
    """The configuration of a model type with small numbers for its sizes: two layers, or one of each kind it has.

    Args:
        model_type: as transformers has it.
        variant: one of ``VARIANTS``.

    Raises:
        InvalidInput: where some size stays large.
        Exception: whatever the library raises where these numbers do not go together.
    """
    usual = transformers.AutoConfig.for_model(model_type)
    config = transformers.AutoConfig.for_model(model_type, **_changed(usual, variant))
    with torch.device("meta"):
        module = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    count = sum(parameter.numel() for parameter in module.parameters())
    if count > LARGEST:
        msg = (
            f"{count:,} parameters are left, at most {LARGEST:,} are tried; its configuration has other names for sizes"
        )
        raise InvalidInput(msg)
    return config


def _changed(usual: Any, variant: dict[str, Any]) -> dict[str, Any]:
    """What is small instead of usual, the configurations inside of one included."""
    stored = vars(usual)
    changed: dict[str, Any] = {name: SIZES[name] for name in stored if _is_size(name, stored[name])}
    if ROTARY_OF_LATENTS in stored:  # latents have a key and a value for each head
        own = {"head_dim": SIZES[ROTARY_OF_LATENTS], "num_key_value_heads": HEADS}
        changed |= {name: size for name, size in own.items() if name in changed}
    if "expand" in stored and "head_dim" in changed:  # a state-space model's heads fill what it expands to
        changed["head_dim"] = HIDDEN * stored["expand"] // HEADS
    changed |= _layers(stored) | {name: value for name, value in variant.items() if name in stored}
    inside = {name: part for name, part in stored.items() if isinstance(part, transformers.PretrainedConfig)}
    return changed | {name: {**_changed(part, variant), "model_type": part.model_type} for name, part in inside.items()}


def _layers(stored: dict[str, Any]) -> dict[str, Any]:
    """How many layers, of which kinds."""
    listed: list[str] = next((stored[name] for name in KINDS if stored.get(name)), [])
    kinds = list(dict.fromkeys(listed))
    if kinds == ["linear_attention"]:  # all that a hybrid has by default
        kinds.append("full_attention")
    layers = max(2, len(kinds))
    changed: dict[str, Any] = {name: layers for name in _LAYERS.split() if name in stored}
    changed |= {name: (kinds * 2)[:layers] for name in KINDS if kinds and stored.get(name)}
    if stored.get("mlp_layer_types"):
        changed["mlp_layer_types"] = (list(dict.fromkeys(stored["mlp_layer_types"])) * layers)[:layers]
    if stored.get("attention_types"):  # pairs of kinds and how often they are repeated
        changed["attention_types"] = [[["global", "local"], 1]]
    if "attn_layer_indices" in stored:
        changed["attn_layer_indices"] = [1]
    if stored.get("languages"):
        changed["default_language"] = stored["languages"][0]
    return changed


def _is_size(name: str, value: Any) -> bool:
    return name in SIZES and (value is None or (isinstance(value, int | list) and not isinstance(value, bool)))
