"""Authorization: may this user do this? RBAC, and whoever is asked before or after it. Those who answer at once are
asked as one asks a function; who does not is asked by `judge`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Protocol, TypeAlias, TypeVar

from longboat.apiserver.authz.action import MASTERS, Action, Decision
from longboat.apiserver.authz.rbac import Rbac, Rule
from longboat.machinery.user import User
from longboat.registry.store import Store


class Voter(Protocol):
    """Answers at once. One that does not allow has no opinion, and may say why."""

    def decide(self, user: User, action: Action) -> Decision: ...


class Asked(ABC):
    """Somebody else, whose answer takes a while."""

    @abstractmethod
    async def ask(self, user: User, action: Action) -> Decision: ...


Answers: TypeAlias = dict[tuple[int, str, Action], Decision]
"""What those have said who were asked about one request: by who, whom and what."""


class Unasked(Exception):
    """It takes somebody's answer, who has not been asked. Once `ask` is over it is among the answers."""

    def __init__(self, link: Asked, user: User, action: Action) -> None:
        super().__init__("somebody has to be asked")
        self._link, self._user, self._action = link, user, action

    async def ask(self, answers: Answers) -> None:
        answers[id(self._link), self._user.name, self._action] = await self._link.ask(self._user, self._action)


T = TypeVar("T")


async def asking(attempt: Callable[[Answers], Awaitable[T]]) -> T:
    """Try until everybody has been asked whose answers it takes. An attempt that ends by Unasked changes nothing."""
    answers: Answers = {}
    while True:
        try:
            return await attempt(answers)
        except Unasked as unasked:
            await unasked.ask(answers)


class AlwaysAllow:
    def decide(self, user: User, action: Action) -> Decision:
        return Decision(True, "")


class AlwaysDeny:
    def decide(self, user: User, action: Action) -> Decision:
        return Decision(False, "Everything is forbidden.")


class Authorizer:
    """`links`: who is asked, in order; RBAC after all others until somebody says otherwise. `incomplete`: why `rules`
    are not all that there are.
    """

    def __init__(self, stores: Mapping[str, Store], *first: Voter) -> None:
        """`stores`: of the four RBAC kinds, by plural."""
        self.node: tuple[Voter, ...] = first
        self.rbac = Rbac(stores)
        self.links: Sequence[Voter | Asked] = (*first, self.rbac)

    @property
    def incomplete(self) -> str:
        if not any(isinstance(link, Asked) for link in self.links):
            return ""
        return "webhook authorizer does not support user rule resolution"

    async def allowed(self, user: User, action: Action) -> bool:
        return (await self.judge(user, action)).allowed

    async def judge(self, user: User, action: Action) -> Decision:
        """Whoever has to be asked."""

        async def attempt(answers: Answers) -> Decision:
            return self.decide(user, action, answers)

        try:
            return self.decide(user, action)
        except Unasked:
            return await asking(attempt)

    def decide(self, user: User, action: Action, answers: Answers | None = None) -> Decision:
        """Raises Unasked."""
        if MASTERS in user.groups:
            return Decision(True, "")
        reasons, errors = list[str](), list[str]()
        for link in self.links:
            decision = _answer(link, user, action, answers)
            if decision.allowed or decision.denied:
                return decision
            if decision.reason:
                reasons.append(decision.reason)
            if decision.error:
                errors.append(decision.error)
        error = errors[0] if len(errors) == 1 else f"[{', '.join(errors)}]" if errors else ""
        return Decision(False, "\n".join(reasons), error=error)

    def rules(self, user: User, namespace: str = "") -> Iterator[Rule]:
        """As `Rbac.rules`."""
        return self.rbac.rules(user, namespace)

    def role_rules(self, kind: str, name: str, namespace: str) -> list[Rule] | None:
        """As `Rbac.role_rules`."""
        return self.rbac.role_rules(kind, name, namespace)


def _answer(link: Voter | Asked, user: User, action: Action, answers: Answers | None) -> Decision:
    """Raises Unasked."""
    if not isinstance(link, Asked):
        return link.decide(user, action)
    found = None if answers is None else answers.get((id(link), user.name, action))
    if found is None:
        raise Unasked(link, user, action)
    return found
