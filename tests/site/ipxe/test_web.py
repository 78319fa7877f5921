"""What scripts ask of web servers: forms, passwords, patience; against lighttpd and its CGI programs."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Union

import pytest

from pypxeboot.fetch.http import auth as httplogin
from tests.support.ground import SERVER, Run, Site, servers
from tests.support.ground.kernels import dummy
from tests.support.ground.servers import Offer
from tests.support.ground.simple import kernel_of

# A CGI program whose answer is a script that says what it was asked with.
ECHO = """#!/bin/sh
body=$(head -c "${CONTENT_LENGTH:-0}")
printf 'Content-Type: text/plain\\r\\n\\r\\n#!ipxe\\n'
printf 'kernel /vmlinuz method=%s type=%s head=%s agent=%s body=%s ' \\
    "$REQUEST_METHOD" "$CONTENT_TYPE" "$HTTP_X_TEST" "$HTTP_USER_AGENT" "$body"
printf 'accept=%s coding=%s connection=%s\\nboot\\n' "$HTTP_ACCEPT" "$HTTP_ACCEPT_ENCODING" "$HTTP_CONNECTION"
"""

# Busy twice, says when to come again, and then has a script.
BUSY = """#!/bin/sh
count=$(cat count 2>/dev/null || echo 0)
echo $((count + 1)) >count
if [ "$count" -lt 2 ]; then
    printf 'Status: 503\\r\\n%s\\r\\n\\r\\nbusy\\n' "$(cat header)"
else
    printf 'Content-Type: text/plain\\r\\n\\r\\n#!ipxe\\nkernel /vmlinuz tries=%s\\nboot\\n' "$count"
fi
"""


def boot(site: Site, script: str, extra: str = "", **files: Union[str, bytes]) -> Run:
    """Boot ``script`` from TFTP; the web server has a kernel, the programs above and ``files``."""
    web = {"vmlinuz": dummy("vmlinuz"), "echo.cgi": ECHO, "busy.cgi": BUSY, **files}
    root = servers.plant(site.directory / "web", web)
    boot_script = servers.plant(site.directory / "tftp", {"boot.ipxe": f"#!ipxe\n{script}\n"})
    servers.dnsmasq(site, boot_script, Offer(filename="boot.ipxe"))
    servers.lighttpd(site, root, extra)
    run = site.boot("-v")
    left = [run.result["kernel"]["path"]] if run.rc == 0 and run.result["kernel"] else []
    site.assert_nothing_left([Path(path).name for path in left])
    return run


def words(run: Run) -> dict[str, str]:
    """The command line of what booted, which must be a script's choice."""
    assert run.ok().result["action"] == "boot", str(run)
    return dict(word.partition("=")[::2] for word in run.result["cmdline"].split())


def test_a_form_is_posted(site: Site) -> None:
    script = (
        "params\nparam mac ${mac}\nparam note a b&c\nparam --header X-Test seen\n"
        f"chain http://{SERVER}/echo.cgi##params"
    )
    said = words(boot(site, script))
    assert said["method"] == "POST" and said["type"] == "application/x-www-form-urlencoded"
    assert (said["head"], said["body"]) == ("seen", "mac=52%3A54%3A00%3Aab%3Acd%3Aef&note=a%20b%26c")


def test_what_a_server_hears_of_an_ipxe(site: Site) -> None:
    said = words(boot(site, f"chain http://{SERVER}/echo.cgi"))
    assert (said["method"], said["type"], said["body"]) == ("GET", "", "")
    assert re.fullmatch(r"iPXE/[0-9.]+", said["agent"])
    assert (said["accept"], said["coding"], said["connection"]) == ("", "", "keep-alive")


@pytest.mark.parametrize(
    ("lines", "sent"),
    [
        ("params\nparam --header X-Test seen", ("GET", "seen", "")),
        ("params", ("GET", "", "")),
        ("params --method PUT\nparam a b", ("PUT", "", "a=b")),
    ],
)
def test_the_method_of_parameters(site: Site, lines: str, sent: tuple[str, str, str]) -> None:
    """Headers alone, and a list with nothing in it, go by GET."""
    said = words(boot(site, f"{lines}\nchain http://{SERVER}/echo.cgi##params"))
    assert (said["method"], said["head"], said["body"]) == sent


def test_a_boot_file_that_a_server_has_for_an_ipxe_only(site: Site) -> None:
    root = servers.plant(site.directory / "web", {"echo.cgi": ECHO, "vmlinuz": dummy("vmlinuz")})
    servers.dnsmasq(site, None, Offer(filename=f"http://{SERVER}/echo.cgi"))
    servers.lighttpd(site, root)
    assert words(site.boot())["agent"].startswith("iPXE/")


@pytest.mark.parametrize("header", ["Retry-After: 1", "Retry-After: 0"])
def test_a_busy_server_is_asked_again_when_it_says(site: Site, header: str) -> None:
    run = boot(site, f"chain http://{SERVER}/busy.cgi", header=header)
    assert words(run) == {"tries": "2"}
    assert run.stderr.count("503 Service Unavailable, again in") == 2


def test_a_busy_server_that_does_not_say_when_is_a_failure(site: Site) -> None:
    run = boot(
        site, f"chain http://{SERVER}/busy.cgi || kernel http://{SERVER}/vmlinuz x=1\nboot", header="X: 1"
    )
    assert words(run) == {"x": "1"}


