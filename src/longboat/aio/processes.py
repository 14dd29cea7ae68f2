"""What a process that serves for long is given, and what it gives up before it begins.

For the store too, which has no event loop: nothing is imported here that it would not need.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Mapping
from pathlib import Path

SOURCE = str(Path(__file__).absolute().parents[2])
KEPT = ("HOME", "LANG", "LC_ALL", "LC_CTYPE", "SUDO_UID", "TZ")  # who called us may own where we work
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
WAY_OUT = (*PROXIES, "SSL_CERT_FILE", "SSL_CERT_DIR")
ALWAYS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 4, 38  # linux/prctl.h
CAP_SYS_PTRACE = 19


def environment(*, of: Mapping[str, str] | None = None, reaches_out: bool = False) -> dict[str, str]:
    """The variables for one of our processes: those that are listed here, and no others; it finds this very package.

    Whatever `reaches_out` into the world is told of the way there as well.
    """
    ours = os.environ if of is None else of
    kept = {name: ours[name] for name in (*KEPT, *(WAY_OUT if reaches_out else ())) if name in ours}
    modules = [SOURCE, *ours.get("PYTHONPATH", "").split(os.pathsep)]
    binaries = [*ours.get("PATH", "").split(os.pathsep), *ALWAYS]
    return kept | {"PYTHONPATH": _joined(modules), "PATH": _joined(binaries)}


def _joined(directories: list[str]) -> str:
    """Each once; a relative one would be looked for wherever the process happens to be."""
    return os.pathsep.join(dict.fromkeys(each for each in directories if os.path.isabs(each)))


def inherit_nothing() -> None:
    """Let what is started from here get no descriptor that it is not given: shells leave some open."""
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        if descriptor > 2:
            try:
                os.set_inheritable(descriptor, False)
            except OSError:
                continue  # that of the listing itself


def gain_nothing() -> None:
    """Let neither this process nor its children get more rights by running something (setuid, file capabilities).

    Not before a container runtime: what runs in containers may be setuid. Raises OSError.
    """
    _prctl(PR_SET_NO_NEW_PRIVS, 1)


def leave_no_core() -> None:
    """Let no core file of this process be written, nor be handed to a program. Raises OSError.

    The limit is the soft one alone, for the container runtime that an agent starts. The mark that stops dumps to
    programs hides the process in /proc from whoever may not trace it: it is set where we, who measure it, may.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    if os.geteuid() == 0 and _effective() >> CAP_SYS_PTRACE & 1:
        _prctl(PR_SET_DUMPABLE, 0)


def cores_again(pid: int) -> None:
    """Give a process that we have started back what `leave_no_core` took from it. Raises OSError."""
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.prlimit(pid, resource.RLIMIT_CORE, (hard, hard))


def _effective() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("CapEff")), 16)


def _prctl(option: int, value: int) -> None:
    import ctypes  # for those alone that need it: a supervisor does not

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, *map(ctypes.c_ulong, (value, 0, 0, 0))):
        number = ctypes.get_errno()
        raise OSError(number, f"prctl {option}: {os.strerror(number)}")
