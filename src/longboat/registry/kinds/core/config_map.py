"""ConfigMap: configuration that pods read as variables or files."""

from __future__ import annotations

from longboat.api import kinds
from longboat.machinery import names
from longboat.machinery.fieldpath import NOWHERE, Errors, Path
from longboat.machinery.objects import Object
from longboat.machinery.table import AGE, Column
from longboat.registry.strategy import CHANGE, OBJECT, WHOLE_METADATA, WHOLE_METADATA_CHANGE, Strategy

MAX_BYTES = 1 << 20  # data and binaryData together, keys not counted (API reference, ConfigMap v1)


def decoded_size(text: str) -> int:
    """How many bytes a base64 text stands for."""
    return len(text) * 3 // 4 - text[-2:].count("=")


# What the API says of the field.
DATA = (
    "Data contains the configuration data. Each key must consist of alphanumeric characters, '-', '_' or '.'. "
    "Values with non-UTF-8 byte sequences must use the BinaryData field. The keys stored in Data must not "
    "overlap with the keys in the BinaryData field, this is enforced during validation process."
)


class ConfigMap(Strategy):
    kind = kinds.CONFIG_MAP
    columns = (
        Column("Data", str, lambda cm: len(cm.get("data") or ()) + len(cm.get("binaryData") or ()),
               description=DATA),
        AGE,
    )  # fmt: skip
    generation = False
    update_order = (*WHOLE_METADATA_CHANGE, CHANGE, *WHOLE_METADATA, OBJECT)

    def validate(self, new: Object, err: Errors) -> None:
        text, binary = new.get("data") or {}, new.get("binaryData") or {}
        for key in text:
            if why := names.config_key(key):
                err.extend(Path("data").key(key), why, key)
            if key in binary:
                err.invalid(Path("data").key(key), key, "duplicate of key present in binaryData")
        for key in binary:
            err.extend(Path("binaryData").key(key), names.config_key(key), key)
        if sum(len(v.encode()) for v in text.values()) + sum(map(decoded_size, binary.values())) > MAX_BYTES:
            err.too_long(NOWHERE, MAX_BYTES)

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        if not old.get("immutable"):
            return
        if not new.get("immutable"):
            err.forbidden(Path("immutable"), "field is immutable when `immutable` is set")
        for field in ("data", "binaryData"):
            if (new.get(field) or {}) != (old.get(field) or {}):
                err.forbidden(Path(field), "field is immutable when `immutable` is set")
