"""Fails where a Python file has grown past 800 lines; prints the median and the longest.

python tools/check_file_length.py [DIRECTORY…]      (default: src tests bench tools examples)
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

LONGEST, THINK_AGAIN = 800, 400


def lengths(roots: list[Path]) -> dict[Path, int]:
    """Lines of every Python file beneath the roots; empty ones are left out."""
    found = {path: len(path.read_text().splitlines()) for root in roots for path in root.rglob("*.py")}
    return {path: count for path, count in found.items() if count}


def main(arguments: list[str]) -> int:
    roots = [Path(argument) for argument in arguments or ("src", "tests", "bench", "tools", "examples")]
    for root in roots:
        found = sorted(lengths([root]).items(), key=lambda item: -item[1])
        if found:
            counts = [count for _, count in found]
            sizes = f"{len(found)} files, {sum(counts)} lines, median {statistics.median(counts):g}"
            print(f"{root}: {sizes}, longest {found[0][0]} ({found[0][1]})")
            for path, count in found:
                if count > THINK_AGAIN:
                    print(f"  think again: {path} has {count} lines")
    too_long = [path for path, count in lengths(roots).items() if count > LONGEST]
    for path in too_long:
        print(f"{path} has more than {LONGEST} lines: divide it", file=sys.stderr)
    return 1 if too_long else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
