"""Real machines, typed in as their kernels should tell them, and what a passport should take them for.

Sizes come from data sheets and from what owners printed; the source stands beside each machine. A page that is named
was read; a maker's data sheet without a page is quoted as it is commonly known. None of the machines but the last was
at hand, so how a kernel numbers the CPUs is what it should tell, not what was seen.
"""

from dataclasses import dataclass, field

from lessons.units import GiB, KiB, MiB


@dataclass(frozen=True)
class Machine:
    """A machine, and what should be read of it.

    Attributes:
        name: what it is.
        cpus: the logical CPUs that the process may use.
        caches: for each cache of one kind its level, its KiB, and the lists of CPUs that share one.
        memory: bytes installed.
        cores: the threads that should run.
        reached: MiB of the last caches that they fill; of those before, where these hold more.
        dram: MiB of memory's working set.
        one: KiB of each level's set, one thread.
        each: KiB of each level's set and thread, all threads.
        limit: bytes that may be used, where they are fewer than are installed.
        short: whether memory's set is too small for the caches.
        nodes: CPU lists of the NUMA nodes.
        cgroup: files of control groups.
        process: the text of /proc/self/cgroup.
        sysctl: what ``sysctl hw`` prints.
        system: as ``platform.system`` calls it.
    """

    name: str
    cpus: range | tuple[int, ...]
    caches: tuple[tuple[int, int, list[str]], ...]
    memory: int
    cores: int
    reached: int
    dram: int
    one: dict[str, int]
    each: dict[str, int]
    limit: int = 0
    short: bool = False
    nodes: tuple[str, ...] = ()
    cgroup: dict[str, str] = field(default_factory=dict)
    process: str = "0::/"
    sysctl: str = ""
    system: str = "Linux"

    def __str__(self):
        return self.name


def split(cores, size, sibling=0, first=0):
    """Return the CPU lists of caches that ``size`` cores share each; a core's second thread is ``sibling`` later."""
    texts = []
    for begin in range(first, first + cores, size):
        spans = [begin, begin + sibling] if sibling else [begin]
        texts.append(",".join(f"{at}-{at + size - 1}" if size > 1 else f"{at}" for at in spans))
    return texts


def levels(l1=0, l2=0, l3=0):
    return {name: size for name, size in (("l1", l1), ("l2", l2), ("l3", l3)) if size}


def epyc(cores, l1, l2, l3, group=8):
    """Return the caches of an EPYC with one socket: an L3 for each group of cores, siblings after all cores."""
    alone = split(cores, 1, cores)
    return ((1, l1, alone), (2, l2, alone), (3, l3, split(cores, group, cores)))


