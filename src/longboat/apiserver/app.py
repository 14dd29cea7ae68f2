"""The API server put together: caches and stores over a storage, and the chain in front of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import msgspec

from longboat.aio.clock import Clock
from longboat.aio.tasks import Tasks
from longboat.api import kinds
from longboat.api.rights import rules
from longboat.apiserver import metrics, store_metrics
from longboat.apiserver.admission.catalog import Means, plugins
from longboat.apiserver.admission.chain import Chain
from longboat.apiserver.admission.pod_security.figures import Figures
from longboat.apiserver.admission.policies.both import Both, Known
from longboat.apiserver.admission.policies.both import Means as PolicyMeans
from longboat.apiserver.admission.unenforced_table import TABLE
from longboat.apiserver.admission.versions import Versions
from longboat.apiserver.admission.webhooks.caller import Caller
from longboat.apiserver.admission.webhooks.complaints import Complaints
from longboat.apiserver.admission.webhooks.hooks import Hooks
from longboat.apiserver.aggregation.aggregator import Aggregator
from longboat.apiserver.audit.auditor import Auditor
from longboat.apiserver.audit.objects import note_answer
from longboat.apiserver.authn.bootstrap_tokens import bootstrap_tokens
from longboat.apiserver.authn.identity import Authenticator, authenticate
from longboat.apiserver.authn.issuers.live import Issuers
from longboat.apiserver.authn.secret_tokens import LastUse
from longboat.apiserver.authn.serviceaccounts import ServiceAccountTokens, TokenIssuer
from longboat.apiserver.authn.token_users import Aware
from longboat.apiserver.authn.token_webhook import TokenWebhook
from longboat.apiserver.authz.authorizer import Authorizer
from longboat.apiserver.authz.gate import authorize
from longboat.apiserver.authz.ingress import IngressAuthorizer
from longboat.apiserver.authz.live import Authorizers
from longboat.apiserver.authz.node import NodeAuthorizer
from longboat.apiserver.authz.policy_components import CLUSTER_ROLES
from longboat.apiserver.bootstrap import bootstrap
from longboat.apiserver.chain import compose
from longboat.apiserver.compression import LARGE, compress
from longboat.apiserver.config import Config as Config
from longboat.apiserver.custom.conversion.figures import ConversionFigures
from longboat.apiserver.custom.conversion.webhook import ConversionWebhook
from longboat.apiserver.custom.definitions import Definitions
from longboat.apiserver.described import describe
from longboat.apiserver.dial import Dialer
from longboat.apiserver.dispatch import Dispatcher
from longboat.apiserver.encoding import ends_line, write_out
from longboat.apiserver.endpoint import Endpoint
from longboat.apiserver.fairness.control import Control
from longboat.apiserver.fairness.dump import dump
from longboat.apiserver.fairness.work import Work
from longboat.apiserver.filters.flow import MAX_READING, MAX_WRITING, flow_control
from longboat.apiserver.filters.impersonate import impersonate
from longboat.apiserver.filters.recover import recover
from longboat.apiserver.filters.requests import deadline, parse_request_info, request_id
from longboat.apiserver.handlers.binding import bind
from longboat.apiserver.handlers.eviction import eviction
from longboat.apiserver.inprocess import InProcessTransport
from longboat.apiserver.paths import health_of, paths
from longboat.apiserver.reduced import SHOWN, reduced
from longboat.apiserver.request import Handler, Request, Response
from longboat.apiserver.resources import Resource, Resources
from longboat.apiserver.reviews import Reviews
from longboat.apiserver.served_types import TypesServed
from longboat.apiserver.upkeep import keep_up
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.machinery.types import schema
from longboat.machinery.user import User
from longboat.registry import catalog
from longboat.registry.custom import CustomResource
from longboat.registry.decoded import Decoded
from longboat.registry.moving import move_all
from longboat.registry.ownership import Ownership
from longboat.registry.places import check_place, place, places
from longboat.registry.store import Store
from longboat.registry.strategy import Strategy
from longboat.registry.write import Write
from longboat.storage.encryption.live import Encryption
from longboat.storage.encryption.storage import EncryptedStorage
from longboat.storage.feed import Feed
from longboat.storage.interface import Storage
from longboat.storage.watchcache import WatchCache

_decode = msgspec.json.Decoder().decode


class APIServer:
    """`handle` is the chain. `start` fills the caches and lays down what every cluster has."""

    def __init__(self, storage: Storage, clock: Clock, config: Config) -> None:
        self.clock = clock
        self.config = config
        self.schema = schema.load()
        self.strategies = catalog.strategies()
        self.encryption = Encryption(config.encryption, places(self.strategies), clock) if config.encryption else None
        self.storage = EncryptedStorage(storage, self.encryption.keyring) if self.encryption else storage
        self.feed = Feed(self.storage, clock)
        self.stores: dict[Kind, Store] = {}
        self.types = TypesServed(self.schema, self.stores)
        self.resources = Resources()
        self._caches: dict[str, WatchCache] = {}  # by the prefix of their keys
        self._versions: dict[str, dict[str, Ownership]] = {}  # of what is kept there, by apiVersion
        self.exposition = metrics.Exposition()
        self.exposition.add(lambda: store_metrics.families(self.stores, self._endpoints()))
        self.tasks = Tasks("apiserver")
        self.ready = False
        self.stopping = False
        key, further = config.service_account_key, config.service_account_keys
        self.issuer = TokenIssuer(key, clock, others=further) if key else None
        uses = LastUse(self._label_secret, clock)
        self.tokens = ServiceAccountTokens(self.issuer, self.find, uses.note) if self.issuer else None
        self.issuers = Issuers(config.authentication, self.issuer.known if self.issuer else (), clock)
        self.exposition.add(self.issuers.families)
        asked, meant = config.token_webhook, self.issuer.audiences if self.issuer else ()
        self.token_webhook = TokenWebhook(asked, meant, clock) if asked else None
        if self.token_webhook:
            self.exposition.add(self.token_webhook.families)
        self.audit = Auditor(config.audit_log, config.audit_limits, config.audit_policy, config.audit_webhook, clock)
        self._make_stores()
        nodes = NodeAuthorizer(self.stores, rules(CLUSTER_ROLES["system:node"]))
        ingress = IngressAuthorizer(self.stores)
        self.authorizer = Authorizer({kind.plural: self.stores[kind] for kind in _RBAC}, nodes, ingress)
        self.fairness = Control(self.stores, clock, MAX_READING + MAX_WRITING)
        self.exposition.add(self.fairness.families)
        self.authorizers = Authorizers(config.authorization, self.authorizer, clock)
        self.exposition.add(self.authorizers.families)
        self.webhooks = Caller(Dialer(clock), self.lookup, self.stores[kinds.ENDPOINT_SLICE], clock)
        self.exposition.add(self.webhooks.figures.families)
        self.admission = self._admission()
        for strategy in self.strategies:
            self.resources.install(Resource(strategy, self._endpoint(strategy)))
        self.dispatcher = Dispatcher(self.resources, self.admission)
        self.dispatcher.reduced.update(self._reduced())
        self.dispatcher.answers |= Reviews(
            clock=clock, schema=self.schema, admission=self.admission, authorizer=self.authorizer, issuer=self.issuer,
            tokens=self._aware(), others=self._others(), lookup=self.lookup,
            extends_tokens=config.extend_token_expiration,
        ).handlers  # fmt: skip
        pods = self._endpoint(self.stores[kinds.POD].strategy)
        assert pods is not None
        self.dispatcher.answers |= {
            (kinds.BINDING, ""): partial(bind, pods),
            (kinds.POD, "binding"): partial(bind, pods),
            (kinds.POD, "eviction"): eviction(pods, self.stores[kinds.POD_DISRUPTION_BUDGET], clock.now),
        }
        definitions = self.stores[kinds.CUSTOM_RESOURCE_DEFINITION]
        conversions = ConversionFigures()
        self.exposition.add(conversions.families)

        def converting(name: str, config: Object) -> ConversionWebhook:
            return ConversionWebhook(name, config, self.webhooks, conversions, clock)

        self.definitions = Definitions(definitions, self, self.schema, clock, self.tasks, converting)
        self.aggregator = Aggregator(self.stores, self.resources, self.lookup, clock)
        self.exposition.add(self.aggregator.figures.families)
        health = health_of(clock, self.storage, self.encryption, lambda: self.ready, lambda: self.stopping)
        self._paths = paths(self.resources, self.exposition, health, self.issuer)
        self._paths["debug"] = dump(self.fairness, clock)
        self.handle: Handler = self._chain()

    async def start(self) -> None:
        """Raises OSError, StorageError, BadConfiguration."""
        await self.audit.start(self.tasks)
        self.issuers.start()
        self.authorizers.start()
        if self.encryption:
            await self.encryption.start()
            self.encryption.on_change = self.feed.read_again
        await move_all(self.storage, self.strategies)
        await self.feed.start()
        await bootstrap(self.config, self.stores, self.clock)
        known = Known(self._plural, self.resources.named, self.types.type)
        await keep_up(self.config, self.stores, known, self.clock, self.tasks)
        for kind, store in self.stores.items():
            if store.reserver is not None:
                self.tasks.spawn(f"{kind.plural} upkeep", store.reserver.upkeep(self.clock))
        await self.definitions.begin()
        self.tasks.spawn("definitions of custom kinds", self.definitions.run())
        await self.aggregator.begin()
        self.tasks.spawn("aggregation", self.aggregator.run())
        self.ready = True

    def _plural(self, group: str, version: str, plural: str) -> Kind | None:
        found = self.resources.find(group, version, plural)
        return None if found is None else found.kind

    def retire(self) -> None:
        """Say that it is about to go: not ready any more, though still at work."""
        self.stopping = True

    async def close(self) -> None:
        await self.tasks.close()
        await self.issuers.close()
        await self.authorizers.close()
        if self.token_webhook:
            await self.token_webhook.close()
        await self.aggregator.close()
        self.webhooks.close()
        await self.feed.close()
        if self.encryption:
            await self.encryption.close()
        await self.audit.close()

    def transport(self, user: str, *groups: str, agent: str = "") -> InProcessTransport:
        """A client's way in without a socket, as this user. `agent`: its User-Agent."""
        return InProcessTransport(self.handle, User(user, (*groups, "system:authenticated")), agent)

    def lookup(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """An object as it is now."""
        entry = self.stores[kind].find(namespace, name)
        return None if entry is None else _decode(entry.body)

    async def seek(self, kind: Kind, namespace: str, name: str, seconds: float = 0.0) -> Object | None:
        """As `lookup`, of what any API server has written, and may yet write within so many seconds."""
        entry = await self.stores[kind].seek(namespace, name, seconds)
        return None if entry is None else _decode(entry.body)

    def find(self, plural: str, namespace: str, name: str) -> Object | None:
        """As `lookup`, for the core kinds that tokens are bound to."""
        return self.lookup(_BOUND[plural], namespace, name)

    async def _label_secret(self, secret: Object, label: str, value: str) -> None:
        """Give this very Secret a label. Raises StatusError."""
        found = secret["metadata"]

        def labelled(old: Object) -> Object:
            had = old["metadata"]
            return {
                **old,
                "metadata": {**had, "uid": found["uid"], "labels": {**(had.get("labels") or {}), label: value}},
            }

        store = self.stores[kinds.SECRET]
        await store.update(found["namespace"], found["name"], labelled, Write(), retry=True)

    async def install(self, strategy: Strategy) -> None:
        """Serve a kind from now on, beside those it has begun with. Raises StorageError, ValueError."""
        if strategy.stored:
            check_place(strategy, (store.strategy for store in self.stores.values()))
            store = self._store(strategy)
            await store.cache.start()
            self.stores[strategy.kind] = store
        self.resources.install(Resource(strategy, self._endpoint(strategy)))

    async def withdraw(self, kind: Kind) -> None:
        """Serve it no longer: its watches end. What is stored stays where it is. Raises KeyError."""
        if self.resources.of(kind) is not None or kind not in self.stores:
            self.resources.withdraw(kind)
        store = self.stores.pop(kind, None)
        if store is not None:
            store.ownership.versions.pop(kind.api_version, None)
        if store is not None and all(other.cache is not store.cache for other in self.stores.values()):
            del self._caches[store.cache.prefix], self._versions[store.cache.prefix]
            await store.cache.stop()

    async def serve(self, gone: Iterable[Kind], stored: CustomResource, served: Sequence[CustomResource]) -> Store:
        """Serve these versions of a custom kind in place of those; the version that is stored has a store in any case.

        Watches of what was there end. Raises StorageError, ValueError.
        """
        prefix, former = place(stored), set(gone)
        taken = any(place(s.strategy) == prefix for kind, s in self.stores.items() if kind not in former)
        groups = {(each.kind.group, each.kind.version) for each in self.resources if each.strategy.type is None}
        if taken or any((each.kind.group, each.kind.version) in groups for each in served):
            raise ValueError(f"{stored.kind.resource} is a built-in kind's, or in its group")
        cache = self._caches.get(prefix)
        if cache is not None:
            cache.renew(describe(stored))
        made = {each.kind: self._store(each) for each in (stored, *served)}
        if cache is None:
            await self._caches[prefix].start()
        for kind in former - made.keys():
            self.stores.pop(kind, None)
        self.stores |= made
        for kind in former - {each.kind for each in served}:
            if self.resources.of(kind) is not None:
                self.resources.withdraw(kind)
        for each in served:
            self.resources.install(Resource(each, self._endpoint(each)))
        return made[stored.kind]

    def _store(self, strategy: Strategy) -> Store:
        """Versions of one kind, and kinds that are kept in one place, share a cache."""
        prefix = place(strategy)
        if prefix not in self._caches:
            self._caches[prefix] = WatchCache(self.storage, prefix, self.clock, describe(strategy), feed=self.feed)
        schema, versions = self.types.schema_for(strategy), self._versions.setdefault(prefix, {})
        return Store(strategy, self.storage, self._caches[prefix], schema, self.clock, versions)

    def _make_stores(self) -> None:
        for strategy in self.strategies:
            if strategy.stored:
                self.stores[strategy.kind] = self._store(strategy)
        catalog.connect(self.stores, self.storage, self.config.service_cidr, self.config.node_ports)

    def _endpoint(self, strategy: Strategy) -> Endpoint | None:
        store = self.stores.get(strategy.kind)
        if store is None:
            return None
        return Endpoint(strategy, store, self.types.schema_for(strategy), self.clock, self.admission, self.authorizer)

    def _endpoints(self) -> list[Endpoint]:
        return [each.endpoint for each in self.resources if each.endpoint is not None]

    def _reduced(self) -> Iterator[tuple[Kind, Endpoint]]:
        for kind, parts in SHOWN.items():
            whole = self.stores[kind]
            strategy = reduced(whole.strategy, parts)
            store = Store(strategy, self.storage, whole.cache, self.schema, self.clock)
            yield kind, Endpoint(strategy, store, self.schema, self.clock, self.admission)

    def _admission(self) -> Chain:
        def every(kind: Kind, namespace: str = "") -> list[Object]:
            return [_decode(entry.body) for entry in self.stores[kind].entries(namespace)]

        def pods(namespace: str) -> Sequence[Object]:
            return Decoded(self.stores[kinds.POD].entries(namespace))

        async def make_namespace(obj: Object) -> None:
            await self.stores[kinds.NAMESPACE].create(obj, "", Write())

        figures, types = Figures(), self.types
        versions = Versions(self.stores, self.resources)

        policy_means = PolicyMeans(
            types.printed, versions, self.lookup, self.authorizer, types.typed, types.default, types.grain,
            types.unknown,
        )  # fmt: skip
        policies = Both(self.stores, self.resources, policy_means, self.webhooks.figures)
        self.exposition.add(figures.families)
        self.exposition.add(policies.figures.families)
        told = self.config.admission
        means = Means(
            self.lookup, self.seek, every, pods, self.authorizer, self.stores[kinds.NAMESPACE],
            self.stores[kinds.RESOURCE_QUOTA], self.clock,
            self.config.serving_names, TABLE if self.config.warn_unenforced else {}, told, figures,
            Hooks(self.stores[kinds.MUTATING_WEBHOOK_CONFIGURATION], told.mutating_webhooks),
            Hooks(self.stores[kinds.VALIDATING_WEBHOOK_CONFIGURATION], told.validating_webhooks), self.webhooks,
            Complaints(self.stores[kinds.CORE_EVENT], self.clock, self.tasks),
            types.typed, types.printed, versions, make_namespace, self.resources.named, policies,
        )  # fmt: skip
        return Chain(plugins(means, self.config.enable_admission_plugins, self.config.disable_admission_plugins))

    def _others(self) -> list[Authenticator]:
        """Who knows clients by anything but a ServiceAccount's token."""
        bootstrap = bootstrap_tokens(partial(self.lookup, kinds.SECRET), self.clock)
        return [*self.config.authenticators, bootstrap, self.issuers.identify]

    def _aware(self) -> list[Aware]:
        return [each for each in (self.tokens, self.token_webhook) if each is not None]

    def _chain(self) -> Handler:
        config = self.config
        authenticators = self._others()
        if self.tokens:
            authenticators.insert(len(config.authenticators), self.tokens.identify)
        if self.token_webhook:
            authenticators.append(self.token_webhook.identify)
        links = [
            request_id,  # outermost: refusals bear it too
            recover,  # nothing below may end a connection without a Status
            parse_request_info(self.resources),  # everything below speaks of verbs and resources, not paths
            metrics.count(self.clock, metrics.Labels(("", "api", "apis", *self._paths)), self.exposition.figures),
            *self.audit.links[:1],  # whatever may refuse is below, who asks included
            deadline(self.clock),
            authenticate(authenticators, self.clock, self.issuers.anonymous),  # who
            *self.audit.links[1:],  # after who: before anything else may refuse it
            impersonate(self.authorizer),  # may change who
            # Before the work, after we know whose work it is.
            flow_control(self.fairness, Work(self.resources, self.clock), self.clock),
            authorize(self.authorizer),  # may they
        ]
        return compose(links, self._end)

    async def _end(self, request: Request) -> Response:
        if self.resources.foreign and (backend := self.aggregator.answers(request)) is not None:
            return await self.aggregator.handle(request, backend)
        handle = self.dispatcher if request.info.is_resource else self._handler(request.path)
        response = await handle(request)
        form = response.form
        if request.judged is not None and request.judged.answers and form is not None:
            note_answer(request, response)
        if form is not None and not ends_line(request, response, form):
            await write_out(request, response, form)
        if response.tail.size or len(response.body) > LARGE:
            await compress(request, response)
        return response

    def _handler(self, path: str) -> Handler:
        """Of a path that names no resource."""
        return self._paths.get(path.split("/", 2)[1] if path.startswith("/") else "", self.dispatcher)


_RBAC = (kinds.CLUSTER_ROLE, kinds.CLUSTER_ROLE_BINDING, kinds.ROLE, kinds.ROLE_BINDING)
_BOUND = {
    "serviceaccounts": kinds.SERVICE_ACCOUNT, "pods": kinds.POD, "secrets": kinds.SECRET, "nodes": kinds.NODE,
}  # fmt: skip
