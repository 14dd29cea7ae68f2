"""`longboat check cis`: a running cluster held against the CIS Kubernetes Benchmark."""

from __future__ import annotations

import json
from dataclasses import dataclass

from longboat.cli import flags, registry
from longboat.cli.errors import Failure, Usage
from longboat.cli.flags import flag

ACTIONS = ("cis",)


@dataclass(frozen=True)
class Options:
    """cis: look at a running cluster for each control of the CIS Kubernetes Benchmark. Exit code 1 if one fails."""

    benchmark: str = flag("", "cis", positional=True)
    name: str = flag("default", "name of the cluster")
    data_dir: str = flag("", "its data directory, instead of a name")
    output: str = flag("text", "text or json", choices=("text", "json"))


def run(argv: list[str]) -> int:
    options = flags.parse(Options, argv, prog="longboat check")
    if options.benchmark not in ACTIONS:
        raise Usage("say: longboat check cis")
    from longboat.cli.api import UNREACHABLE
    from longboat.cli.cis import benchmark, processes
    from longboat.cli.cis.evidence import Evidence
    from longboat.cli.cis.finding import FAIL

    try:
        cluster = processes.cluster(registry.data_dir(options.name, options.data_dir), options.name)
        results = benchmark.run(Evidence(cluster))
    except PermissionError as error:
        raise Failure(f"cannot look at the cluster: {error}", "Run as the user it runs as (sudo?)") from error
    except UNREACHABLE as error:
        raise Failure(f"the API server does not answer: {error}", f"longboat status --name {cluster.name}") from error
    if options.output == "json":
        print(json.dumps(benchmark.as_json(results), indent=2))
    else:
        print("\n".join(benchmark.as_text(results)))
    return 1 if any(finding.state == FAIL for _, finding in results) else 0