# AMD's data sheet, Ryzen 9 5950X: 16 cores, 8 MB of L2, 64 MB of L3; in two halves of 8 cores each.
RYZEN_5950X = Machine(
    "Ryzen 9 5950X", range(32), epyc(16, 32, 512, 32768), 64 * GiB, cores=32, reached=64, dram=256,
    one=levels(16, 128, 2048), each=levels(8, 128, 1280),
)  # fmt: skip
# hothardware.com (AMD's chipset driver for V-Cache): 64 MB are stacked on one half of a Ryzen 9 7950X3D, whose L3 has
# 96 MB then, and the other's 32 MB. It should be the first half, as in its successor (rmnr.net, 9950X3D).
RYZEN_7950X3D = Machine(
    "Ryzen 9 7950X3D", range(32),
    ((1, 32, split(16, 1, 16)), (2, 1024, split(16, 1, 16)), (3, 98304, ["0-7,16-23"]), (3, 32768, ["8-15,24-31"])),
    64 * GiB, cores=32, reached=128, dram=512, one=levels(16, 128, 4096), each=levels(8, 128, 1536),
)  # fmt: skip
# Intel's data sheet of the 12th generation: fast cores 48 KB and 1.25 MB, four frugal ones 32 KB each and 2 MB
# together, 24 MB for all (Intel's data sheet, Core i7-12700H).
ALDER_LAKE = Machine(
    "Core i7-12700H", range(20),
    (
        (1, 48, split(12, 2)), (1, 32, split(8, 1, first=12)),
        (2, 1280, split(12, 2)), (2, 2048, split(8, 4, first=12)), (3, 24576, ["0-19"]),
    ),
    32 * GiB, cores=20, reached=24, dram=160, one=levels(24, 192, 5120), each=levels(12, 192, 1190),
)  # fmt: skip
# edc.intel.com, data sheet 792044 (Meteor Lake): fast cores 48 KB and 2 MB, four frugal ones 2 MB together, and two
# on another tile 2 MB together, which the 24 MB of the others (Intel's data sheet, Core Ultra 7 155H) do not serve.
METEOR_LAKE = Machine(
    "Core Ultra 7 155H", range(22),
    (
        (1, 48, split(12, 2)), (1, 32, split(10, 1, first=12)), (2, 2048, split(12, 2)),
        (2, 2048, split(8, 4, first=12)), (2, 2048, ["20-21"]), (3, 24576, ["0-19"]),
    ),
    32 * GiB, cores=22, reached=26, dram=176, one=levels(24, 192, 8192), each=levels(12, 192, 1382),
)  # fmt: skip
# Intel's data sheet, Xeon Platinum 8380: 40 cores, 60 MB; Ice Lake's cores have 48 KB and 1.25 MB.
XEON_8380 = Machine(
    "two Xeon Platinum 8380", range(160),
    ((1, 48, split(80, 1, 80)), (2, 1280, split(80, 1, 80)), (3, 61440, split(80, 40, 80))),
    512 * GiB, cores=160, reached=120, dram=1280, one=levels(24, 192, 5120), each=levels(12, 192, 1024),
    nodes=("0-39,80-119", "40-79,120-159"),
)  # fmt: skip
# AMD's data sheet, EPYC 7763: 64 cores, 256 MB of L3 on 8 dies; Zen 3's cores have 32 KB and 512 KB.
EPYC_7763 = Machine(
    "EPYC 7763", range(128), epyc(64, 32, 512, 32768), 256 * GiB, cores=128, reached=256, dram=1024,
    one=levels(16, 128, 2048), each=levels(8, 128, 1280),
)  # fmt: skip
# AMD's data sheet, EPYC 9654: 96 cores, 384 MB of L3 on 12 dies; Zen 4's cores have 32 KB and 1 MB.
EPYC_9654 = Machine(
    "EPYC 9654", range(192), epyc(96, 32, 1024, 32768), 768 * GiB, cores=192, reached=384, dram=1536,
    one=levels(16, 128, 4096), each=levels(8, 128, 1536),
)  # fmt: skip
# tomshardware.com (New Zen 5 128-core EPYC): EPYC 9684X, 96 cores, 1152 MB on 12 dies.
EPYC_9684X = Machine(
    "EPYC 9684X", range(192), epyc(96, 32, 1024, 98304), 768 * GiB, cores=192, reached=1152, dram=4608,
    one=levels(16, 128, 4096), each=levels(8, 128, 3584),
)  # fmt: skip
# AMD's data sheet, EPYC 9755: 128 cores, 512 MB of L3 on 16 dies; Zen 5's cores have 48 KB and 1 MB.
EPYC_9755 = Machine(
    "EPYC 9755", range(256), epyc(128, 48, 1024, 32768), 768 * GiB, cores=256, reached=512, dram=2048,
    one=levels(24, 192, 4096), each=levels(12, 192, 1536),
)  # fmt: skip
# hacarus.com (cloud native processors) and github.com/pytorch/cpuinfo/pull/268: 64 KB and 1 MB for each of 80 cores.
# Its system cache of 32 MB is no core's, so that its firmware should not list it.
ALTRA = Machine(
    "Ampere Altra Q80-30", range(80), ((1, 64, split(80, 1)), (2, 1024, split(80, 1))), 256 * GiB,
    cores=80, reached=80, dram=1280, one=levels(32, 512), each=levels(32, 512),
)  # fmt: skip
# learn.arm.com (Sysreport on a Graviton3): 64 x L1D 64K, 64 x L2U 1M, 1 x L3U 32M. The L2 hold more than the L3.
GRAVITON_3 = Machine(
    "Graviton3", range(64), ((1, 64, split(64, 1)), (2, 1024, split(64, 1)), (3, 32768, ["0-63"])), 128 * GiB,
    cores=64, reached=64, dram=512, one=levels(32, 512, 4096), each=levels(32, 512, 1280),
)  # fmt: skip
# learn.arm.com (memory subsystem, cache hierarchy): Graviton4 has 2 MB of L2 for each core and 36 MB of L3.
GRAVITON_4 = Machine(
    "Graviton4", range(96), ((1, 64, split(96, 1)), (2, 2048, split(96, 1)), (3, 36864, ["0-95"])), 192 * GiB,
    cores=96, reached=192, dram=768, one=levels(32, 1024, 8192), each=levels(32, 1024, 2240),
)  # fmt: skip
# docs.nvidia.com, Grace Performance Tuning Guide: 72 cores, 64 KB, 1 MB, and 114 MB for all; Linux tells the same
# (github.com/open-mpi/hwloc/issues/689).
GRACE = Machine(
    "Grace", range(72), ((1, 64, split(72, 1)), (2, 1024, split(72, 1)), (3, 116736, ["0-71"])), 240 * GiB,
    cores=72, reached=114, dram=576, one=levels(32, 512, 4096), each=levels(32, 512, 1834),
)  # fmt: skip
# The lines of a 10-core M1 Pro in github.com/Dr-Noob/cpufetch/issues/139. What has no kind in its name is the frugal
# cores' (github.com/google/benchmark/issues/1310). 128 bytes are a line.
M1_PRO = Machine(
    "Apple M1 Pro", range(10),
    (
        (1, 128, split(8, 1)), (1, 64, split(2, 1, first=8)), (2, 12288, split(8, 4)), (2, 4096, ["8-9"]),
    ),
    16 * GiB, cores=10, reached=28, dram=256, one=levels(64, 512), each=levels(32, 512), system="Darwin",
    sysctl="""hw.ncpu: 10
hw.byteorder: 1234
hw.activecpu: 10
hw.perflevel1.cpusperl2: 2
hw.perflevel1.l1dcachesize: 65536
hw.perflevel1.l1icachesize: 131072
hw.perflevel1.l2cachesize: 4194304
hw.perflevel1.logicalcpu: 2
hw.perflevel1.logicalcpu_max: 2
hw.perflevel0.cpusperl2: 4
hw.perflevel0.l1dcachesize: 131072
hw.perflevel0.l1icachesize: 196608
hw.perflevel0.l2cachesize: 12582912
hw.perflevel0.logicalcpu: 8
hw.perflevel0.logicalcpu_max: 8
hw.cachelinesize: 128
hw.l1dcachesize: 65536
hw.l2cachesize: 4194304
""",
)  # fmt: skip
# docs.zephyrproject.org, Raspberry Pi 5: four Cortex-A76 with 512 KB each, and 2 MB for all; the A76's L1 has 64 KB.
RASPBERRY_PI_5 = Machine(
    "Raspberry Pi 5", range(4), ((1, 64, split(4, 1)), (2, 512, split(4, 1)), (3, 2048, ["0-3"])), 8 * GiB,
    cores=4, reached=2, dram=128, one=levels(32, 256, 1024), each=levels(32, 256, 768),
)  # fmt: skip
# Rockchip's data sheet of the RK3588: four Cortex-A55 with 32 KB and 128 KB, four A76 with 64 KB and 512 KB, 3 MB for
# all. The small cores come first, and no size lies between the large ones' L2 and the small ones' part of the L3.
RK3588 = Machine(
    "Rockchip RK3588", range(8),
    (
        (1, 32, split(4, 1)), (1, 64, split(4, 1, first=4)), (2, 128, split(4, 1)), (2, 512, split(4, 1, first=4)),
        (3, 3072, ["0-7"]),
    ),
    16 * GiB, cores=8, reached=3, dram=128, one=levels(32, 256, 1536), each=levels(16, 112, 512),
)  # fmt: skip
# A guest of 8 CPUs to whom the hypervisor shows Zen 4's first two levels, and not the 32 MB that they share.
HIDDEN_L3 = Machine(
    "a virtual machine that hides its L3", range(8), ((1, 32, split(8, 1)), (2, 1024, split(8, 1))), 16 * GiB,
    cores=8, reached=8, dram=256, one=levels(16, 512), each=levels(16, 512),
)  # fmt: skip
# QEMU with -smp 4,sockets=4 and a processor of no model: caches that it makes up (target/i386/cpu.c: 32 KB, 4 MB for
# a core, 16 MB for a die), so that no two CPUs share an L3.
SOCKETS = Machine(
    "a virtual machine with a socket for each CPU", range(4),
    ((1, 32, split(4, 1)), (2, 4096, split(4, 1)), (3, 16384, split(4, 1))), 8 * GiB,
    cores=4, reached=64, dram=256, one=levels(16, 2048, 8192), each=levels(16, 2048, 8192),
)  # fmt: skip
# A guest of 1 GiB, as the cheapest ones are.
SMALL = Machine(
    "a virtual machine of 1 GiB", range(2), ((1, 32, split(2, 1)), (2, 1024, split(2, 1))), GiB,
    cores=2, reached=2, dram=128, one=levels(16, 512), each=levels(16, 512), short=True,
)  # fmt: skip
# docker run --cpus=0.5 --memory=512m --cgroupns=host on EPYC_7763: all CPUs to be seen, the limits two folders down.
CONTAINER = Machine(
    "a container with half a CPU", range(128), epyc(64, 32, 512, 32768), 256 * GiB,
    cores=1, reached=32, dram=64, one=levels(16, 128, 2048), each=levels(16, 128, 2048), short=True,
    limit=512 * MiB, process="0::/system.slice/docker-0123abcd.scope",
    cgroup={
        "memory.stat": "", "system.slice/memory.max": "max", "system.slice/cpu.max": "max 100000",
        "system.slice/docker-0123abcd.scope/memory.max": str(512 * MiB),
        "system.slice/docker-0123abcd.scope/cpu.max": "50000 100000",
    },
)  # fmt: skip
# Kubernetes on EPYC_9654, version 1 of control groups: a quota of 4 CPUs, 32 GiB; the pod's own group is the top.
POD = Machine(
    "a pod with a quota of 4 CPUs", range(192), epyc(96, 32, 1024, 32768), 768 * GiB,
    cores=4, reached=128, dram=512, one=levels(16, 128, 4096), each=levels(8, 128, 4096),
    limit=32 * GiB, process="4:memory:/kubepods/pod7/0123\n3:cpu,cpuacct:/kubepods/pod7/0123",
    cgroup={
        "cpu,cpuacct/cpu.cfs_quota_us": "400000", "cpu,cpuacct/cpu.cfs_period_us": "100000",
        "memory/memory.limit_in_bytes": str(32 * GiB),
    },
)  # fmt: skip
# taskset -c 7,8 on EPYC_9654, or a cpuset of a job: two neighbours by number, and two dies.
CPUSET = Machine(
    "two CPUs of an EPYC 9654", (7, 8), epyc(96, 32, 1024, 32768), 768 * GiB,
    cores=2, reached=64, dram=256, one=levels(16, 128, 4096), each=levels(16, 128, 4096),
)  # fmt: skip
# RYZEN_5950X below WSL2, which tells of one of its two L3 (github.com/microsoft/WSL/issues/8500), should do so for all
# CPUs, siblings side by side, and takes half of the memory unless told otherwise.
WSL2 = Machine(
    "WSL2 on a Ryzen 9 5950X", range(32),
    ((1, 32, split(32, 2)), (2, 512, split(32, 2)), (3, 32768, ["0-31"])), 32 * GiB,
    cores=32, reached=32, dram=256, one=levels(16, 128, 2048), each=levels(8, 128, 768),
)  # fmt: skip
# Windows tells in no file what caches there are.
WINDOWS = Machine(
    "Windows", range(16), (), 32 * GiB, cores=16, reached=0, dram=256, one={}, each={}, system="Windows"
)
# Read on the machine that the book was written on: a guest of KVM, two CPUs of an EPYC of Zen 4.
KVM = Machine(
    "two CPUs of KVM on Zen 4", range(2), ((1, 32, split(2, 1)), (2, 1024, split(2, 1)), (3, 32768, ["0-1"])), 24 * GiB,
    cores=2, reached=32, dram=128, one=levels(16, 512, 4096), each=levels(16, 512, 4096),
)  # fmt: skip

