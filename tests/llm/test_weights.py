"""A file whose metadata and tensors contradict each other is refused before a tensor is read."""

from dataclasses import replace

import gguf_writer
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lessons.datasheets import model
from lessons.errors import LessonError
from lessons.formulas import llama
from lessons.llm.config import MAX_CONTEXT, ModelConfig
from lessons.llm.contiguous import ContiguousCache
from lessons.llm.gguf import GGUF
from lessons.llm.model import Llama
from lessons.llm.weights import read_weights

SIZES = gguf_writer.TINY
SHAPES = gguf_writer.llama_shapes()


class Unread(GGUF):
    """A file whose tensors must not be touched."""

    def data(self, name):
        raise AssertionError(f"{name} was read")


def unread(file, **changes):
    """Return the file with some of its metadata replaced; ``__`` in a name stands for a dot."""
    changed = {f"llama.{name.replace('__', '.')}": value for name, value in changes.items()}
    return Unread(file._data, {**file.metadata, **changed}, file.tensors)


def refused(file, message="."):
    with pytest.raises(LessonError, match=message) as caught:
        read_weights(file)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


@pytest.fixture(scope="module")
def tiny(open_bytes):
    return open_bytes(gguf_writer.llama())


def test_the_tiny_file_is_a_model_and_each_part_has_its_shape(tiny):
    weights = read_weights(tiny)
    layer = weights.layers[1]
    shapes = [w.shape for w in (layer.qkv, layer.o, layer.gate_up, layer.down, weights.embedding)]
    assert shapes == [(160, 64), (64, 96), (320, 64), (64, 160), (176, 64)]
    cache = ContiguousCache(weights.config)
    assert torch.isfinite(Llama(weights).forward(torch.arange(5), cache)).all()


@pytest.mark.parametrize(
    "how, file_format",
    [
        ({}, "float32"),
        ({"dtype": torch.bfloat16}, "bfloat16"),
        ({"arithmetic": "float32"}, "Q8_0"),
        ({"arithmetic": "float32"}, "Q4_0"),
    ],
)
def test_the_book_s_formula_counts_the_bytes_of_the_built_model(open_bytes, how, file_format):
    types = {"*": file_format, "token_embd.weight": "Q8_0"} if "arithmetic" in how else {}
    weights = read_weights(open_bytes(gguf_writer.llama(types=types)), **how)
    matrices = [weights.embedding]
    for layer in weights.layers:
        matrices += [layer.qkv, layer.o, layer.gate_up, layer.down]
    head = "Q8_0" if types else None
    assert llama.weight_bytes(weights.config, file_format, head) == sum(m.nbytes for m in matrices)
    assert sum(llama.multiplied(weights.config)) == sum(m.shape[0] * m.shape[1] for m in matrices)
    shapes = [tuple(getattr(weights.layers[0], name).shape) for name in ("qkv", "o", "gate_up", "down")]
    assert list(llama.layer_matrices(weights.config).values()) == shapes
    cache = ContiguousCache(weights.config)
    stored = sum(t.untyped_storage().nbytes() for t in (cache.k, cache.v))
    work = llama.step(weights.config, 1, weights=1, cached=cache.capacity)
    assert work.bytes - 1 == stored


def test_both_descriptions_of_the_books_model_have_one_shape(model_path):
    ours, published = ModelConfig.from_gguf(GGUF.open(model_path).metadata), model("smollm2-135m")
    names = [name for name in vars(llama.Shape) if isinstance(vars(llama.Shape)[name], property)]
    assert len(names) == 8
    assert [getattr(ours, name) for name in names] == [getattr(published, name) for name in names]


@pytest.mark.parametrize(
    "key, value, message",
    [
        ("embedding_length", 128, r"'token_embd.weight' is \[176, 64\], .* \[vocab, hidden\] = \[176, 128\]"),
        ("embedding_length", 32, "token_embd"),
        ("feed_forward_length", 320, r"'blk.0.ffn_gate.weight' is \[160, 64\], .* = \[320, 64\]"),
        ("feed_forward_length", 80, "ffn_gate"),
        ("attention__head_count", 12, r"'blk.0.attn_q.weight' is \[96, 64\], .* = \[192, 64\]"),
        ("attention__head_count", 4, "attn_q"),
        ("attention__head_count_kv", 6, r"'blk.0.attn_k.weight' is \[32, 64\], .* = \[96, 64\]"),
        ("attention__head_count_kv", 1, "attn_k"),
        ("attention__head_count_kv", 4, "6 query heads for 4 K/V heads"),
        ("attention__head_count_kv", None, "attn_k"),
        ("rope__dimension_count", 32, "attn_q"),
        ("rope__dimension_count", 15, "15 wide"),
        ("rope__dimension_count", None, "attn_q"),
        ("block_count", 1, "block_count is 1 and the file has the tensors of 2 layers"),
        ("block_count", 3, "block_count is 3"),
        ("block_count", 2**32 - 1, "block_count is 4294967295"),
        ("context_length", 2**32 - 1, "context_length is 4294967295; this book reads up to 262144"),
        ("vocab_size", 177, "vocab_size is 177 and the vocabulary .* has 176 tokens"),
    ],
)
def test_a_file_with_one_false_size_is_refused(open_bytes, key, value, message):
    metadata = gguf_writer.llama_metadata(**{key: value})
    refused(open_bytes(gguf_writer.llama(metadata)), message)


