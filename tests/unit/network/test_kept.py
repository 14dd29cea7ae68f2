"""A table's parts and its base, as the kernel has them and as they should be."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from longboat.network.kept import Kept
from longboat.network.nftables import NftError
from longboat.network.ruleset import Chain, Ruleset, Table, create, merge
from unit.network.kernel import Memory

PLACE = "ip trial"
Part = tuple[str, str]


def base(rules: int) -> Ruleset:
    chains = {"entry": Chain(tuple(f"vmap @verdicts # {n}" for n in range(rules)), "type filter hook input")}
    return Ruleset(chains, {"verdicts": Table("map", "type ipv4_addr : verdict;")})


def share(name: str, shape: int) -> Ruleset:
    """0: nothing. Of two that have a key in common the later has it."""
    if not shape:
        return Ruleset()
    elements = {f"10.0.0.{name}": f"goto {name}", "10.9.9.9": f"goto {name}"}
    return Ruleset({name: Chain(tuple(f"rule {n}" for n in range(shape)))}, {}, {"verdicts": elements})


STEP = st.one_of(
    st.tuples(st.just("base"), st.integers(1, 3)),
    st.tuples(st.sampled_from("123"), st.integers(0, 2)),
    st.tuples(st.sampled_from(("applied", "refused", "cut off")), st.just(0)),
)


@given(st.lists(STEP, max_size=30))
def test_the_kernel_ends_up_as_the_parts_say(steps: list[tuple[str, int]]) -> None:
    kernel, shapes = Memory(), dict[str, int]()
    kept = Kept[Part](PLACE, base(1), "entry")
    for what, number in [*steps, ("applied", 0)]:
        if what == "base":
            kept.base = base(number)
        elif what in "123":
            shapes[what] = number
            kept.mark([("part", what)])
        else:
            commands = kept.commands(lambda part: share(part[1], shapes[part[1]]))
            if what != "refused":
                kernel.run(commands)
            if what == "applied":
                kept.done()
            else:
                kept.failed()
    wanted = Memory()
    wanted.run(create(merge([kept.base, *(share(name, shapes[name]) for name in sorted(shapes))]), PLACE))
    assert {name: rules for name, (_, rules) in kernel.chains.items()} == {
        name: rules for name, (_, rules) in wanted.chains.items()
    }
    assert kernel.elements == wanted.elements
    assert kept.commands(lambda part: share(part[1], shapes[part[1]])) == "", "what is in step needs nothing"


def test_a_table_that_somebody_took_away_is_written_anew() -> None:
    asked: list[str] = []

    def missing(commands: str) -> str:
        asked.append(commands)
        raise NftError("No such file or directory")

    async def main() -> None:
        kept = Kept[Part](PLACE, base(1), "entry")
        assert not await kept.check(missing) and asked == [], "what is not there yet is not asked for"
        kept.commands(share_none)
        kept.done()
        assert not await kept.check(missing) and asked == ["list chain ip trial entry"]
        assert kept.whole and kept.commands(share_none).startswith("add table ip trial\ndelete table ip trial\n")
        kept.done()
        assert await kept.check(lambda commands: "")

    asyncio.run(main())


def share_none(part: Part) -> Ruleset:
    return Ruleset()
