"""The chapter's examples, part by part: what each experiment shows for made-up results."""

import test_gpu_memory_count
import test_gpu_memory_flight
import test_gpu_memory_move
import test_gpu_memory_product

PARTS = (test_gpu_memory_flight, test_gpu_memory_count, test_gpu_memory_move, test_gpu_memory_product)
EXAMPLES = [example for part in PARTS for example in part.EXAMPLES]
