from __future__ import annotations

import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Optional

import dns.message
import dns.rdatatype
import dns.rrset
import pytest

from pypxeboot.net import resolver as resolve

Reply = Callable[[dns.message.Message], Optional[bytes]]


class Server:
    """A name server on loopback: ``reply`` makes the answer of a question, over UDP and TCP."""

    def __init__(
        self, udp: Reply, tcp: Optional[Reply] = None, address: str = "127.0.0.1", port: int = 0
    ) -> None:
        self.asked: list[str] = []
        self._udp, self._tcp = _same_port(address, port)
        self.port: int = self._udp.getsockname()[1]
        self._replies = (udp, tcp or udp)
        for serve in (self._serve_udp, self._serve_tcp):
            threading.Thread(target=serve, daemon=True).start()

    def _serve_udp(self) -> None:
        while True:
            try:
                data, peer = self._udp.recvfrom(4096)
                reply = self._answer(data, self._replies[0]) if data else None
                if reply is not None:
                    self._udp.sendto(reply, peer)
            except OSError:
                return

    def _serve_tcp(self) -> None:
        while True:
            try:
                conn, _ = self._tcp.accept()
            except OSError:
                return
            with conn:
                data = conn.recv(4096)
                reply = self._answer(data[2:], self._replies[1])
                if reply is not None:
                    conn.sendall(struct.pack(">H", len(reply)) + reply)

    def _answer(self, data: bytes, reply: Reply) -> Optional[bytes]:
        query = dns.message.from_wire(data)
        self.asked.append(str(query.question[0]).replace(" IN", ""))
        return reply(query)

    def close(self) -> None:
        for sock in (self._udp, self._tcp):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()


def _same_port(address: str, port: int) -> tuple[socket.socket, socket.socket]:
    """A socket of UDP and one of TCP; with ``port`` 0, on any that both have free."""
    while True:
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind((address, port))
        try:
            return udp, socket.create_server((address, udp.getsockname()[1]))
        except OSError:
            udp.close()
            if port:
                raise


@contextmanager
def server(
    udp: Reply, tcp: Optional[Reply] = None, address: str = "127.0.0.1", port: int = 0
) -> Iterator[Server]:
    running = Server(udp, tcp, address, port)
    try:
        yield running
    finally:
        running.close()


def zone(*records: str, code: int = 3) -> Callable[[dns.message.Message], bytes]:
    """Answers from lines of ``NAME A ADDRESS``; ``code`` for names that are not there (3: NXDOMAIN)."""

    def reply(query: dns.message.Message) -> bytes:
        response = dns.message.make_response(query)
        question = query.question[0]
        names = {record.split()[0] for record in records}
        wanted = str(question.name)
        for record in records:
            name, kind, value = record.split()
            if name == wanted and kind in (dns.rdatatype.to_text(question.rdtype), "CNAME"):
                response.answer.append(dns.rrset.from_text(name, 60, "IN", kind, value))
                wanted = value if kind == "CNAME" else wanted
        if not response.answer and str(question.name) not in names:
            response.set_rcode(code)  # type: ignore[arg-type]
        return response.to_wire()

    return reply


def silent(query: dns.message.Message) -> None:
    return None


def fails(resolver: resolve.Resolver, name: str) -> str:
    with pytest.raises(socket.gaierror) as caught:
        resolver.addresses(name)
    return str(caught.value.strerror)


def test_address_of_a_name() -> None:
    with server(zone("boot.example. A 192.0.2.1", "boot.example. A 192.0.2.2")) as ns:
        resolver = resolve.Resolver(["127.0.0.1"], port=ns.port)
        assert sorted(resolver.addresses("boot.example")) == ["192.0.2.1", "192.0.2.2"]
        assert resolver.addresses("boot.example") and ns.asked == ["boot.example. A"]


def test_alias() -> None:
    with server(zone("www.example. CNAME boot.example.", "boot.example. A 192.0.2.1")) as ns:
        assert resolve.Resolver(["127.0.0.1"], port=ns.port).addresses("www.example") == ["192.0.2.1"]


def test_ipv6_where_there_is_no_ipv4() -> None:
    with server(zone("six.example. AAAA 2001:db8::1")) as ns:
        assert resolve.Resolver(["127.0.0.1"], port=ns.port).addresses("six.example") == ["2001:db8::1"]
        assert ns.asked == ["six.example. A", "six.example. AAAA"]


