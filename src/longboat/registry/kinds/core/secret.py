"""Secret: what pods and users must keep to themselves."""

from __future__ import annotations

import base64

from longboat.api import key_pairs, kinds
from longboat.machinery import names, text
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.machinery.table import AGE, Column
from longboat.machinery.types.shapes import SCALARS
from longboat.machinery.types.wording import described
from longboat.registry.kinds import cells, fill
from longboat.registry.kinds.core.config_map import decoded_size
from longboat.registry.strategy import CHANGE, OBJECT, WHOLE_METADATA, WHOLE_METADATA_CHANGE, Strategy
from longboat.registry.write import Write

MAX_BYTES = 1 << 20  # of all values (API reference, Secret v1)
OPAQUE = "Opaque"
TOKEN = "kubernetes.io/service-account-token"
SERVICE_ACCOUNT = "kubernetes.io/service-account.name"

_DATA = Path("data")
TLS, TLS_KEYS = "kubernetes.io/tls", ("tls.crt", "tls.key")
REQUIRED = {TLS: TLS_KEYS, "kubernetes.io/ssh-auth": ("ssh-privatekey",)}  # keys that a type must have
JSON = {"kubernetes.io/dockercfg": ".dockercfg", "kubernetes.io/dockerconfigjson": ".dockerconfigjson"}
BASIC_AUTH = ("kubernetes.io/basic-auth", "username", "password")


# What the API says of the field.
DATA = (
    "Data contains the secret data. Each key must consist of alphanumeric characters, '-', '_' or '.'. The "
    "serialized form of the secret data is a base64 encoded string, representing the arbitrary (possibly "
    "non-string) data value here. Described in https://tools.ietf.org/html/rfc4648#section-4"
)


class Secret(Strategy):
    kind = kinds.SECRET
    columns = (
        Column("Type", str, cells.at("type"), description="What the secret is for."),
        Column("Data", str, lambda secret: len(secret.get("data") or ()), description=DATA),
        AGE,
    )
    generation = False
    update_order = (*WHOLE_METADATA_CHANGE, CHANGE, *WHOLE_METADATA, OBJECT)
    selectable = frozenset(("type",))

    def default(self, obj: Object) -> None:
        fill.empty(obj, "type", OPAQUE)
        if plain := obj.pop("stringData", None):
            data = fill.part(obj, "data")
            data.update({key: base64.b64encode(value.encode()).decode() for key, value in plain.items()})

    def prepare_update(self, new: Object, old: Object, write: Write) -> None:
        if not new.get("type"):
            new["type"] = old.get("type")

    def fields(self, obj: Object) -> dict[str, str]:
        return {"type": obj.get("type") or ""}

    def validate(self, new: Object, err: Errors) -> None:
        data = new.get("data") or {}
        for key in data:
            err.extend(_DATA.key(key), names.config_key(key), key)
        if sum(map(decoded_size, data.values())) > MAX_BYTES:
            err.too_long(_DATA, MAX_BYTES)
        kind = new.get("type")
        if kind == TOKEN and not dig(new, "metadata", "annotations", SERVICE_ACCOUNT):
            err.required(Path("metadata", "annotations").key(SERVICE_ACCOUNT))
        if kind == BASIC_AUTH[0] and not any(key in data for key in BASIC_AUTH[1:]):
            for key in BASIC_AUTH[1:]:
                err.required(_DATA.key(key))
        for key in REQUIRED.get(kind or "", ()):
            if key not in data or (kind == "kubernetes.io/ssh-auth" and not data[key]):
                err.required(_DATA.key(key))
        if key := JSON.get(kind or "", ""):
            _validate_json(data, key, err)

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        if new.get("type") != old.get("type"):
            err.invalid(Path("type"), new.get("type") or "", "field is immutable")
        if old.get("immutable"):
            if not new.get("immutable"):
                err.forbidden(Path("immutable"), "field is immutable when `immutable` is set")
            if (new.get("data") or {}) != (old.get("data") or {}):
                err.forbidden(_DATA, "field is immutable when `immutable` is set")

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        if new.get("type") != TLS:
            return []
        certificate, key = (base64.b64decode(dig(new, "data", name, default="")) for name in TLS_KEYS)
        wrong = key_pairs.wrong(certificate, key)
        return [wrong] if wrong else []


def _validate_json(data: Object, key: str, err: Errors) -> None:
    """The value itself is a secret: it is not repeated in the error."""
    if key not in data:
        err.required(_DATA.key(key))
        return
    why = ""
    try:
        value = text.decode_json(base64.b64decode(data[key]))
        if not (value is None or isinstance(value, dict)):
            shown = described(value, SCALARS["any"])
            why = f"json: cannot unmarshal {shown} into Go value of type map[string]interface {{}}"
    except text.Malformed as error:
        why = str(error)
    if why:
        err.invalid(_DATA.key(key), "<secret contents redacted>", why)
