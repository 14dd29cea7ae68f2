"""What callers have of a compiled expression: its type, its names, evaluation that holds nobody up."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from typing import Any

import pytest

from longboat.machinery import cel
from longboat.machinery.cel import schemas, types, values
from longboat.machinery.cel.lib import regex
from longboat.machinery.cel.lib.authorizer import Authorizer, Decision, Question, ResourceCheck
from longboat.machinery.types import patterns
from longboat.machinery.types import schema as built_in

POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "creationTimestamp": "2026-01-02T03:04:05Z", "labels": {"app": "web"}},
    "spec": {
        "containers": [{"name": "c", "image": "registry.example.com/app:1", "resources": {"limits": {"cpu": "1"}}}]
    },
}


def test_a_program_says_what_it_is() -> None:
    program = cel.compile(
        "self.size() > 1 && oldSelf != ''", {name: types.STRING for name in ("self", "oldSelf", "no")}
    )
    assert (program.result, program.names) == (types.BOOL, {"self", "oldSelf"})
    assert program.evaluate({"self": "ab", "oldSelf": ""}) == (False, 4)


def test_a_variable_without_a_value() -> None:
    with pytest.raises(cel.EvalError, match=r"no such attribute\(s\): self"):
        cel.compile("self", {"self": types.DYN}).evaluate({})


def test_a_value_that_is_not_of_its_type_is_an_error() -> None:
    """Never true: what guards fails closed."""
    for expression in ("self > 1", "self + 1 == 2", "self.startsWith('a') || false"):
        declared = types.STRING if "starts" in expression else types.INT
        for wrong in ([], {}, None, "a" if declared is types.INT else 1):
            with pytest.raises(cel.EvalError):
                cel.compile(expression, {"self": declared}).evaluate({"self": wrong})


def test_built_in_kinds_have_types() -> None:
    pod = schemas.Shaped().struct(built_in.load().definition("io.k8s.api.core.v1.Pod"))
    program = cel.compile(
        "object.spec.containers.all(c, c.image.startsWith('registry.')) && object.metadata.labels['app'] == 'web'"
        " && object.metadata.creationTimestamp < timestamp('2027-01-01T00:00:00Z')",
        {"object": pod},
    )
    assert program.result == types.BOOL
    assert program.evaluate({"object": POD})[0] is True
    with pytest.raises(cel.CompileError, match="undefined field 'zz'"):
        cel.compile("object.spec.zz == 1", {"object": pod})


@pytest.mark.parametrize(
    ("schema", "value", "rule"),
    [
        ({"type": "number"}, 1, "self == 1.0 && type(self) == double"),
        ({"type": "string", "format": "duration"}, "90s", "self.getMinutes() == 1"),
        ({"type": "string", "format": "date"}, "2020-02-03", "self.getMonth() == 1"),
        ({"type": "string", "format": "byte"}, "YWI=", "self == b'ab'"),
        ({"type": "array", "items": {"type": "number"}}, [1, 2], "self.sum() == 3.0"),
        (
            {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"}, ["b", "a"],
            "self == ['a', 'b']",
        ),
        ({"type": "array", "items": {"type": "string"}}, ["b", "a"], "self != ['a','b']"),
        (
            {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"}, ["b"],
            "(self + ['b', 'c']).size() == 2",
        ),
        (
            {"type": "object", "properties": {"a.b": {"type": "number"}, "namespace": {"type": "string"}}},
            {"a.b": 1, "namespace": "n"},
            "self.a__dot__b == 1.0 && self.namespace == 'n' && self.__namespace__ == 'n'",
        ),
        ({"x-kubernetes-int-or-string": True}, "1", "type(self) == string"),
        ({"type": "object", "properties": {"a": {"type": "string", "nullable": True}}}, {}, "!has(self.a)"),
        ({"type": "object", "additionalProperties": {"type": "number"}}, {"a": 1}, "self.all(k, v, v == 1.0)"),
    ],
)  # fmt: skip
def test_values_are_what_the_schema_says(schema: dict[str, Any], value: Any, rule: str) -> None:
    declared = schemas.declared(schema, "selfType")
    assert declared is not None
    assert cel.compile(rule, {"self": declared}).evaluate({"self": value})[0] is True


def test_an_old_value_that_may_be_none() -> None:
    declared = schemas.declared({"type": "string", "format": "duration"}, "selfType")
    assert declared is not None
    program = cel.compile(
        "!oldSelf.hasValue() || self >= oldSelf.value()", {"self": declared, "oldSelf": schemas.optional(declared)}
    )
    outcomes = [program.evaluate({"self": "1m", "oldSelf": old})[0] for old in (values.MISSING, "59s", "61s")]
    assert outcomes == [True, True, False]


def test_an_error_that_another_term_makes_nothing_of_is_paid() -> None:
    program = cel.compile("(x.missing + 'a').contains('b') || true", {"x": types.map_of(types.STRING, types.STRING)})
    assert program.evaluate({"x": {}}) == (True, 4)
    assert cel.compile("1 / n > 0 || true", {"n": types.INT}).evaluate({"n": 0}) == (True, 3)


def test_a_schema_without_a_type_has_no_rules() -> None:
    assert schemas.declared({"x-kubernetes-preserve-unknown-fields": True}, "self") is None
    assert schemas.declared({"type": "array", "items": {}}, "self") is None


def test_the_authorizer_is_asked() -> None:
    asked: list[Question] = []

    def decide(question: Question) -> Decision:
        asked.append(question)
        return Decision(question.verb == "get", "because")

    variables = {"authorizer": types.AUTHORIZER, "authorizer.requestResource": types.RESOURCE_CHECK}
    authorizer = Authorizer(decide)
    given = {
        "authorizer": authorizer,
        "authorizer.requestResource": ResourceCheck(authorizer, Question("", resource="pods", name="a")),
    }
    for expression in (
        "authorizer.group('apps').resource('deployments').namespace('n').name('d').check('get').allowed()",
        "!authorizer.requestResource.check('delete').allowed()",
        "authorizer.serviceAccount('n', 's').path('/healthz').check('get').reason() == 'because'",
    ):
        assert cel.compile(expression, variables).evaluate(given)[0] is True
    assert [(each.verb, each.resource, each.name, each.path, each.service_account) for each in asked] == [
        ("get", "deployments", "d", "", None),
        ("delete", "pods", "a", "", None),
        ("get", "", "", "/healthz", ("n", "s")),
    ]


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("int('x') == 1", "type conversion error from 'string' to 'int'"),
        ("'a'.find('[a') == ''", "error parsing regexp: missing closing ]: `[a`"),
    ],
)
def test_constants_that_cannot_be_computed(expression: str, message: str) -> None:
    with pytest.raises(cel.CompileError) as raised:
        cel.compile(expression, {})
    assert (raised.value.message, raised.value.issues) == (message, ())


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("1 / (n - 1)", "division by zero"),
        ("1 % (n - 1)", "modulus by zero"),
        ("9223372036854775807 + n", "integer overflow"),
        ("[1][n]", "index out of bounds: 1"),
        ("{'a': 1}['b']", "no such key: b"),
        ("dyn('a') + 1", "no such overload"),
        ("x.y.z", "no such key: y"),
        ("[1].map(q, {true: 1, false: 2, true: 3}[true])", "Failed with repeated key: true"),
        ("optional.none().value()", "optional.none() dereference"),
        ("[1].slice(0, n + 1)", "cannot slice(0, 2), list is length 1"),
        ("'abc'.substring(n + 3)", "index out of range: 4"),
        ("ip('1.2.3')", 'IP Address "1.2.3" parse error during conversion from string: ParseAddr("1.2.3"): '
         "IPv4 address too short"),
        ("url('a b')", 'URL parse error during conversion from string: parse "a b": invalid URI for request'),
        ("semver('1.2')", "No Major.Minor.Patch elements found"),
        ("string(b'\\xff')", "invalid UTF-8 in bytes, cannot convert to string"),
    ],
)  # fmt: skip
def test_errors_in_upstreams_words(expression: str, message: str) -> None:
    try:
        program = cel.compile(expression, {"n": types.INT, "x": types.DYN})
    except cel.CompileError as error:
        assert error.message == message
        return
    with pytest.raises(cel.EvalError) as raised:
        program.evaluate({"n": 1, "x": {}})
    assert str(raised.value) == message


def test_a_dear_expression_leaves_the_loop() -> None:
    """Counted, not timed: what is tried on the loop has AT_ONCE units, and what follows is another thread's."""
    begun: list[tuple[int, bool]] = []
    home = threading.get_ident()

    class Watched(dict[str, Any]):
        def __getitem__(self, name: str) -> Any:
            begun.append((sys.getswitchinterval() < 0.001, threading.get_ident() == home))
            return super().__getitem__(name)

    rule = cel.compile("list.all(a, list.all(b, a + b >= 0))", {"list": types.list_of(types.INT)})
    cheap, dear = Watched(list=list(range(10))), Watched(list=list(range(300)))
    assert asyncio.run(rule.run(cheap)) == rule.evaluate(dict(cheap))
    assert begun == [(False, True)]
    begun.clear()
    assert asyncio.run(rule.run(dear)) == rule.evaluate(dict(dear))
    assert begun == [(False, True), (True, False)]
    with pytest.raises(cel.CostExceeded):
        asyncio.run(rule.run({"list": list(range(1000))}))
    assert sys.getswitchinterval() > 0.001