def test_the_own_family_is_asked_for_first() -> None:
    with server(zone("two.example. A 192.0.2.1", "two.example. AAAA 2001:db8::1", "old. A 192.0.2.9")) as ns:
        resolver = resolve.Resolver(["127.0.0.1"], family=6, port=ns.port)
        assert resolver.addresses("two.example") == ["2001:db8::1"]
        assert resolver.addresses("old") == ["192.0.2.9"], "a name of the other one is a name all the same"


def test_search_list_is_for_names_without_a_dot() -> None:
    with server(zone("boot.b.example. A 192.0.2.1", "boot.b. A 192.0.2.2")) as ns:
        resolver = resolve.Resolver(["127.0.0.1"], ["a.example", "b.example.", "bad domain"], port=ns.port)
        assert resolver.addresses("boot") == ["192.0.2.1"]
        assert resolver.addresses("boot.b") == ["192.0.2.2"]
        assert fails(resolver, "boot.a") == "the DNS does not know that name"
        assert ns.asked == [
            "boot.a.example. A", "boot.a.example. AAAA", "boot.b.example. A",
            "boot.b. A", "boot.a. A", "boot.a. AAAA",
        ]  # fmt: skip


def test_next_server_when_one_is_silent_or_fails() -> None:
    good = zone("boot.example. A 192.0.2.1")
    with server(silent, address="127.0.0.1") as first:
        with server(zone(code=2), address="127.0.0.2", port=first.port):
            with server(good, address="127.0.0.3", port=first.port):
                servers = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
                resolver = resolve.Resolver(servers, wait=0.2, port=first.port)
                assert resolver.addresses("boot.example") == ["192.0.2.1"]


def test_domain_whose_servers_fail_does_not_hide_the_next() -> None:
    fine = zone("boot.b.example. A 192.0.2.1")

    def reply(query: dns.message.Message) -> bytes:
        return zone(code=2)(query) if "a.example" in str(query.question[0]) else fine(query)

    with server(reply) as ns:
        resolver = resolve.Resolver(["127.0.0.1"], ["a.example", "b.example"], port=ns.port)
        assert resolver.addresses("boot") == ["192.0.2.1"]
        assert "127.0.0.1 says SERVFAIL" in fails(resolver, "x.a.example")


def test_all_servers_are_silent() -> None:
    with server(silent) as ns:
        resolver = resolve.Resolver(["127.0.0.1"], ["a", "b", "c"], wait=0.2, lifetime=0.6, port=ns.port)
        assert "no DNS server answers" in fails(resolver, "boot")
        assert len(ns.asked) == 2


def test_lifetime_is_for_all_questions_together() -> None:
    def slow(query: dns.message.Message) -> bytes:
        time.sleep(0.15)
        return zone()(query)

    with server(slow) as ns:
        resolver = resolve.Resolver(["127.0.0.1"], list("abcdef"), wait=1, lifetime=0.4, port=ns.port)
        fails(resolver, "boot")
        assert len(ns.asked) < 6


def test_long_answer_comes_by_tcp() -> None:
    def cut(query: dns.message.Message) -> bytes:
        response = dns.message.make_response(query)
        response.flags |= 0x0200  # TC
        return response.to_wire()

    with server(cut, zone("boot.example. A 192.0.2.1")) as ns:
        assert resolve.Resolver(["127.0.0.1"], port=ns.port).addresses("boot.example") == ["192.0.2.1"]
        assert ns.asked == ["boot.example. A", "boot.example. A"]


def test_answers_of_others_do_not_count() -> None:
    """Another host answers first, with another address; so does the server, to a question nobody asked."""
    good = zone("boot.example. A 192.0.2.1")

    def forged(query: dns.message.Message) -> bytes:
        other = dns.message.make_query("evil.example", "A")
        other.id = query.id ^ 1
        return zone("evil.example. A 192.0.2.66")(other)

    with server(forged) as liar, server(good, address="127.0.0.2", port=liar.port):
        resolver = resolve.Resolver(["127.0.0.1", "127.0.0.2"], wait=0.2, port=liar.port)
        assert resolver.addresses("boot.example") == ["192.0.2.1"]


@pytest.mark.parametrize("garbage", [b"", b"x", bytes(11), bytes(12), b"\xff" * 512])
def test_garbage_is_no_answer(garbage: bytes) -> None:
    with server(lambda query: query.id.to_bytes(2, "big") + garbage) as ns:
        resolver = resolve.Resolver(["127.0.0.1"], wait=0.1, port=ns.port)
        assert fails(resolver, "boot.example")