SHELF = [value for value in list(globals().values()) if isinstance(value, Machine)]


def members(text):
    """Return the CPUs of a list such as "0-3,8", as a reference beside the code's own."""
    spans = [part.split("-") for part in text.split(",")]
    return {cpu for span in spans for cpu in range(int(span[0]), int(span[-1]) + 1)}


def files(machine):
    """Return the files below /sys/devices/system; instruction caches stand among them as large as L1."""
    found, indices = {}, {}
    described = [(level, "Data" if level == 1 else "Unified", *rest) for level, *rest in machine.caches]
    described += [(1, "Instruction", *rest) for level, *rest in machine.caches if level == 1]
    for level, kind, size, lists in described if machine.system == "Linux" else ():
        for text in lists:
            for cpu in members(text):
                index = indices[cpu] = indices.get(cpu, -1) + 1
                at = f"cpu/cpu{cpu}/cache/index{index}"
                found |= {
                    f"{at}/level": str(level), f"{at}/type": kind, f"{at}/size": f"{size}K",
                    f"{at}/shared_cpu_list": text, f"{at}/coherency_line_size": "64",
                }  # fmt: skip
    for number, cpus in enumerate(machine.nodes):
        share = machine.memory // KiB // len(machine.nodes)
        found |= {
            f"node/node{number}/cpulist": cpus,
            f"node/node{number}/meminfo": f"Node {number} MemTotal: {share} kB",
            f"node/node{number}/distance": " ".join("10" if cpus == other else "20" for other in machine.nodes),
        }  # fmt: skip
    return found