@pytest.mark.parametrize(
    "expression", ["(" * 300 + "1" + ")" * 300, "!" * 100_001, "a" + ".b" * 300, "1" + "+1" * 300, "[" * 5000]
)
def test_what_is_too_deep_or_too_long_is_refused(expression: str) -> None:
    with pytest.raises(cel.CompileError):
        cel.compile(expression, {"a": types.DYN})


def test_many_terms_are_no_depth() -> None:
    assert cel.compile(" && ".join(["true"] * 2000), {}).evaluate({})[0] is True


def test_nothing_loads_the_language_before_there_is_an_expression() -> None:
    script = (
        "import sys, longboat.assembly.control_plane.plane, longboat.cli.main\n"
        "print(any(name.startswith('longboat.machinery.cel') for name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "False"


TEXTS = ("", "a", "abc", "a.b", "web-1", "aaa", "a\nb", "abc\n", "é", "a+b", "x" * 50)


@pytest.mark.parametrize(
    "pattern",
    [
        "", "a", "^a", "a$", "^abc$", "^[a-z0-9-]+$", "a\\.b", "[^a-z]", "a{2}", "^a{1,3}$", "a?b", "b*$", "^$",
        "a\\+b", "\\d", "(a|b)+$", "é",
    ],
)  # fmt: skip
def test_pythons_engine_says_what_re2_says(pattern: str) -> None:
    assert [regex.matcher(pattern)(text) for text in TEXTS] == [patterns.matches(pattern, text) for text in TEXTS]


def test_a_pattern_that_could_try_twice_goes_to_re2() -> None:
    program = cel.compile("self.matches('^(a+)+$') || self.matches('^a*a*a*a*a*a*a*b$')", {"self": types.STRING})
    before = time.process_time()
    assert program.evaluate({"self": "a" * 20_000 + "!"})[0] is False
    assert time.process_time() - before < 1