@pytest.mark.parametrize("name", ["", ".", "a b", "a/b", "-", "x" * 64, "a.\n", "\u00e4.example", "a\0b"])
def test_names_that_cannot_be(name: str) -> None:
    assert fails(resolve.Resolver(["127.0.0.1"]), name) == "no host can have that name"


def test_no_server() -> None:
    assert fails(resolve.Resolver([], ["example"]), "boot") == "DHCP gave no DNS server"


@contextmanager
def installed(resolver: resolve.Resolver) -> Iterator[None]:
    restore = resolve.install(resolver, "lo")
    try:
        yield
    finally:
        restore()


def test_getaddrinfo_asks_the_resolver_only() -> None:
    """Even of localhost, which stands in every /etc/hosts."""
    with server(zone("localhost. A 192.0.2.1", "six.example. AAAA 2001:db8::1")) as ns:
        with installed(resolve.Resolver(["127.0.0.1"], port=ns.port)):
            (info,) = socket.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)
            assert info[0] == socket.AF_INET and info[4] == ("192.0.2.1", 80)
            assert socket.getaddrinfo(b"localhost", "80", socket.AF_INET)
            (info,) = socket.getaddrinfo("six.example", 80, type=socket.SOCK_STREAM)
            assert info[4][:2] == ("2001:db8::1", 80)
            with pytest.raises(socket.gaierror, match="family"):
                socket.getaddrinfo("localhost", 80, socket.AF_INET6)
            with pytest.raises(socket.gaierror, match="does not know"):
                socket.create_connection(("ip6-localhost", 9))


def test_getaddrinfo_of_numbers_asks_nobody() -> None:
    with installed(resolve.Resolver([])):
        for host in ("127.0.0.1", "::1", None):
            assert socket.getaddrinfo(host, 80)
        with pytest.raises(socket.gaierror, match="DHCP gave no DNS server"):
            socket.getaddrinfo("boot", 80)
    assert socket.getaddrinfo("localhost", 80)


def test_dnspython_is_imported_on_first_use() -> None:
    code = "import sys; from pypxeboot.net import resolver as resolve; assert 'dns' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_after_prepare_nothing_is_imported() -> None:
    """Where that fails, an address comes out as if it were of a type nobody knows."""
    records = ("www.example. CNAME boot.example.", "boot.example. A 192.0.2.1", "six.example. AAAA ::1")
    with server(zone(*records)) as ns:
        code = (
            "import sys\n"
            "from pypxeboot.net import resolver as resolve\n"
            "resolve.prepare()\n"
            "before = set(sys.modules)\n"
            f"resolver = resolve.Resolver(['127.0.0.1'], port={ns.port})\n"
            "print(resolver.addresses('www.example'), resolver.addresses('six.example'))\n"
            "assert set(sys.modules) == before, set(sys.modules) - before\n"
        )
        run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert run.stdout == "['192.0.2.1'] ['::1']\n"


@pytest.mark.skipif(not shutil.which("dnsmasq"), reason="no dnsmasq")
def test_dnsmasq(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.9", 0)) as probe:
        port = probe.getsockname()[1]
    many = [f"--host-record=many.site.example,192.0.2.{number}" for number in range(1, 100)]
    command = [
        "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
        "--listen-address=127.0.0.9", "--bind-interfaces", f"--port={port}", f"--pid-file={tmp_path}/pid",
        "--host-record=boot.site.example,192.0.2.7", "--cname=www.site.example,boot.site.example",
        "--host-record=six.site.example,2001:db8::7", "--local=/site.example/", *many,
    ]  # fmt: skip
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        resolver = resolve.Resolver(["127.0.0.9"], ["site.example"], wait=1, port=port)
        for _ in range(50):
            with socket.socket() as sock:
                if not sock.connect_ex(("127.0.0.9", port)):
                    break
            time.sleep(0.05)
        assert resolver.addresses("boot") == ["192.0.2.7"]
        assert resolver.addresses("www.site.example") == ["192.0.2.7"]
        assert resolver.addresses("six") == ["2001:db8::7"]
        assert resolver.addresses("many")
        assert "not know" in fails(resolver, "none.site.example")
        assert "127.0.0.9 says REFUSED" in fails(resolver, "none")
    finally:
        process.terminate()
        process.wait()
