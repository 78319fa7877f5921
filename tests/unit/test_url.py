"""Names of files: what each form means, and that a shown URL leads to the same file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypxeboot.errors import ConfigError
from pypxeboot.text import decode
from pypxeboot.url import Location, as_prefix, is_absolute, parse, prefix_of, resolve, signature_of

SERVER = "10.0.0.1"


@pytest.mark.parametrize(
    "name, prefix, expected",
    [
        # "anything else: prefix + name"; a leading slash is not absolute, nothing is normalised
        ("vmlinuz", "::", Location("tftp", SERVER, "vmlinuz")),
        ("/vmlinuz", "::sub/", Location("tftp", SERVER, "sub//vmlinuz")),
        ("../a/./b", "::sub/", Location("tftp", SERVER, "sub/../a/./b")),
        ("b", "::files", Location("tftp", SERVER, "filesb")),
        ("dir:with:colon/k", "::", Location("tftp", SERVER, "dir:with:colon/k")),
        ("k%31;mode=x", "::", Location("tftp", SERVER, "k%31;mode=x")),
        # "first : followed by :": server::path, path unmodified
        ("::/boot/k", "::sub/", Location("tftp", SERVER, "/boot/k")),
        ("10.0.0.9::k", "http://h/x/", Location("tftp", "10.0.0.9", "k")),
        ("files.lab::a%20b", "::", Location("tftp", "files.lab", "a%20b")),
        # "first : followed by //": a URL; the slash after the host is not part of the path, # is cut
        ("tftp://h/a/b", "::", Location("tftp", "h", "a/b")),
        ("tftp://h//a", "::", Location("tftp", "h", "/a")),
        ("tftp://h/a%20b;mode=netascii", "::", Location("tftp", "h", "a b")),
        ("tftp://h:6969/a", "::", Location("tftp", "h", "a", 6969)),
        ("tftp:///a", "::", Location("tftp", SERVER, "a")),
        ("http://h/k?x=1&y#frag", "::", Location("http", "h", "k?x=1&y")),
        ("HTTPS://h:8443/k", "::", Location("https", "h", "k", 8443)),
        ("http://h", "::", Location("http", "h", "")),
        ("http://[fd00::1]:80/k", "::", Location("http", "fd00::1", "k", 80)),
        ("http://u:p%40@h/k", "::", Location("http", "h", "k", None, "u", "p@")),
        ("http://h/\u00e4", "::", Location("http", "h", "%C3%A4")),
        ("k", "http://h/x/", Location("http", "h", "x/k")),
        ("/k", "http://h/x/", Location("http", "h", "x//k")),
        # "file names end at the first whitespace"
        ("k rest", "::", Location("tftp", SERVER, "k")),
        ("k\x7frest", "::", Location("tftp", SERVER, "k")),
        ("n" * 300, "::", Location("tftp", SERVER, "n" * 255)),
        # other schemes are places, too, at which nothing will be fetched; never a local file
        ("file:///etc/passwd", "::", Location("file", "", "etc/passwd")),
        ("ftp://h/k", "::", Location("ftp", "h", "k")),
    ],
)
def test_resolve(name: str, prefix: str, expected: Location) -> None:
    assert resolve(name, prefix, SERVER) == expected


@pytest.mark.parametrize(
    "name",
    ["", " k", "http://h:0/k", "http://h:99999/k", "http://h:x/k", "-::k", "a..b::k"]
    + [
        "tftp://h/a%0ab",
        "tftp://h/%1b",
        "1http://h/k",
        "http://[fd00::1/k",
        "http://[fd00::zz]/k",
        "http://[h]x/k",
        "h$::k",
    ],
)
def test_what_cannot_be_asked_for(name: str) -> None:
    with pytest.raises(ConfigError):
        resolve(name, "::", SERVER)


def test_a_long_prefix_is_refused() -> None:
    with pytest.raises(ConfigError, match="511"):
        resolve("n" * 255, "p" * 257, SERVER)


def test_no_server_at_all() -> None:
    with pytest.raises(ConfigError, match="no server"):
        parse("::k")
    assert parse("10.0.0.9::k") == Location("tftp", "10.0.0.9", "k")


def test_passwords_are_never_shown() -> None:
    location = parse("http://user:secret@h/k")
    assert str(location) == "http://user@h/k"
    with pytest.raises(ConfigError) as caught:
        parse("http://user:secret@h:bad/k")
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("url", ["http://h/a/b?c=/d", "http://h/a/b", "tftp://h/a/b", "tftp://h/a/x%3Fb"])
def test_name_is_the_last_part(url: str) -> None:
    assert parse(url).name == ("x?b" if url.endswith("x%3Fb") else "b")


@given(st.binary(max_size=60).map(decode), st.sampled_from(["tftp", "http"]))
def test_a_shown_url_leads_back(path: str, scheme: str) -> None:
    try:
        location = parse(f"::{path}" if scheme == "tftp" else f"http://h/{path}", SERVER)
    except ConfigError:
        return
    assert str(location).isprintable() and str(location).isascii()
    assert parse(str(location)) == location


@given(st.text(max_size=80), st.text(max_size=20))
def test_any_name_is_a_location_or_an_error(name: str, prefix: str) -> None:
    try:
        location = resolve(name, prefix, SERVER)
    except ConfigError:
        return
    assert str(location)


PREFIXES = [
    "::",
    "::dir/",
    "::http:",
    "h::x",
    "http://",
    "http://h",
    "http://u:p@h:81/x/",
    "tftp://h/a%",
    "http://h/?f=",
]
PREFIXES += [
    "tftp://h/a;x/",
    "http://h/a#",
    "foo://b ad/",
    "::\x01",
    "http://h/é/",
    "tftp://h/é",
    "fe80::1::x",
    "a:",
    "",
]
PREFIXES += [
    "::\udce2",
    "tftp://[fe80::1%25eth0]/x/",
    "http:///x/",
    "http://:80/",
    f"::{'p' * 45}",
    f"::{'p' * 46}",
]
NAMES = st.text(alphabet='ab/.%4;#?:~"$-[^é\x80', min_size=1, max_size=90)


@given(st.sampled_from(PREFIXES), NAMES, st.sampled_from(["10.69.0.1", "", "bad host", "fe80::1"]))
def test_a_name_stands_right_behind_the_prefix(prefix: str, name: str, server: str) -> None:
    """Whether each is read anew, or the prefix was read before."""
    found = []
    for read in (lambda: resolve(name, prefix, server), lambda: parse(prefix + name, server)):
        try:
            found.append(str(read()))
        except ConfigError as error:
            found.append(error.message)
    assert is_absolute(name) or found[0] == found[1]


@pytest.mark.parametrize(
    "bootfile, prefix",
    [
        ("pxelinux.0", ""),
        ("/boot/px/pxelinux.0", "/boot/px/"),
        ("sub/my_pxelinux.0", "sub/my_"),
        ("boot\\x86\\wdsnbp.com", "boot\\x86\\"),
        ("http://10.0.2.9/http/lpxelinux.0", "http://10.0.2.9/http/"),
        ("", ""),
    ],
)
def test_prefix_is_up_to_the_last_odd_character(bootfile: str, prefix: str) -> None:
    assert prefix_of(bootfile) == prefix


def test_prefixes_without_a_server_mean_the_default_one() -> None:
    assert as_prefix("sub/") == "::sub/"
    assert as_prefix("http://h/") == "http://h/"
    assert as_prefix("h::sub/") == "h::sub/"
    assert is_absolute("::x") and is_absolute("h::x") and not is_absolute("a:b::c")


@pytest.mark.parametrize("login", ["u\udc80", "u\udc80:p\udcff", "\udcc3\udca9:x", "%80", "\u00e9\udcff:%ff"])
def test_a_user_need_not_be_utf_8(login: str) -> None:
    location = parse(f"http://{login}@h/k")
    assert str(location).isascii() and parse(str(location)).user == location.user


@given(st.binary(max_size=20), st.binary(max_size=20))
def test_any_bytes_may_be_user_and_password(user: bytes, password: bytes) -> None:
    location = Location("http", "h", "k", None, decode(user), decode(password))
    assert (parse(str(location)).user or "") == decode(user)


def test_where_a_signature_is() -> None:
    """A query stays at the end; to TFTP a question mark is part of the name."""
    for url, signature in (
        ("http://h/a/k", "http://h/a/k.sig"),
        ("https://u@h:8/k?arch=x86", "https://u@h:8/k.sig?arch=x86"),
        ("tftp://h/k", "tftp://h/k.sig"),
        ("tftp://h/k%3Fa", "tftp://h/k%3Fa.sig"),
    ):
        assert str(parse(url).signature) == signature_of(url) == signature
