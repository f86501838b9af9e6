"""What the kernels are made with: explicit vectors, compiling with a cache, arrays by address, threads that meet."""
