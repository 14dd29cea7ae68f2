"""From a configuration to the sealers it describes."""

from __future__ import annotations

from collections.abc import Callable

from longboat.machinery.configfile import BadConfiguration
from longboat.storage.encryption import aes
from longboat.storage.encryption.configuration import Configuration, Key, Kms, Provider
from longboat.storage.encryption.resources import ANY, Resource, parse
from longboat.storage.encryption.sealer import Clear, Sealer, Several

MakeKms = Callable[[Kms], Sealer]


def sealers(configuration: Configuration, make_kms: MakeKms) -> dict[Resource, Sealer]:
    """What seals each resource that is named. Raises BadConfiguration."""
    found: dict[Resource, list[Sealer]] = {}
    for rule in configuration.rules:
        made = [_sealer(provider, make_kms) for provider in rule.providers]
        for resource in map(parse, rule.resources):
            for mask in (Resource(resource.group, "*"), ANY):
                if mask in found:
                    raise BadConfiguration(f'resource "{resource}" is masked by earlier rule "{mask}"')
            found.setdefault(resource, []).extend(made)
    return {resource: Several(made, unmatched="no matching prefix found") for resource, made in found.items()}


def _sealer(provider: Provider, make_kms: MakeKms) -> Sealer:
    if provider.kind == "identity":
        return Clear()
    if provider.kms is not None:
        return make_kms(provider.kms)
    shown = "Secretbox" if provider.kind == "secretbox" else "AES"
    return Several(
        [_cipher(provider.kind, key) for key in provider.keys],
        prefix=f"k8s:enc:{provider.kind}:v1:".encode(),
        unmatched=f"no matching key was found for the provided {shown} transformer",
    )


def _cipher(kind: str, key: Key) -> Sealer:
    prefix = f"{key.name}:".encode()
    if kind == "aesgcm":
        return aes.Gcm(key.secret, prefix=prefix)
    if kind == "aescbc":
        return aes.Cbc(key.secret, prefix=prefix)
    from longboat.storage.encryption.secretbox import Box  # a library of its own, for those who use it

    return Box(key.secret, prefix=prefix)
