import pytest

from longboat.machinery import urls


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (":", 'parse ":": missing protocol scheme'),
        ("a b:c", 'parse "a b:c": first path segment in URL cannot contain colon'),
        ("https://h:x/", 'parse "https://h:x/": invalid port ":x" after host'),
        ("https://[::1/", "parse \"https://[::1/\": missing ']' in host"),
        ("https://[::1]x/", 'parse "https://[::1]x/": invalid port "x" after host'),
        ("https://a b/", 'parse "https://a b/": invalid character " " in host name'),
        ("https://h/%zz", 'parse "https://h/%zz": invalid URL escape "%zz"'),
        ("https://h/%", 'parse "https://h/%": invalid URL escape "%"'),
        ("https://u^@h/", 'parse "https://u^@h/": net/url: invalid userinfo'),
        ("https://h/\n", 'parse "https://h/\\n": net/url: invalid control character in URL'),
    ],
)
def test_what_is_no_url_is_told_in_gos_words(text, wrong):
    with pytest.raises(ValueError) as told:
        urls.parse(text)
    assert str(told.value) == wrong


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("HTTPS://u:p@h:1/x?q#f", ("https", "u:p", "h:1", "q", "f")),
        ("https://[::1]:443/", ("https", None, "[::1]:443", "", "")),
        ("", ("", None, "", "", "")),
        ("//h/x", ("", None, "h", "", "")),
        ("mailto:a@b", ("mailto", None, "", "", "")),
    ],
)
def test_parts(text, url):
    found = urls.parse(text)
    assert (found.scheme, found.user, found.host, found.query, found.fragment) == url
