"""silu(gate) * up: the gate of Llama's feed-forward block.

It is inlined into compiled passes, between two products: see ``swiglu.cpu.swiglu``. A call of its own would cost more
than its arithmetic.
"""
