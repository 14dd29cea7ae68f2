"""Links are led through the proxy, and nothing else is touched, however the page arrives and whoever wrote it."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longboat.apiserver.streams.codings import PIECE, coding
from longboat.apiserver.streams.links import MAX_TAG, Page, Way

PROXY = "/api/v1/namespaces/n/pods/p/proxy"
WAY = Way(PROXY, frozenset(("10.0.0.1:8080", "10.0.0.1")), "localhost:8001")


def rewritten(page: bytes, size: int = 1 << 20) -> bytes:
    made = Page(WAY)
    return b"".join(made.feed(page[at : at + size]) for at in range(0, len(page), size)) + made.close()


@pytest.mark.parametrize(
    ("link", "wanted"),
    [
        ("/", f"{PROXY}/"),
        ("/a/b?c=d#e", f"{PROXY}/a/b?c=d#e"),
        ("/a/", f"{PROXY}/a/"),
        ("/a/../../b", f"{PROXY}/b"),
        ("http://10.0.0.1:8080/a", f"{PROXY}/a"),
        ("https://10.0.0.1/a", f"{PROXY}/a"),
        ("//10.0.0.1/a", f"{PROXY}/a"),
        ("http://localhost:8001/a", f"http://localhost:8001{PROXY}/a"),
        (f"http://localhost:8001{PROXY}/a", f"http://localhost:8001{PROXY}/a"),
        (f"{PROXY}/a", f"{PROXY}/a"),
        (f"{PROXY}x", f"{PROXY}{PROXY}x"),
    ],
)
def test_a_link_within_the_backend_is_led(link: str, wanted: str) -> None:
    assert WAY.lead(link) == wanted


@pytest.mark.parametrize(
    "link",
    ["", "a/b", "../a", "?a=b", "#a", "//example.com/a", "http://example.com/", "http://10.0.0.2/", "mailto:/a",
     "data:text/plain,/a", "http://10.0.0.1", "http://[", "javascript:/a/"],
)  # fmt: skip
def test_any_other_stays_as_it_is(link: str) -> None:
    assert WAY.lead(link) == link


@pytest.mark.parametrize(
    ("page", "wanted"),
    [
        ('<a href="/x">x</a>', f'<a href="{PROXY}/x">x</a>'),
        ("<A class=b HREF=/x/y>x</A>", f'<A class=b HREF="{PROXY}/x/y">x</A>'),
        ("<img alt='>' src = '/x?a&amp;b'/>", f"<img alt='>' src=\"{PROXY}/x?a&amp;b\"/>"),
        ("<img\nsrc=/x\nlongdesc=/y>", f'<img\nsrc="{PROXY}/x"\nlongdesc="{PROXY}/y">'),
        ("<script src=/x>if (a<b) '<a href=/y>'</SCRIPT ><a href=/z>",
         f"<script src=\"{PROXY}/x\">if (a<b) '<a href=/y>'</SCRIPT ><a href=\"{PROXY}/z\">"),
        ("<a don't href=/x>", f'<a don\'t href="{PROXY}/x">'),
        ("<!-- <a href=/y> --><base href=/>", f'<!-- <a href=/y> --><base href="{PROXY}/">'),
        ("1 < 2 <b><a href=/x>", f'1 < 2 <b><a href="{PROXY}/x">'),
    ],
)  # fmt: skip
def test_links_in_a_page(page: str, wanted: str) -> None:
    for size in (1, 2, 3, 7, 1000):
        assert rewritten(page.encode(), size).decode() == wanted


@pytest.mark.parametrize(
    "page",
    ['<p title="<a href=\'/x\'>">', "<abbr href=/x>", "<a data-href=/x>", "<a href=/x", "<a href", '<a href="/x>', "<",
     "<!", "<!-", "<!-- <a href=/x>", "<style><a href=/x></style", "</a href=/x>", "<a href>", "<a href=x>",
     "<title><a href=/x></title>", "<a href=\"" + "/x" * MAX_TAG + "\">"],
)  # fmt: skip
def test_pages_that_stay_as_they_are(page: str) -> None:
    for size in (1, 5, 1000):
        assert rewritten(page.encode(), size).decode() == page


def test_what_follows_a_tag_that_is_too_long_is_seen() -> None:
    tag = '<a href="' + "/x" * MAX_TAG + '">'
    for size in (1, 1000, 1 << 20):
        assert rewritten(f"{tag}<a href=/y>".encode(), size).decode() == f'{tag}<a href="{PROXY}/y">'


PARTS = st.sampled_from(
    [b"<a ", b"<img ", b"<!--", b"-->", b"<script>", b"</script>", b"href", b"src", b"=", b'"', b"'", b">", b"<", b"/x",
     b" ", b"\xff", b"&amp;", b"y" * MAX_TAG]
)  # fmt: skip


@given(st.lists(PARTS).map(b"".join), st.integers(3, 9999))
def test_how_a_page_arrives_makes_no_difference(page: bytes, size: int) -> None:
    assert rewritten(page, size) == rewritten(page)
    assert rewritten(page).replace(PROXY.encode(), b"").count(b"/x") == page.count(b"/x")


@pytest.mark.parametrize("part", [b"<a", b"<a ", b"<a>", b"<a href=", b"<!--", b'<a "', b"<a x='", b"<", b"<script>"])
def test_a_page_made_to_cost_much_does_not(part: bytes) -> None:
    page = part * (1 << 17)  # far less than a second; were it the square of that, this would never end
    assert rewritten(page, PIECE) == page


@pytest.mark.parametrize(
    ("name", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("", bytes), ("identity", bytes)]
)
def test_codings(name: str, pack: type[bytes]) -> None:
    page, packed, sent = b"<a href=/x>" + b" " * 100_000, coding(name), b""
    assert packed is not None
    whole = pack(page)
    for at in range(0, len(whole), 1000):
        for piece in packed.unpack(whole[at : at + 1000]):
            assert len(piece) <= PIECE
            sent += packed.pack(piece)
    sent += packed.finish()
    assert {"gzip": gzip.decompress, "deflate": zlib.decompress}.get(name, bytes)(sent) == page


def test_a_coding_nobody_knows() -> None:
    assert coding("br") is None and coding("gzip, gzip") is None
    empty = coding("gzip")
    assert empty is not None and empty.finish() == b"", "no body, so none is made up"
