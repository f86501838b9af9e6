"""llama.cpp on the same file, as the peer of several benchmarks."""

from __future__ import annotations

from lessons.errors import LessonError
from lessons.llm.load import find_model


def load(threads: int, context: int = 1024, **options):
    """Return ``llama_cpp.Llama`` with the book's model; ``options`` are its further ones.

    Build it natively, which is faster than the ready-made wheel: ``pip install --no-binary llama-cpp-python``.
    Where the processor has AMX but the system does not grant it, batches of more than one token crash; build with
    ``CMAKE_ARGS="-DGGML_NATIVE=OFF -DGGML_AVX512=ON -DGGML_AVX512_VNNI=ON -DGGML_AVX512_VBMI=ON"`` there.

    Raises:
        LessonError: when it is not installed.
    """
    try:
        import llama_cpp
    except ImportError:
        raise LessonError("llama-cpp-python is not installed; see benchmarks/README.md") from None
    return llama_cpp.Llama(
        str(find_model()), n_threads=threads, n_threads_batch=threads, n_ctx=context, verbose=False, **options
    )


def decode(model, tokens: list[int], count: int, stop_ids=(), *, fresh: bool = True) -> list[int]:
    """Return ``count`` greedy tokens after ``tokens``, or fewer up to a stop token.

    Unless ``fresh``, the part of the prompt that the model's cache still holds is not computed again.
    """
    if fresh:
        model.reset()
    written = []
    for token in model.generate(tokens, temp=0.0, top_k=1, repeat_penalty=1.0):
        written.append(token)
        if len(written) == count or token in stop_ids:
            break
    return written


def prefill(model, tokens: list[int]) -> None:
    """Run a prompt, with the logits of its last token."""
    model.reset()
    model.eval(tokens)
