"""One real language model, from the bytes of its file to the text it writes.

Read in this order: ``gguf`` (the file), ``quant`` (its block formats), ``config``, ``tokenizer``, ``weights``,
``model`` (the network), ``cache`` and ``contiguous`` (what it remembers), ``sampling``, ``generate``. ``load``
puts them together.
"""