@pytest.mark.parametrize("vocab", [0, 1, 175, 177, 4096])
def test_a_vocabulary_of_another_length_than_the_embedding_is_refused(open_bytes, vocab):
    refused(
        open_bytes(gguf_writer.llama(gguf_writer.llama_metadata(vocab))),
        "token_embd" if vocab else "no vocabulary",
    )


@given(
    key=st.sampled_from([key for key in SIZES if key != "context_length"]),
    value=st.integers(-2, 2**64)
    | st.integers(1, 400)
    | st.floats()
    | st.none()
    | st.text(max_size=5)
    | st.booleans(),
)
def test_any_other_size_is_refused_before_a_tensor_is_read(tiny, key, value):
    if type(value) is int and value == SIZES[key]:
        return
    file = unread(tiny)
    file.metadata[f"llama.{key}"] = value
    refused(file)


@given(st.sampled_from(sorted(SHAPES)), st.integers(0, 1), st.sampled_from([-32, -16, 16, 64, 6400]))
def test_any_tensor_of_another_shape_is_refused_before_it_is_read(tiny, name, axis, more):
    shape = list(SHAPES[name])
    shape[axis % len(shape)] += more
    tensors = {**tiny.tensors, name: replace(tiny.tensors[name], shape=tuple(shape))}
    refused(Unread(tiny._data, tiny.metadata, tensors), f"{name}|layers")


@pytest.mark.parametrize("name", SHAPES)
def test_a_missing_tensor_is_refused_before_another_is_read(tiny, name):
    tensors = {key: info for key, info in tiny.tensors.items() if key != name}
    refused(Unread(tiny._data, tiny.metadata, tensors), f"no tensor '{name}'; fetch")


@pytest.mark.parametrize("name", ["output.weight", "blk.0.attn_q.bias", "rope_freqs.weight", "x" * 5000])
def test_a_tensor_that_the_network_does_not_use_is_refused(tiny, name):
    """Left out, it would make another model than the file's: an output head of its own, or biases."""
    tensors = {**tiny.tensors, name: tiny.tensors["output_norm.weight"]}
    refused(Unread(tiny._data, tiny.metadata, tensors), "not a part of this book's Llama")


@given(st.integers(1, 2000))
def test_any_context_is_safe(tiny, context):
    """No tensor tells how long the context is. A false one changes where a sequence must end, and nothing else."""
    weights = read_weights(GGUF(tiny._data, {**tiny.metadata, "llama.context_length": context}, tiny.tensors))
    assert len(weights.turns) == context == ContiguousCache(weights.config).capacity


@pytest.mark.parametrize("kind", ["context_length", "rope__freq_base", "attention__layer_norm_rms_epsilon"])
@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan"), "8", [1], True])
def test_a_number_that_makes_no_network_is_refused(tiny, kind, value):
    refused(unread(tiny, **{kind: value}), f"llama.{kind.replace('__', '.')} is")


@pytest.mark.parametrize("head_dim, message", [(256, None), (272, "is 272; this book reads up to 256")])
def test_a_wide_head_is_refused_though_its_tensors_agree(open_bytes, head_dim, message):
    """Its kernels would be compiled for minutes. Nothing of it is read, and nothing compiled."""
    sizes = {"attention__head_count": 1, "attention__head_count_kv": 1, "rope__dimension_count": head_dim}
    wide = {
        "attn_q": (head_dim, 64),
        "attn_k": (head_dim, 64),
        "attn_v": (head_dim, 64),
        "attn_output": (64, head_dim),
    }
    shapes = {name: wide.get(name.split(".")[-2], shape) for name, shape in SHAPES.items()}
    file = open_bytes(gguf_writer.llama(gguf_writer.llama_metadata(**sizes), shapes))
    if message:
        refused(Unread(file._data, file.metadata, file.tensors), message)
    else:
        assert read_weights(file).config.head_dim == head_dim


@pytest.mark.parametrize("base", [1.0, 1e4, 1e300, float(2**64)])
def test_every_base_gives_angles_that_are_numbers(tiny, base):
    changed = {**tiny.metadata, "llama.rope.freq_base": base, "llama.context_length": 10_000}
    turns = read_weights(GGUF(tiny._data, changed, tiny.tensors)).turns
    assert torch.view_as_real(turns).isfinite().all()


def test_the_longest_context_fits_the_book_s_model(model_path):
    assert ModelConfig.from_gguf(GGUF.open(model_path).metadata).context <= MAX_CONTEXT


@pytest.mark.parametrize("arithmetic", ["float32", "int8"])
def test_layers_that_are_stored_otherwise_are_not_run_by_the_first_layers_program(open_bytes, arithmetic):
    """Real files mix formats. Compiled code takes the first layer's for all, so such a model goes through torch."""
    mixed = {"*": "Q8_0", "blk.1.ffn_down.weight": "Q4_0"}
    weights = read_weights(open_bytes(gguf_writer.llama(types=mixed)), arithmetic=arithmetic)
    logits = [
        Llama(weights, compiled=compiled).forward(torch.arange(5), ContiguousCache(weights.config))
        for compiled in (True, False)
    ]
    torch.testing.assert_close(*logits, atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    "types, message",
    [
        ({}, "F32 has no blocks"),
        ({"*": "Q8_0", "blk.0.attn_k.weight": "Q4_0"}, "Q4_0, Q8_0, and one format is wanted"),
    ],
)
def test_what_cannot_stay_packed_is_refused(open_bytes, types, message):
    with pytest.raises(LessonError, match=f"cannot stay packed: .*{message}.*; load float32 weights"):
        read_weights(open_bytes(gguf_writer.llama(types=types)), arithmetic="float32")
