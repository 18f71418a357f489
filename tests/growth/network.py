"""Ranks in network namespaces: each has an interface of its own, with a rate set by `tc`, and packets that come late.

The kernel's `tc` limits the rate at which a rank sends (a token bucket). Not every kernel has its `netem` for delays,
so this program delays packets: it reads those of all interfaces, which are TUN devices, and passes each on when its
time has come, to each rank at most at the rate. `MPI_Init` of Open MPI asks mpiexec for its rank over a local
connection, which a child process forwards. Needs Linux, root, `ip` and `tc`.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
import ctypes
import fcntl
from heapq import heappop, heappush
from itertools import count
import os
from pathlib import Path
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
from time import monotonic

NAMESPACES = Path("/run/netns")
DELAY, RATE = 2e-3, 200e6
"""Seconds of each message on its way, and bits a second of each rank."""
MTU, NET, TUN = 16000, 0x40000000, 0x400454CA


def why_not() -> str:
    """Return why ranks can't have networks of their own here, or an empty text."""
    missing = [name for name in ("ip", "tc", "mpiexec") if shutil.which(name) is None]
    if missing:
        return f"{', '.join(missing)} not found"
    if not Path("/dev/net/tun").exists():
        return "there is no /dev/net/tun"
    return "" if hasattr(os, "geteuid") and os.geteuid() == 0 else "only root can make namespaces"


def enter(namespace: int) -> None:
    """Let this thread's new sockets and devices belong to a network namespace, an open file, and close it."""
    done = ctypes.CDLL(None, use_errno=True).setns(namespace, NET)
    os.close(namespace)
    if done != 0:
        raise OSError(ctypes.get_errno(), "setns")


def tell(*words: str) -> None:
    """Run a program of the system's."""
    subprocess.run(words, check=True, capture_output=True)


def device(rank: int) -> int:
    """Make the namespace of a rank and its interface, and return the interface's packets as a file."""
    name = f"fnmlp{rank}"
    with suppress(subprocess.CalledProcessError):
        tell("ip", "netns", "del", name)
    tell("ip", "netns", "add", name)
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    enter(os.open(f"{NAMESPACES}/{name}", os.O_RDONLY))
    try:
        packets = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(packets, TUN, struct.pack("16sH", b"wire", 0x1001))  # IFF_TUN | IFF_NO_PI
        tell("ip", "link", "set", "lo", "up")
        tell("ip", "link", "set", "wire", "mtu", str(MTU), "up")
        tell("ip", "addr", "add", f"10.77.0.{rank + 1}/24", "dev", "wire")
        rate = f"{RATE:.0f}bit"
        tell("tc", "qdisc", "add", "dev", "wire", "root", "tbf", "rate", rate, "burst", "32kb", "limit", "64mb")
        with suppress(OSError):
            Path("/proc/sys/net/ipv4/tcp_slow_start_after_idle").write_text("0", encoding="ascii")
    finally:
        enter(home)
    return packets


def pass_on(devices: list[int]) -> None:
    """Pass packets between the interfaces, each after the delay and at most at the rate, for ever."""
    number, due, free = count(), list[tuple[float, int, int, bytes]](), [0.0] * len(devices)
    while True:
        while due and due[0][0] <= monotonic():
            _, _, to, packet = heappop(due)
            with suppress(OSError):
                os.write(devices[to], packet)
        wait = max(0.0, due[0][0] - monotonic()) if due else None
        for packets in select.select(devices, [], [], wait)[0]:
            with suppress(BlockingIOError):
                while True:
                    packet = os.read(packets, MTU)
                    to = packet[19] - 1  # the last byte of the address
                    if packet[0] >> 4 == 4 and to < len(devices):
                        free[to] = max(monotonic() + DELAY, free[to] + 8 * len(packet) / RATE)
                        heappush(due, (free[to], next(number), to, packet))


@contextmanager
def networks(ranks: int) -> Iterator[None]:
    """Hold namespaces for some ranks, with the process that passes packets on."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.growth.network", str(ranks)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()
        for rank in range(ranks):
            with suppress(subprocess.CalledProcessError):
                tell("ip", "netns", "del", f"fnmlp{rank}")


def move_here(rank: int) -> None:
    """Move a rank into its namespace, before it loads MPI; its way to mpiexec stays open."""
    (port,) = {
        int(value.rpartition(":")[2]) for name, value in os.environ.items() if name.startswith("PMIX_SERVER_URI")
    }
    outside = socket.socket()
    enter(os.open(f"{NAMESPACES}/fnmlp{rank}", os.O_RDONLY))
    inside = socket.create_server(("127.0.0.1", port))
    if os.fork():
        inside.close()
        outside.close()
        return
    near, _ = inside.accept()
    outside.connect(("127.0.0.1", port))
    while True:
        for source in select.select([near, outside], [], [])[0]:
            data = source.recv(65536)
            if not data:
                os._exit(0)
            (outside if source is near else near).sendall(data)


if __name__ == "__main__":
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    wires = [device(rank) for rank in range(int(sys.argv[1]))]
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    pass_on(wires)
