"""The pause image: the process that holds a pod's namespaces open, written out as machine code.

It ignores SIGCHLD, so that the kernel reaps what is orphaned in a shared PID namespace, and then sleeps for good.
A few instructions need no compiler, no registry and no disk space.
"""

from __future__ import annotations

import platform
import struct

from longboat.assembly import archive
from longboat.assembly.errors import Failure

IMAGE = "longboat.local/pause:1"
BASE = 0x400000  # where the kernel maps the file
HEADERS = 64 + 56  # ELF header and one program header

# rt_sigaction(SIGCHLD, &ignore, NULL, 8); for (;;) pause();  the struct `ignore` follows the code
X86_64 = bytes.fromhex(
    "b80d000000"  # mov eax, 13 (rt_sigaction)
    "bf11000000"  # mov edi, 17 (SIGCHLD)
    "488d3517000000"  # lea rsi, [rip+23]
    "31d2"  # xor edx, edx
    "41ba08000000"  # mov r10d, 8
    "0f05"  # syscall
    "b822000000"  # again: mov eax, 34 (pause)
    "0f05"  # syscall
    "ebf7"  # jmp again
    "90909090"  # alignment
)
AARCH64 = struct.pack(
    "<12I",
    0xD28010C8,  # mov x8, #134 (rt_sigaction)
    0xD2800220,  # mov x0, #17 (SIGCHLD)
    0x10000141,  # adr x1, #40
    0xD2800002,  # mov x2, #0
    0xD2800103,  # mov x3, #8
    0xD4000001,  # svc #0
    0xD2800928,  # mov x8, #73 (ppoll: no pause on this machine)
    0xD2800001,  # mov x1, #0: no descriptors; x2 is 0: no timeout
    0xD2800003,  # mov x3, #0: the signal mask stays
    0xD2800000,  # again: mov x0, #0
    0xD4000001,  # svc #0
    0x17FFFFFE,  # b again
)
IGNORE = struct.pack("<4Q", 1, 0, 0, 0)  # struct sigaction: SIG_IGN, no flags, no restorer, empty mask
MACHINES = {"x86_64": (62, X86_64), "aarch64": (183, AARCH64)}  # e_machine, code


def executable(machine: str = "") -> bytes:
    """A static ELF executable for this machine. Raises Failure for one we have no code for."""
    machine = machine or platform.machine()
    if machine not in MACHINES:
        raise Failure(f"no pause image for {machine}", "Longboat runs containers on x86_64 and aarch64")
    number, code = MACHINES[machine]
    body = code + IGNORE
    size = HEADERS + len(body)
    ident = b"\x7fELF" + bytes([2, 1, 1, 0]) + bytes(8)
    header = struct.pack("<HHIQQQIHHHHHH", 2, number, 1, BASE + HEADERS, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, BASE, BASE, size, size, 0x10000)
    return ident + header + segment + body


def image() -> bytes:
    """The OCI archive."""
    layer = archive.Layer().file("pause", executable(), 0o755)
    return archive.image(IMAGE, layer, {"Entrypoint": ["/pause"], "User": "65535:65535"})
