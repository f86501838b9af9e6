"""The hot loops: Numba for the CPU and for CUDA, a plain reference beside each."""
