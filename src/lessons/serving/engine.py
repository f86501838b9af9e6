"""The service on the real model and the real clock: one pass over the weights a step, for everyone in the batch."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from time import perf_counter, sleep

import torch

from lessons.errors import LessonError
from lessons.llm.block_pool import BLOCK_SIZE, BlockPool
from lessons.llm.load import LLM
from lessons.llm.paged import PagedCache
from lessons.serving.costs import Step, work
from lessons.serving.loop import serve
from lessons.serving.request import Request, State
from lessons.serving.scheduler import Batch, Scheduler


class PagedBlocks:
    """The blocks of a pool, with a cache for each request that holds some.

    A cache takes its blocks from the pool when it writes. Until then they are promised: counted, so that no one
    else gets them.

    Args:
        pool: the memory.
        context_length: tokens of the longest sequence the model takes.
        share: find prefixes that earlier requests left in the pool.

    Attributes:
        caches: request id to cache.
    """

    def __init__(self, pool: BlockPool, context_length: int, *, share: bool = True) -> None:
        self.pool, self.share = pool, share
        self.total: float = pool.num_blocks
        self.longest: float = min(pool.num_blocks * pool.block_size, context_length)
        self.caches: dict[int, PagedCache] = {}
        self._promised: dict[int, int] = {}
        self._swapped: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    @property
    def free(self) -> int:
        """Blocks that nobody holds or was promised."""
        return self.pool.available - sum(self._promised.values())

    def admit(self, request: Request, spare: float) -> bool:
        if request.id in self.caches:
            raise LessonError(f"two requests have the id {request.id}; number them apart")
        cache = PagedCache(self.pool)
        if self.share and request.computed == 0:
            cache.match_prefix(request.token_ids)
        needed = -(-request.length // self.pool.block_size) - len(cache.blocks)
        if needed + spare > self.free:
            cache.free()
            return False
        if request.id in self._swapped:
            cache.extend(request.computed)
            for stored, kept in zip((self.pool.k, self.pool.v), self._swapped.pop(request.id)):
                stored[:, :, cache.blocks] = kept.to(stored)  # back to where the pool is
        request.computed = cache.length
        self.caches[request.id] = cache
        request.capacity = -(-request.length // self.pool.block_size) * self.pool.block_size
        self.settle(request)
        return True

    def grow(self, request: Request) -> bool:
        if self.free < 1:
            return False
        request.capacity += self.pool.block_size
        self.settle(request)
        return True

    def settle(self, request: Request) -> None:
        """Count again what the request was promised and its cache has not taken yet."""
        taken = len(self.caches[request.id].blocks)
        self._promised[request.id] = request.capacity // self.pool.block_size - taken

    def release(self, request: Request) -> None:
        self.caches.pop(request.id).free()
        del self._promised[request.id]
        request.capacity = 0

    def clear(self) -> None:
        """Take back what an interrupted run left behind."""
        for cache in self.caches.values():
            cache.free()
        self.caches.clear()
        self._promised.clear()
        self._swapped.clear()

    def swap_out(self, request: Request) -> None:
        blocks = self.caches[request.id].blocks
        # Indexing with a list copies; the copies lie in the computer's memory wherever the pool is.
        self._swapped[request.id] = self.pool.k[:, :, blocks].cpu(), self.pool.v[:, :, blocks].cpu()
        self.release(request)


class Engine:
    """Runs steps with the model, greedily, and keeps what each step was and how long it took.

    Args:
        llm: the loaded model.
        num_blocks: blocks of its cache.
        block_size: tokens a block.
        share_prefixes: let requests share the blocks of equal beginnings.
        stop: end an answer at the model's stop tokens; without, every answer is as long as asked for.

    Attributes:
        blocks: the memory, for the scheduler.
        steps: each step's work and seconds.
    """

    def __init__(
        self,
        llm: LLM,
        num_blocks: int,
        block_size: int = BLOCK_SIZE,
        *,
        share_prefixes: bool = True,
        stop: bool = True,
    ) -> None:
        model = llm.model
        dtype = torch.float32 if model.device.type == "cpu" else model.dtype
        pool = BlockPool(model.config, num_blocks, block_size, dtype=dtype, device=model.device)
        self.model, self.stop_ids = model, set(llm.tokenizer.stop_ids) if stop else set()
        self.blocks = PagedBlocks(pool, model.config.context, share=share_prefixes)
        self.steps: list[Step] = []
        self._began = perf_counter()

    def restart(self) -> None:
        """Set the clock to 0 and forget the steps and what was running; prefixes in the pool stay."""
        self.steps = []
        self.blocks.clear()
        self._began = perf_counter()

    def now(self) -> float:
        return perf_counter() - self._began

    def wait_until(self, moment: float) -> None:
        sleep(max(0.0, moment - self.now()))

    def run(self, batch: Batch) -> Container[int]:
        began = perf_counter()
        to_do = work(batch)
        caches = [self.blocks.caches[request.id] for request, _ in batch.rows]
        tokens = []
        for (request, n), cache in zip(batch.rows, caches):
            if request.state is State.FINISHED:  # a held slot computes its last token again
                cache.truncate(cache.length - 1)
            tokens.append(torch.tensor(_tokens(request, cache.length, n)))
        logits = self.model.forward_batch(tokens, caches, last_only=True)
        stopped = set()
        for (request, n), token in zip(batch.rows, self.choose(batch, logits)):
            self.blocks.settle(request)
            if request.state is State.FINISHED or request.computed + n < request.length:
                continue
            if self.blocks.share and request.generated == 0:
                self.blocks.caches[request.id].commit(request.prompt_ids or ())
            request.output_ids.append(token)
            if token in self.stop_ids:
                stopped.add(request.id)
        self.steps.append(Step(to_do, perf_counter() - began))
        return stopped

    def choose(self, batch: Batch, logits: torch.Tensor) -> list[int]:
        """Return the next token of each row from its logits [rows, vocab]: the likeliest."""
        return logits.argmax(dim=1).tolist()


def _tokens(request: Request, start: int, count: int) -> list[int]:
    """Return ``count`` tokens of a request from position ``start`` on."""
    prompt = request.prompt_ids or ()
    if start >= len(prompt):  # the common case, without copying a long prompt
        first = start - len(prompt)
        return request.output_ids[first : first + count]
    return request.token_ids[start : start + count]


def run(requests: Iterable[Request], scheduler: Scheduler, engine: Engine) -> Iterator[Request]:
    """Serve requests with the model and yield each when it has finished, with its ``output_ids``.

    Args:
        requests: with ``prompt_ids``, in the order of their arrival.
        scheduler: its memory must be ``engine.blocks``.
        engine: its clock starts now.

    Raises:
        LessonError: when the scheduler counts other blocks, or a request has no tokens.
    """
    if scheduler.blocks is not engine.blocks:
        raise LessonError("the scheduler counts other blocks than the engine's; make it with engine.blocks")
    engine.restart()
    return serve(map(_with_tokens, requests), scheduler, engine)


def _with_tokens(request: Request) -> Request:
    if request.prompt_ids is None:
        raise LessonError(f"request {request.id} has no prompt_ids; make the workload with vocab")
    return request
