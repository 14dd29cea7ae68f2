"""Hooks after the start of a container and before its end (sig-node)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from conformance.node.pods import PATIENT, Pods, container, is_ready, pod, until
from longboat.machinery.objects import Object

pytestmark = [pytest.mark.containers, pytest.mark.timeout(120)]

# A web server that keeps what it is told: by GET in the query, by POST in the body.
SCRIPT = r"""
mkdir -p /www/cgi-bin
cat > /www/cgi-bin/tell <<'END'
#!/bin/sh
read -r -n "${CONTENT_LENGTH:-0}" body
echo "$QUERY_STRING$body" >> /heard
printf 'Content-Type: text/plain\r\n\r\nok\n'
END
chmod +x /www/cgi-bin/tell
touch /heard /www/ready
exec httpd -f -p 8080 -h /www
"""
SERVER = container(SCRIPT, readinessProbe={"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 1})
START = [pod("server", SERVER)]


@pytest.fixture(scope="module")
def hooked(pods: Pods) -> Iterator[Pods]:
    """Pods with a hook each that tells the server, all on its node."""
    found = pods.until("server", is_ready)
    address, node = found["status"]["podIP"], found["spec"]["nodeName"]

    def made(name: str, **hooks: Object) -> Object:
        main = container(PATIENT, lifecycle=hooks)
        return pod(name, main, nodeName=node, terminationGracePeriodSeconds=15)

    def told(name: str) -> Object:
        return {"exec": {"command": ["wget", "-q", "-O", "-", f"http://{address}:8080/cgi-bin/tell?{name}"]}}

    def asked(name: str) -> Object:
        return {"httpGet": {"path": f"/cgi-bin/tell?{name}", "host": address, "port": 8080}}

    post = ["wget", "-q", "-O", "-", "--post-data=written", f"http://{address}:8080/cgi-bin/tell"]
    pods.create(
        made("poststart-exec", postStart=told("poststart-exec")),
        made("poststart-http", postStart=asked("poststart-http")),
        made("prestop-exec", preStop=told("prestop-exec")),
        made("prestop-http", preStop=asked("prestop-http")),
        made("tester", preStop={"exec": {"command": post}}),
    )
    yield pods


def heard(pods: Pods) -> list[str]:
    return pods.sh("server", "cat /heard").splitlines()


def heard_when_deleted(pods: Pods, name: str, words: str) -> None:
    """The server hears of the pod's end, not of its run, and before the container has ended."""
    pods.ready(name)
    assert words not in heard(pods)
    pods.delete(name)
    until(lambda: words in heard(pods), lambda: f"heard {heard(pods)}, not {words}")
    pods.until_gone(name)
    assert heard(pods).count(words) == 1
    assert "FailedPreStopHook" not in [reason for reason, _ in pods.events(name)]


def test_a_command_after_the_start(hooked: Pods) -> None:
    """Conformance: Pod Lifecycle, post start exec hook"""
    hooked.ready("poststart-exec")
    assert heard(hooked).count("poststart-exec") == 1  # a container runs once its hook is through


def test_a_request_after_the_start(hooked: Pods) -> None:
    """Conformance: Pod Lifecycle, post start http hook"""
    hooked.ready("poststart-http")
    assert heard(hooked).count("poststart-http") == 1


def test_a_command_before_the_end(hooked: Pods) -> None:
    """Conformance: Pod Lifecycle, prestop exec hook"""
    heard_when_deleted(hooked, "prestop-exec", "prestop-exec")


def test_a_request_before_the_end(hooked: Pods) -> None:
    """Conformance: Pod Lifecycle, prestop http hook"""
    heard_when_deleted(hooked, "prestop-http", "prestop-http")


def test_a_command_that_posts_before_the_end(hooked: Pods) -> None:
    """Conformance: Pods, prestop hook"""
    assert hooked.get("tester")["status"]["phase"] == "Running" or hooked.ready("tester") is None
    heard_when_deleted(hooked, "tester", "written")
