"""What all tests share: reproducible randomness, and honest skips where a test needs more than this machine has."""

from __future__ import annotations

import os
import shutil

import pytest
from hypothesis import HealthCheck, settings

from e2e.fixtures import cluster, images, kubectl, namespace
from suites.scenes import pytest_pyfunc_call

# Fixtures: one cluster per process serves every folder. The hook plays scenes on clusters in this process.
__all__ = ["cluster", "images", "kubectl", "namespace", "pytest_pyfunc_call"]

settings.register_profile(
    "longboat", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
settings.register_profile("fuzz", settings.get_profile("longboat"), max_examples=5000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "longboat"))

NEEDS = {
    "root": lambda: "" if os.geteuid() == 0 and shutil.which("nft") else "needs root and nftables",
    "containers": lambda: "" if os.geteuid() == 0 and shutil.which("containerd") else "needs root and containerd",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for marker, missing in NEEDS.items():
            if item.get_closest_marker(marker) and (why := missing()):
                item.add_marker(pytest.mark.skip(reason=why))
