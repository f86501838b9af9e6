"""The model with its weights left in the file's 4 and 8 bits."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from lessons.kernels import packed
from lessons.llm import quant
from lessons.llm.contiguous import ContiguousCache
from lessons.llm.gguf import GGUF, GGUFError
from lessons.llm.linear import PackedMatrix, linear, lookup
from lessons.llm.load import find_model, load
from lessons.llm.model import Llama
from lessons.llm.weights import packed_matrix, read_weights

TOLERANCE = 1e-3


@pytest.fixture(scope="module")
def file():
    return GGUF.open(find_model())


@pytest.mark.parametrize("names", [["blk.3.attn_q", "blk.3.attn_k"], ["token_embd"]], ids="+".join)
def test_packed_weights_are_those_of_the_file(file, names):
    matrix = packed_matrix(file, names, "float32")
    want = np.concatenate([quant.read_tensor(file, f"{name}.weight") for name in names])
    assert matrix.shape == want.shape
    np.testing.assert_allclose(packed.unpack(matrix.packed), want, rtol=2e-7, atol=1e-9)
    tokens = torch.tensor([17, 0, 17, 32])
    np.testing.assert_allclose(lookup(matrix, tokens), want[tokens], rtol=2e-7, atol=1e-9)


def test_codes_give_back_what_was_stored():
    weights = np.random.default_rng(0).normal(size=(4, 96)).astype(np.float32)
    for kind, centre in (("Q8_0", 0), ("Q4_0", 8)):
        data = quant.quantize(weights, kind)
        q, scales, minima = quant.codes(data, kind)
        assert minima is None
        got = (q.astype(np.float32) - centre) * scales.astype(np.float32)[:, None]
        assert np.array_equal(got.ravel(), quant.dequantize(data, kind))
    with pytest.raises(ValueError, match="no blocks of codes"):
        quant.codes(data, "F16")


def test_matrices_of_two_formats_are_not_packed_as_one(file):
    with pytest.raises(GGUFError, match="stored as Q4_1, Q8_0, and one format is wanted"):
        packed_matrix(file, ["blk.0.attn_q", "token_embd"], "float32")


@pytest.mark.parametrize("compiled", [True, False])
def test_rows_of_the_embedding_are_checked_before_anything_is_written(file, compiled):
    model = Llama(read_weights(file, arithmetic="float32"), compiled=compiled)
    cache = ContiguousCache(model.config, 8)
    for wrong in (-1, model.config.vocab):
        with pytest.raises(ValueError, match=f"no token {wrong}: the vocabulary's are 0 to 49151"):
            model.forward(torch.tensor([5, wrong]), cache)
    assert cache.length == 0


@pytest.mark.parametrize("pieces", [[40], [33, 1, 1, 5]], ids=str)
def test_float32_arithmetic_gives_the_float32_models_logits(llm, pieces):
    ours = load("packed")
    ids = torch.arange(1000, 1040)
    cache, other = ours.new_cache(40), llm.new_cache(40)
    for piece in ids.split(pieces):
        got, want = ours.model.forward(piece, cache), llm.model.forward(piece, other)
        torch.testing.assert_close(got, want, atol=TOLERANCE, rtol=0)


def test_a_device_gives_the_float32_models_logits(llm):
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device; the kernels run in the simulator's test")
    ours = load("packed", device="cuda")
    cache, other = ours.new_cache(40), llm.new_cache(40)
    for piece in torch.arange(1000, 1040).split([33, 1, 1, 5]):
        got, want = ours.model.forward(piece, cache), llm.model.forward(piece, other)
        torch.testing.assert_close(got.cpu(), want, atol=TOLERANCE, rtol=0)


def test_the_compiled_pass_is_as_exact_in_int8_as_the_plain_one(file):
    """Equal they are not: where a value lies on the edge of two codes the order of a sum decides, and 30 layers
    make much of it. But neither may be further from float32 than the other."""
    weights = read_weights(file, arithmetic="int8")
    models = [Llama(weights, compiled=compiled) for compiled in (True, False)]
    reference = Llama(read_weights(file, arithmetic="float32"))
    errors = torch.zeros(2)
    for first in range(1000, 9000, 1000):
        ids = torch.arange(first, first + 12)
        exact = logits(reference, ids)
        errors += torch.stack([(logits(model, ids) - exact).abs().mean() for model in models]) / 8
    assert 0.01 < errors[0] < 1.2 * errors[1]


def logits(model, ids):
    return model.forward(ids, ContiguousCache(model.config, len(ids)))


def test_a_product_with_many_rows_expands_the_weights(file):
    matrix = packed_matrix(file, ["blk.0.ffn_down"], "int8")
    x = torch.randn(packed.MAX_ROWS + 1, matrix.shape[1])
    want = x.double() @ torch.from_numpy(packed.unpack(matrix.packed)).double().T
    torch.testing.assert_close(linear(x, matrix).double(), want, atol=1e-4, rtol=1e-4)
    few = linear(x[:3], PackedMatrix(matrix.packed, "float32"))
    torch.testing.assert_close(few.double(), want[:3], atol=1e-4, rtol=1e-4)


CHILD = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (limit := 4 * 10**9, limit))
import torch
from lessons.llm.load import load
llm = load("packed", activations=sys.argv[1])
cache = llm.new_cache(8)
logits = [llm.model.forward(torch.tensor(t), cache) for t in ([1000, 1001, 1002], [7])]
torch.save(torch.cat(logits), sys.argv[2])
# Not ru_maxrss, which a child takes over from the process that started it.
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(1024 * int(status["VmHWM"].split()[0]))
"""


def four_tokens(llm):
    cache = llm.new_cache(8)
    return torch.cat([llm.model.forward(torch.tensor(t), cache) for t in ([1000, 1001, 1002], [7])])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited and counted as Linux does")
@pytest.mark.parametrize("target, activations", [("haswell", "float32"), ("generic", "int8")])
def test_other_processors_give_the_same_logits_in_two_gigabytes(llm, tmp_path, target, activations):
    saved = tmp_path / "logits.pt"
    one = {"NUMBA_CPU_NAME": target, "NUMBA_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", CHILD, activations, str(saved)],
        env={**os.environ, **one},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 2e9
    want, got = four_tokens(llm), torch.load(saved)
    if activations == "float32":
        torch.testing.assert_close(got, want, atol=TOLERANCE, rtol=0)
    else:
        here = four_tokens(load("packed", activations="int8"))
        assert (got - want).abs().mean() < 1.3 * (here - want).abs().mean()
