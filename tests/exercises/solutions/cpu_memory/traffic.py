"""A solution: an ordered dictionary from line to dirty, the least recently used first."""

from collections import OrderedDict


def traffic(accesses, lines, line=64):
    cache: OrderedDict[int, bool] = OrderedDict()
    read = written = 0
    for kind, address in accesses:
        number = address // line
        if kind == "stream":
            cache.pop(number, None)
            written += line
            continue
        if number not in cache:
            read += line
            if len(cache) == lines:
                _, dirty = cache.popitem(last=False)
                written += line * dirty
        cache[number] = cache.pop(number, False) or kind == "store"
    return read, written + line * sum(cache.values())
