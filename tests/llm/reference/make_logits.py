"""Make logits.json: what transformers computes with the weights of the model's file.

Run it in an environment of its own that has transformers 5.24.0 and torch 2.13.0, with this repository's ``src``
on PYTHONPATH and the model's file as argument::

    PYTHONPATH=src python tests/llm/reference/make_logits.py PATH_TO_GGUF

The weights are read by our reader and handed over; everything computed from them is transformers' own.
"""

import json
import sys
from pathlib import Path
from pydoc_data.topics import topics

import torch
import transformers

from lessons.llm.config import ModelConfig
from lessons.llm.gguf import GGUF
from lessons.llm.quant import read_tensor
from lessons.llm.tokenizer import BPETokenizer

TOP = 64
STRIDE = 997  # a prime, so that the sample walks through all residues of the vocabulary

WRITTEN = [
    "A",
    "The capital of France is",
    "Bytes per token",
    "def fibonacci(n):\n    if n < 2:\n        return n\n",
    "1234567890 times 2 is",
    "Die Bibliothek schließt um 18 Uhr; l'été à Paris, 東京の天気 🌦",
    "Once upon a time, in a small village by the sea,",
    "<|im_start|>user\nName three colours.<|im_end|>\n<|im_start|>assistant\n",
    "   leading spaces\n\n\nand\ttabs\t\t",
    "Water boils at",
]
TOPICS = [("if", 20), ("while", 40), ("pass", 64), ("for", 100), ("with", 128), ("lambda", 150), ("try", 200),
          ("class", 256), ("import", 400), ("function", 700)]  # fmt: skip


def main(path: str) -> None:
    file = GGUF.open(path)
    config = ModelConfig.from_gguf(file.metadata)
    tokenizer = BPETokenizer(file.metadata)
    model = transformers_model(file, config)

    prompts = [tokenizer.encode(text) for text in WRITTEN]
    prompts += [tokenizer.encode(topics[name])[:length] for name, length in TOPICS]
    cases = []
    for ids in prompts:
        with torch.inference_mode():
            logits = model(torch.tensor([ids])).logits[0]
        positions = sorted({0, len(ids) // 2, len(ids) - 1})
        cases.append({"ids": ids, "positions": [position_values(logits[p], p) for p in positions]})
    versions = {"transformers": transformers.__version__, "torch": torch.__version__.partition("+")[0]}
    text = json.dumps({"versions": versions, "stride": STRIDE, "cases": cases}, separators=(",", ":"))
    (Path(__file__).parent / "logits.json").write_text(text.replace('{"ids"', '\n{"ids"') + "\n")


def position_values(logits: torch.Tensor, position: int) -> dict:
    top = logits.topk(TOP)
    return {
        "position": position,
        "top_ids": top.indices.tolist(),
        "top": [round(x, 5) for x in top.values.tolist()],
        "sample": [round(x, 5) for x in logits[::STRIDE].tolist()],
    }


def transformers_model(file: GGUF, config: ModelConfig) -> transformers.LlamaForCausalLM:
    model = transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            vocab_size=config.vocab,
            hidden_size=config.hidden,
            intermediate_size=config.ffn,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            num_key_value_heads=config.kv_heads,
            head_dim=config.head_dim,
            max_position_embeddings=config.context,
            rms_norm_eps=config.norm_eps,
            rope_parameters={"rope_type": "default", "rope_theta": config.rope_base},
            tie_word_embeddings=True,
        )
    ).float()
    names = {
        "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k",
        "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output",
        "mlp.gate_proj": "ffn_gate",
        "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down",
        "input_layernorm": "attn_norm",
        "post_attention_layernorm": "ffn_norm",
    }
    weights = {
        "model.embed_tokens.weight": read_tensor(file, "token_embd.weight"),
        "model.norm.weight": read_tensor(file, "output_norm.weight"),
    }
    for i in range(config.layers):
        for theirs, ours in names.items():
            weight = read_tensor(file, f"blk.{i}.{ours}.weight")
            if ours in ("attn_q", "attn_k"):
                # From neighbouring pairs to two halves a head, which is how transformers rotates.
                weight = weight.reshape(-1, config.head_dim // 2, 2, config.hidden).swapaxes(1, 2)
            weights[f"model.layers.{i}.{theirs}.weight"] = (
                weight.reshape(-1, config.hidden) if (ours in ("attn_q", "attn_k")) else weight
            )
    tensors = {name: torch.from_numpy(weight.copy()) for name, weight in weights.items()}
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    assert missing == ["lm_head.weight"] and not unexpected, (missing, unexpected)  # tied to the embedding
    model.tie_weights()
    return model.eval()


if __name__ == "__main__":
    main(sys.argv[1])
