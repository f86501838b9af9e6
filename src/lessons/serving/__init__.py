"""Many requests, one scheduler, two clocks.

Read in this order: ``request`` (one request's life), ``workload`` (many of them), ``policies`` and ``scheduler``
(who runs in the next step), ``blocks`` (the memory they share), ``loop`` (the steps). The loop runs on either
clock: ``engine`` is the real model and real time, ``costs`` and ``simulator`` say how long a step would take.
``disaggregated`` puts two simulated machines in a row. ``metrics`` sums up.
"""
