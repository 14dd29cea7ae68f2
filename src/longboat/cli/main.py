"""The `longboat` command: finds the command's module, imports that one alone, runs it.

Every process of a cluster starts here (`python -m longboat.cli.main server …`), so this module imports nothing
that a command may not need.
"""

from __future__ import annotations

import sys
from importlib import import_module

from longboat.cli.errors import Failure

# name: (module with `run(argv) -> exit code`, what `longboat --help` says; internal commands say nothing)
COMMANDS: dict[str, tuple[str, str]] = {
    "up": ("longboat.cli.up", "start a cluster, or repair or extend a running one"),
    "down": ("longboat.cli.down", "stop a cluster; its data stays unless --purge"),
    "list": ("longboat.cli.list", "the clusters of this machine"),
    "status": ("longboat.cli.status", "processes and nodes of a cluster"),
    "logs": ("longboat.cli.logs", "logs of a cluster's processes"),
    "kubeconfig": ("longboat.cli.kubeconfig", "print a cluster's administrator kubeconfig"),
    "image": ("longboat.cli.image", "import, list and remove images on the nodes"),
    "token": ("longboat.cli.token", "tokens with which other machines join a cluster"),
    "secrets-encrypt": ("longboat.cli.secrets_encrypt", "keys that seal Secrets: status, rotate, rewrite"),
    "certs": ("longboat.cli.certs", "certificates of a cluster and its nodes: show, rotate"),
    "backup": ("longboat.cli.backup", "save a cluster's state to a file, or restore it"),
    "store": ("longboat.cli.store", "bring a stopped cluster's state from a file to an etcd, or back"),
    "check": ("longboat.cli.check", "hold a running cluster against the CIS benchmark"),
    "server": ("longboat.cli.server", "run a control plane in the foreground"),
    "agent": ("longboat.cli.agent", "run a node in the foreground"),
    "version": ("longboat.cli.version", "print the version"),
    "supervisor": ("longboat.cli.supervisor", ""),
}


def usage() -> str:
    width = max(map(len, COMMANDS))
    lines = ["usage: longboat COMMAND [FLAGS]", "", "Kubernetes in Python.", ""]
    lines += [f"  {name:{width}}  {text}" for name, (_, text) in COMMANDS.items() if text]
    return "\n".join([*lines, "", "longboat COMMAND --help: its flags"])


def main(argv: list[str] | None = None) -> int:
    """Run one command; the exit code is 0 done, 1 failed, 2 bad usage."""
    argv = sys.argv[1:] if argv is None else argv
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(usage())
        return 0 if argv else 2
    if argv[0] == "--version":
        argv = ["version", *argv[1:]]
    name, *rest = argv
    if name not in COMMANDS:
        print(f" ✗ longboat: unknown command {name!r}\n   see: longboat --help", file=sys.stderr)
        return 2
    try:
        code: int = import_module(COMMANDS[name][0]).run(rest)
        return code
    except Failure as failure:
        print(failure, file=sys.stderr)
        return failure.code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # the reader has gone: nobody is left to tell
        return 1


if __name__ == "__main__":
    sys.exit(main())
