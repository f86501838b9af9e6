"""transformers' own Llama with the weights of ours, as the peer of several benchmarks."""

from __future__ import annotations

import torch

from lessons.llm.load import LLM


def llama(llm: LLM, **config_options):
    """Return transformers' Llama with the weights of ours.

    GGUF lays the numbers that one rotary angle turns side by side; transformers keeps them half a head apart,
    so the rows of Q and K are put back into its order.

    Args:
        llm: with float32 weights.
        config_options: further options of its LlamaConfig.
    """
    from transformers import LlamaConfig, LlamaForCausalLM

    c, ours = llm.config, llm.model.weights
    vocab, hidden = ours.embedding.shape
    config = LlamaConfig(
        vocab_size=vocab,
        hidden_size=hidden,
        intermediate_size=c.ffn,
        num_hidden_layers=c.layers,
        num_attention_heads=c.heads,
        num_key_value_heads=c.kv_heads,
        head_dim=c.head_dim,
        rms_norm_eps=c.norm_eps,
        rope_theta=c.rope_base,
        max_position_embeddings=c.context,
        tie_word_embeddings=True,
        **config_options,
    )

    def halves(rows: torch.Tensor) -> torch.Tensor:
        return rows.unflatten(0, (-1, c.head_dim // 2, 2)).transpose(1, 2).flatten(0, 2)

    weights = {"model.embed_tokens.weight": ours.embedding, "lm_head.weight": ours.embedding}
    weights["model.norm.weight"] = ours.output_norm
    for i, layer in enumerate(ours.layers):
        at = f"model.layers.{i}"
        q, k, v = layer.qkv.split([c.heads * c.head_dim, c.kv_heads * c.head_dim, c.kv_heads * c.head_dim])
        gate, up = layer.gate_up.chunk(2)
        weights |= {
            f"{at}.input_layernorm.weight": layer.attn_norm,
            f"{at}.self_attn.q_proj.weight": halves(q),
            f"{at}.self_attn.k_proj.weight": halves(k),
            f"{at}.self_attn.v_proj.weight": v,
            f"{at}.self_attn.o_proj.weight": layer.o,
            f"{at}.post_attention_layernorm.weight": layer.ffn_norm,
            f"{at}.mlp.gate_proj.weight": gate,
            f"{at}.mlp.up_proj.weight": up,
            f"{at}.mlp.down_proj.weight": layer.down,
        }
    peer = LlamaForCausalLM(config).float().eval()
    peer.load_state_dict(weights)
    peer.generation_config.eos_token_id = None  # write as many tokens as asked for
    peer.generation_config.pad_token_id = 0
    return peer
