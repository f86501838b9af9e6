"""The intensity knob: a polynomial at every point of an array. Its degree sets the FLOP; the bytes stay."""

from __future__ import annotations

from typing import Any

__all__ = ["horner"]


def horner(x: Any, out: Any, degree: int, coefficient: float = 0.5, *, repeats: int = 1) -> None:
    """Write c + c x + c x² + ... + c x^degree into ``out`` by Horner's rule: one multiply-add a degree.

    Each point is read once and each value written once, whatever the degree. With float32 that is
    degree / 4 FLOP per byte, so that a sweep over degrees walks along the roofline at constant traffic.

    Args:
        x: [n] float32, contiguous: a NumPy array, or a CUDA tensor. Keep it between -1 and 1, or high degrees overflow.
        out: [n] float32, contiguous, on the same device.
        degree: steps of the rule, 1 or more.
        coefficient: c, the same for every power.
        repeats: passes made in one call, on the CPU inside the compiled code, for arrays that live in a cache.

    Raises:
        ValueError: for shapes, dtypes or a degree that do not fit.

    Source:
        S. Williams et al., Roofline (2009), for intensity as the variable; ERT, the Empirical Roofline Toolkit,
        turns the same knob.
    """
    if degree < 1 or repeats < 1:
        raise ValueError(f"degree and repeats must be at least 1, got {degree} and {repeats}")
    if x.ndim != 1 or x.shape != out.shape:
        raise ValueError(f"x and out must be one-dimensional and equally long, got {x.shape} and {out.shape}")
    if any(str(a.dtype).removeprefix("torch.") != "float32" for a in (x, out)):
        raise ValueError(f"horner takes float32, got {x.dtype} and {out.dtype}")
    if getattr(x, "is_cuda", False):
        from lessons.kernels.horner import cuda

        cuda.horner(x, out, degree, coefficient, repeats)
        return
    from lessons.kernels.horner import cpu

    if not (x.flags.c_contiguous and out.flags.c_contiguous):
        raise ValueError("horner takes contiguous arrays; make copies with numpy.ascontiguousarray")
    cpu.kernel()(x, out, degree, coefficient, repeats)
