"""Greedy generation of 64 tokens, against transformers with the same weights and threads, both in float32 arithmetic.

transformers keeps the weights as float32. Ours stay in the file's 4 and 8 bits and become the same float32 numbers
in registers, so that a token reads a fifth of the bytes; activations, products and sums are float32 on both sides.
``ratio_expanded`` is ours with the weights kept as float32, as transformers keeps them.
"""

from __future__ import annotations

import common
import numba
import torch

from lessons.llm.generate import generate
from lessons.llm.load import LLM, load
from lessons.measure import compare

THREADS = 1  # a second thread pool in one process disturbs the first
TOKENS = 64
PROMPT = "The history of the computer begins with the loom. In the early nineteenth century"


def peer_model(llm: LLM):
    """Return transformers' Llama with the weights of ours.

    GGUF lays the numbers that one rotary angle turns side by side; transformers keeps them half a head apart,
    so the rows of Q and K are put back into its order.
    """
    from transformers import LlamaConfig, LlamaForCausalLM

    c, model = llm.config, llm.model
    vocab, hidden = model.embedding.shape
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
        max_position_embeddings=c.context_length,
        tie_word_embeddings=True,
    )

    def halves(rows: torch.Tensor) -> torch.Tensor:
        return rows.unflatten(0, (-1, c.head_dim // 2, 2)).transpose(1, 2).flatten(0, 2)

    weights = {"model.embed_tokens.weight": model.embedding, "lm_head.weight": model.embedding}
    weights["model.norm.weight"] = model.output_norm
    for i, layer in enumerate(model.layers):
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
    peer.generation_config.eos_token_id = None  # write all 64 tokens
    peer.generation_config.pad_token_id = 0
    return peer


def measure_once() -> common.Record:
    """Compare whole generations, the short prompt's prefill included on both sides."""
    torch.set_num_threads(THREADS)
    numba.set_num_threads(THREADS)
    llm, expanded = load("packed"), load("float32")
    peer = peer_model(expanded)
    ids = torch.tensor([llm.tokenizer.encode(PROMPT)])

    def ours() -> tuple[int, ...]:
        return generate(llm, PROMPT, TOKENS).token_ids

    def ours_expanded() -> tuple[int, ...]:
        return generate(expanded, PROMPT, TOKENS).token_ids

    @torch.inference_mode()
    def theirs() -> list[int]:
        whole = peer.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=TOKENS, do_sample=False, use_cache=True
        )
        return whole[0, ids.shape[1] :].tolist()

    written = list(ours())
    if not written == list(ours_expanded()) == theirs():
        raise SystemExit("the models wrote different tokens, so their speeds cannot be compared")
    if len(written) != TOKENS:
        raise SystemExit(f"the answer ended after {len(written)} of {TOKENS} tokens; choose another prompt")
    same_bytes = compare(ours_expanded, theirs, rounds=6, warmup=0)
    return common.record(
        compare(ours, theirs, rounds=6, warmup=0),
        TOKENS,
        "tokens/s",
        THREADS,
        ratio_expanded=same_bytes.ratio.value,
    )


if __name__ == "__main__":
    common.main(measure_once, bar=2.5)