def test_a_server_that_is_busy_beyond_the_deadline(site: Site) -> None:
    script = f"chain http://{SERVER}/busy.cgi || kernel http://{SERVER}/vmlinuz x=1\nboot"
    run = boot(site, script, header="Retry-After: 99999")
    assert words(run) == {"x": "1"} and run.seconds < 30


def auth(method: str, site: Site) -> str:
    """Lines of lighttpd that want user and password (me, s3:cret) below /safe/, by ``method``."""
    path = site.directory / "users"
    hashed = hashlib.md5(b"me:the realm:s3:cret", usedforsecurity=False).hexdigest()
    path.write_text(f"me:the realm:{hashed}\n")
    rule = f'("method" => "{method}", "realm" => "the realm", "require" => "valid-user")'
    return (
        f'auth.backend = "htdigest"\nauth.backend.htdigest.userfile = "{path}"\n'
        f'auth.require = ("/safe/" => {rule})'
    )


@pytest.mark.parametrize("method", ["basic", "digest"])
def test_user_and_password_of_the_url(site: Site, method: str) -> None:
    script = f"kernel http://me:s3%3Acret@{SERVER}/safe/k%20k?q=1;2 a=1\nboot"
    run = boot(site, script, auth(method, site), **{"safe/k k": dummy("safe")})
    assert (words(run), kernel_of(run)) == ({"a": "1"}, dummy("safe"))
    assert run.result["kernel"]["url"] == f"http://me@{SERVER}/safe/k%20k?q=1;2"
    assert "cret" not in run.stderr + run.stdout.decode()


def test_user_and_password_of_the_settings(site: Site) -> None:
    login = "${username:uristring}:${password:uristring}"
    script = f"set username me\nset password s3:cret\nchain http://{login}@{SERVER}/safe/next.ipxe"
    next_script = "#!ipxe\nkernel k a=1\nboot\n"  # beside it, with the same password
    files = {"safe/next.ipxe": next_script, "safe/k": dummy("safe")}
    run = boot(site, script, auth("digest", site), **files)
    assert (words(run), kernel_of(run)) == ({"a": "1"}, dummy("safe"))


@pytest.mark.parametrize("method", ["basic", "digest"])
def test_a_server_that_asks_for_a_password_is_not_told_that_of_the_settings(site: Site, method: str) -> None:
    """They are for iSCSI and EAP; DHCP may have them, too, as 175.190 and 175.191."""
    script = (
        "set username me\nset password s3:cret\nset 175.190:string me\nset 175.191:string s3:cret\n"
        f"kernel http://{SERVER}/safe/k a=1 || kernel http://{SERVER}/vmlinuz x=1\nboot"
    )
    run = boot(site, script, auth(method, site), **{"safe/k": dummy("safe")})
    assert words(run) == {"x": "1"}
    assert [request["url"] for request in run.result["requests"]][-2:] == [
        f"http://{SERVER}/safe/k",
        f"http://{SERVER}/vmlinuz",
    ]


@pytest.mark.parametrize("method", ["basic", "digest"])
def test_a_redirect_behind_a_password(site: Site, method: str) -> None:
    redirect = 'server.modules += ("mod_redirect")\nurl.redirect = ("^/safe/old$" => "/safe/k")\n'
    script = f"kernel http://me:s3%3Acret@{SERVER}/safe/old a=1\nboot"
    run = boot(site, script, redirect + auth(method, site), **{"safe/k": dummy("safe")})
    assert (words(run), kernel_of(run)) == ({"a": "1"}, dummy("safe"))


def test_a_wrong_password_is_tried_once(site: Site) -> None:
    script = f"chain http://me:wrong@{SERVER}/safe/x || kernel http://{SERVER}/vmlinuz x=1\nboot"
    run = boot(site, script, auth("digest", site), **{"safe/x": "#!ipxe\n"})
    assert words(run) == {"x": "1"}


CHALLENGES = (
    ('Basic realm="r"', "Basic dTpw"),
    ('Digest realm="r", nonce="n", algorithm=X', None),
    ('Digest realm="r"', None),
    ('Digest realm="r", nonce="n", qop="auth-int"', None),
    ("Negotiate", None),
    ("", None),
    ('Digest realm="\r\nX: y", nonce="n"', None),
)


@pytest.mark.parametrize(("challenge", "answer"), CHALLENGES)
def test_challenges(challenge: str, answer: str) -> None:
    got = httplogin.answer([challenge], "u", "p", method="GET", target="/", cnonce="c")
    assert got == answer


def test_the_examples_of_rfc_7616() -> None:
    """Section 3.9.1: the same resource by SHA-256 and by MD5; the stronger is taken."""
    common = (
        'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={}, '
        'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", '
        'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
    )
    cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"

    def response(*algorithms: str) -> str:
        got = httplogin.answer(
            [common.format(name) for name in algorithms],
            *("Mufasa", "Circle of Life"),
            method="GET",
            target="/dir/index.html",
            cnonce=cnonce,
        )
        found = re.search('response="([^"]*)"', got or "")
        assert found
        return found[1]

    sha = "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
    assert response("SHA-256", "MD5") == sha == response("MD5", "SHA-256")
    assert response("MD5") == "8ca523f5e9506fed4657c9700eebdbec"
