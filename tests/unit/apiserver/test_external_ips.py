from __future__ import annotations

from typing import Any

import pytest

from longboat.api import kinds
from longboat.apiserver.admission.external_ips import DenyServiceExternalIPs
from longboat.machinery.errors import StatusError
from longboat.registry.admission import Attributes
from unit.apiserver.writes import attributes


def write(*ips: str, old: list[str] | None = None) -> Attributes:
    def service(listed: Any) -> dict[str, Any]:
        return {"metadata": {"name": "web"}, "spec": {"externalIPs": list(listed)}}

    before = None if old is None else service(old)
    return attributes("CREATE" if old is None else "UPDATE", kinds.SERVICE, "default", "web", service(ips), before)


def test_a_new_address_is_refused() -> None:
    for given in (write("1.2.3.4"), write("1.2.3.4", "5.6.7.8", old=["1.2.3.4"])):
        with pytest.raises(StatusError) as refused:
            DenyServiceExternalIPs().validate(given)
        assert refused.value.code == 403
        assert (
            refused.value.message == 'services "web" is forbidden: Use of external IPs is denied by admission control'
        )


def test_what_is_there_may_stay_or_go() -> None:
    plugin = DenyServiceExternalIPs()
    plugin.validate(write())
    plugin.validate(write("5.6.7.8", "1.2.3.4", old=["1.2.3.4", "5.6.7.8"]))
    plugin.validate(write(old=["1.2.3.4"]))
    assert not plugin.handles(attributes("CREATE", kinds.POD, "default", "p", {}).target)
