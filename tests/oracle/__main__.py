"""Plays recorded conversations with an API server (docs/oracle.md).

python -m oracle play [WHAT…] [--on SERVER]     differences to the recordings; exit 1 where they are not the known ones
python -m oracle known [WHAT…] [--reason TEXT]  play, and write the files of known differences anew
python -m oracle compare ONE OTHER [WHAT…]      differences between two servers; exit 1 where there are some
python -m oracle pack FOLDER…                   take folders of .jsonl files up as recordings

WHAT is an area, area/scenario, a .jsonl file or a folder; without it all areas. A server is a store (`memory://`,
`sqlite`, `sqlite:///FILE`), the folder of another checkout, or a kubeconfig.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from oracle import known
from oracle.corpus import Scenario, areas, pack, scenarios
from oracle.player import Played, against_each_other, against_recording, side_by_side
from oracle.report import Sums, told
from oracle.server import opened

Options = argparse.Namespace


def play(options: Options) -> int:
    """A known difference is told only with `--all`: what is of interest is what is not as listed."""
    surprising = unexplained = 0
    reasons = {area: known.read(area) for area in areas()}
    with opened(options.on) as server:
        for played in _played(options, partial(against_recording, server=server)):
            listed = reasons.get(played[0].scenario.area, {})
            found = known.surprises(listed, played)
            surprising += len(found)
            unexplained += sum(listed.get(step.name) == known.UNEXPLAINED for step in played)
            if options.all:
                found += [(step, listed[step.name]) for step in played if step.differences and step.name in listed]
            for step, why in sorted(found, key=lambda each: each[0].number):
                print(f"{told(step, options.diffs)}\n    -- {why}")
    print(
        f"{surprising} steps are not as listed in {known.FOLDER.name}/; {unexplained} of those listed are unexplained"
    )
    return 1 if surprising else 0


def write_known(options: Options) -> int:
    by_area: dict[str, list[Played]] = {}
    with opened(options.on) as server:
        for played in _played(options, partial(against_recording, server=server)):
            by_area.setdefault(played[0].scenario.area, []).extend(played)
    for area, steps in by_area.items():
        reasons = known.renewed(known.read(area), steps, options.reason)
        unexplained = sum(why == known.UNEXPLAINED for why in reasons.values())
        print(f"{known.write(area, reasons)}: {len(reasons)} known differences, {unexplained} of them unexplained")
    return 0


def compare(options: Options) -> int:
    different = 0
    with opened(options.one) as one, opened(options.other) as other:
        for played in _played(options, partial(against_each_other, one=one, other=other)):
            for step in filter(lambda step: step.differences, played):
                different += 1
                print(told(step, options.diffs, (options.one, options.other)))
    print(f"{different} steps are answered otherwise by {options.other} than by {options.one}")
    return 1 if different else 0


def take_up(options: Options) -> int:
    for folder in options.folder:
        target = pack(folder)
        print(f"{target}: {target.stat().st_size} bytes")
    return 0


def _played(options: Options, how: Callable[[Scenario], list[Played]]) -> Iterator[list[Played]]:
    """Every scenario's outcome as it comes; a table of sums is printed after the last."""
    sums = Sums()
    for played in side_by_side(scenarios(options.what or areas()), how, options.jobs):
        if played:
            sums.add(played)
            yield played
    print(sums.table())


def parser() -> argparse.ArgumentParser:
    usage, _, rest = (__doc__ or "").partition("\n")
    top = argparse.ArgumentParser(
        "oracle", description=usage, epilog=rest, formatter_class=argparse.RawTextHelpFormatter
    )
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[Options], int], *positional: str) -> argparse.ArgumentParser:
        found = commands.add_parser(name)
        found.set_defaults(run=run)
        for each in positional:
            found.add_argument(each)
        found.add_argument("what", nargs="*", metavar="WHAT", help="what is played (default: all areas)")
        found.add_argument("--jobs", type=int, default=4, help="scenarios at a time (default: 4)")
        found.add_argument("--diffs", type=int, default=4, help="differences shown for a step (default: 4)")
        return found

    for name, run in (("play", play), ("known", write_known)):
        one = command(name, run)
        one.add_argument("--on", default="memory://", metavar="SERVER", help="(default: this checkout, in memory)")
        if run is play:
            one.add_argument("--all", action="store_true", help="tell the known differences too")
        else:
            one.add_argument("--reason", default=known.UNEXPLAINED, help="of new ones (default: unexplained)")
    command("compare", compare, "one", "other")
    packing = commands.add_parser("pack")
    packing.add_argument("folder", nargs="+", type=Path)
    packing.set_defaults(run=take_up)
    return top


def main() -> int:
    options = parser().parse_args()
    return int(options.run(options))


if __name__ == "__main__":
    sys.exit(main())
