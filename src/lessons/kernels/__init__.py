"""The hot loops, a package an operation: Numba for the CPU and for CUDA, a plain reference beside it.

``tools`` holds what they are made with.
"""
