"""iPXE, with random scripts of its language."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import Any
from unittest import mock

from pypxeboot.bootsource import BootRequest
from pypxeboot.dhcp import boot_info
from pypxeboot.entry import Action
from pypxeboot.errors import PxeBootError
from pypxeboot.guest import Guest
from pypxeboot.ipxe import boot
from pypxeboot.ipxe.engine import stack
from tests.support.differ.case import Outcome, Texts, booted
from tests.support.recorded import boots
from tests.support.recorded.leases import lease_of
from tests.support.recorded.replay import Replay

_NAMES = ("x", "y", "z", "net0/x", "a.b", "n:int8", "n:uint16", "n:int32", "h:hex", "h:hexraw", "u:uristring")
# Values that a type may take or refuse, by their types.
_TYPED = (
    "ip4:ipv4 10.1.2.3",
    "ip4:ipv4 10.1.2",
    "a6:ipv6 fe80::1",
    "a6:ipv6 fd77:0:0::5%net0",
    "b64:base64 AQIDBA==",
    "b64:base64 a b",
    "id:uuid 00112233-4455-6677-8899-aabbccddeeff",
    "id:guid 00112233-4455-6677-8899-aabbccddeeff",
    "id:uuid 00112233",
    "bus:busdevfn 0000:00:02.1",
    "hyp:hexhyp 01-02-0a",
    "hyp:hexhyp 1-2-zz",
    "n:uint8 256",
    "n:int16 0x8000",
    "n:uint32 -1",
    "u:uristring a b%20c%",
    "h:hex 0:1:fF",
    "s:string ${h}",
    "d:dnssl a.test b.test",
)
_VALUES = (
    "1",
    "7",
    "0x1f",
    "010",
    "-1",
    "300",
    "ab",
    "a b",
    "01:02",
    "0102",
    "a%20b",
    "${y}",
    "${x}${x}",
    "",
    "/",
)
_SHOWN = (
    "x",
    "y",
    "z",
    "n",
    "h",
    "u",
    "net0/x",
    "n:int8",
    "x:hex",
    "h:hexhyp",
    "u:string",
    "mac",
    "mac:hexhyp",
    "ip",
    "net0/ip",
    "netmask",
    "gateway",
    "dns",
    "uuid",
    "filename",
    "next-server",
    "errno",
    "cwuri",
    "cwduri",
    "platform",
    "busloc",
    "busid",
    "net0/chip",
    "net0/bustype",
    "pci/16.0.2",
    "${y}",
    "nosuch",
    "x:nosuch",
    "66",
    "3:ipv4",
    "54:ipv4",
    "hostname",
    "net0.dhcp/ip",
    "manufacturer",
    "netX/mac",
    "ip4",
    "ip4:hex",
    "ip4:uint32",
    "a6",
    "a6:hexhyp",
    "b64",
    "b64:hex",
    "b64:string",
    "id",
    "id:guid",
    "id:hexraw",
    "uuid:guid",
    "uuid:base64",
    "bus",
    "bus:hex",
    "hyp",
    "n:uint8",
    "n:int16",
    "n:hexhyp",
    "s",
    "s:hex",
    "x:base64",
    "x:uristring",
    "x:ipv4",
    "mac:hexraw",
    "mac:base64",
    "mac:string",
    "ip:hex",
    "ip:uint32",
    "dns:ipv4",
    "d:hex",
    "net0/filename",
    "dhcp-server",
    "net0/dhcp-server:hex",
    "keep-san",
    "v",
    "v:ipv4",
)
# No file that is neither kernel nor script is run: the real one takes any for a boot program, and hangs.
_FILES = (
    "k1",
    "k2",
    "k3",
    "sub/k1",
    "k1",
    "nosuch",
    "http://10.77.0.1/k2",
    "http://10.77.0.1//k3",
    "./k1",
    "../k2",
    "/k3",
    "sub/../k1",
    "k1?q=1",
    "k1#f",
    "http://10.77.0.1:80/k1",
    "http://10.77.0.1:/k1",
    "k%31",
    "k1?a b",
    "tftp://10.77.0.1/k2",
    "foo:bar",
    "http:k1",
    "?q",
    "k2?a=${x}&b={|}",
    "http://u:p@10.77.0.1/k1",
)
_SCRIPTS = (
    "s1",
    "s2",
    "sub/s3",
    "http://10.77.0.1/s1",
    "s1?x=${x:uristring}",
    "--autofree s1",
    "--replace s2",
)
_LABELS = ("l1", "l2", "l3")

# Commands that scripts use less, of those that Debian builds in: one of what stands in brackets, and for
# SHOWN the value of a setting.
_OTHER = (
    "[module|imgload|imgexec|chain|boot] [nosuch|foo:bar|]",
    "colour [1|--basic 2 3|--rgb 0x123456 4|x|--rgb q 1]",
    "cpair [1|--foreground 2 --background 3 0|-f 9 x]",
    "[certstat|certstat --subject x|help|sync|iflinkwait --timeout 3000 net0]",
    "vcreate [--tag 5 net0|--tag 5 net9|--tag 99999 net0]",
    "item [--default |--key 0x41 --default |--menu m |--hotkey b |--key ab ]d D",
    "choose --timeout 1 [--retimeout 1 |--default nosuch |--default c ][x|y|z]",
    "echo -n SHOWN",
    "show SETTING",
    'set [x|y|z] ["q r"|a#b|a # b|a;b|$x|${|}]',
    "set x a||b",
    "exit [${x}|0 1|-1|--nosuch]",
    "imgargs IMAGE --nosuch SHOWN",
    "kernel --name [kk|k2|a/b] [k1|k2] x SHOWN",
    "[imgselect|imgstat|imgfree] [kk|e|k*]",
)

# None of the scripts that end takes more steps.
_STEPS = 5_000
# What the budget of a script (pypxeboot/ipxe/engine/stack.py) says of one that would go on for ever.
_ENDLESS = ("steps and boots nothing", "without end", "more than anybody could read")


class Ipxe:
    """iPXE 2.0 of Debian's package ipxe-qemu."""

    boot_file = "http://10.77.0.1/boot.ipxe"
    http = True

    def program(self) -> Mapping[str, bytes]:
        """Nothing: it is QEMU's option ROM."""
        return {}

    def make(self, random: Random) -> Texts:
        """Make a script, and those that it chains; each line that is jumped to is jumped to once or twice."""
        texts = {"boot.ipxe": self._script(random, random.randint(4, 14), chained=False)}
        for name in ("s1", "s2", "sub/s3"):
            if any(name in text for text in list(texts.values())):
                texts[name] = self._script(random, random.randint(1, 6), chained=True)
        return texts

    def _script(self, random: Random, count: int, *, chained: bool) -> str:
        lines = ["#!ipxe"]
        labels = list(_LABELS) if not chained else []
        for _ in range(count):
            if labels and random.random() < 0.12:
                lines.append(f":{labels.pop(0)}")
            lines.append(self._line(random, chained))
        lines += [f":{label}" for label in labels]
        if not chained:
            shown = " ".join(f"${{{name}}}" for name in random.sample(_SHOWN, 3))
            lines.append(f"kernel {random.choice(('k1', 'k2'))} end x=${{x}} y=${{y}} n=${{n:int32}} {shown}")
            lines.append("boot")
        return "\n".join(lines) + ("\n" if random.random() < 0.9 else "")

    def _line(self, random: Random, chained: bool) -> str:
        words = [self._command(random, chained)]
        for _ in range(random.choice((0, 0, 1, 1, 2))):
            words += [random.choice(("||", "&&", "||", ";")), self._command(random, chained)]
        line = " ".join(words) + random.choice((" ||", "", " ||", " || echo failed"))
        if random.random() < 0.04:
            line += " # a comment"
        if random.random() < 0.04:
            line = random.choice(("  ", "\t")) + line
        if random.random() < 0.04:
            line = line.replace(" ", " \\\n ", 1)
        return line + ("\r" if random.random() < 0.03 else "")

    def _command(self, random: Random, chained: bool) -> str:
        name, value = random.choice(_NAMES), random.choice(_VALUES)
        shown = f"${{{random.choice(_SHOWN)}}}"
        file = random.choice(_FILES)
        choices = [
            *[f"set {name} {value}"] * 5,
            f"set {name} {shown}",
            f"clear {name}",
            f"inc {name} {random.choice(('', '1', '-1', '0x10', 'q'))}",
            f"isset {shown}",
            f"iseq {shown} {value}",
            f"show {random.choice(_SHOWN)}",
            f"echo {shown} {value}",
            *[f"kernel {file} {random.choice(('', 'a=1', 'a ' + shown, '  b   c '))}"] * 4,
            *[f"initrd {random.choice(('', '--name n ', '--autofree '))}{self._ramdisk(random)}"] * 3,
            f"imgfetch {random.choice(('', '--name k1 ', '--timeout 5000 '))}{file}",
            f"imgselect {random.choice(('k1', 'k2', 'nosuch'))}",
            f"imgargs {random.choice(('k1', 'k2', 'i1', 'n'))} {random.choice(('', 'z=1', shown))}",
            f"imgfree {random.choice(('', 'k1', 'i1', 'n'))}",
            "imgstat",
            f"exit {random.choice(('', '0', '1', '0x10', 'q'))}",
            f"item {random.choice(('', '--gap -- ', '--key a '))}{random.choice(('a A', 'b', 'c C C'))}",
            f"menu {random.choice(('', 'Title', '--name m Other'))}",
            f"choose {random.choice(('', '--default b ', '--keep ', '--menu m '))}--timeout 1 x",
            f"cpuid {random.choice(('--ext 29', '5', '--ecx 31', '--ecx 5', '99'))}",
            "nosuchcommand",
            "kernel",
            f"{random.choice(('set', 'kernel', 'iseq', 'initrd'))} --nosuch x",
            "sleep 0",
            "boot" if random.random() < 0.3 else "ifstat",
            "dhcp" if random.random() < 0.2 else "route",
            f"prompt --timeout 1 {shown}",
            "lspci",
            *[self._other(random, shown, file)] * 12,
            f"console {random.choice(('', '--picture i1', '--picture nosuch'))}",
        ]
        if not chained:
            choices += [
                f"goto {random.choice((*_LABELS, 'nosuch'))}" if random.random() < 0.5 else "ifopen net0"
            ] * 2
            choices += [f"chain {random.choice(_SCRIPTS)}"] * 3
        return random.choice(choices)

    def _other(self, random: Random, shown: str, file: str) -> str:
        """Return one of the commands that scripts use less."""
        if random.random() < 0.15:
            return f"set {random.choice(_TYPED)}"
        text = re.sub(r"\[(.*?)\]", lambda match: random.choice(match[1].split("|")), random.choice(_OTHER))
        image = random.choice(("k1", "k2", "i1", "i2", "n", "nosuch"))
        words = {"SHOWN": shown, "FILE": file, "IMAGE": image, "SETTING": random.choice(_SHOWN)}
        return re.sub("|".join(words), lambda match: words[match[0]], text)

    def _ramdisk(self, random: Random) -> str:
        file = random.choice(("i1", "i2", "sub/i1", "nosuch", "i1?q={x}", "http://10.77.0.1/i2"))
        words = ("", "", "/etc/f", "/a/b/f mode=755", "f mkdir=-1", "/a/b mkdir=1")
        return f"{file} {random.choice(words)}".rstrip()

    def ours(self, raw: dict[str, Any], files: Mapping[str, bytes]) -> Outcome:
        """Boot a case with nobody at the terminal."""
        case = replace(boots.case_of(raw, "ipxe"), files=dict(files))
        lease = lease_of(case)
        replay = Replay(lambda location: case.served(location.scheme, location.host, location.path))

        def asked() -> tuple[str, ...]:
            return tuple(
                f"{form.method if form else 'GET'} /{location.path}"
                for location, form in zip(replay.locations, replay.forms)
                if location.scheme == "http"
            )

        try:
            source = boot_info.boot_source(lease)
            with mock.patch.object(stack, "STEP_LIMIT", _STEPS):
                got = replay.drive(boot.boot(BootRequest(source, Guest(mac=case.mac, uuid=case.uuid), lease)))
        except PxeBootError as error:
            return Outcome(requests=asked(), endless=any(what in error.message for what in _ENDLESS))
        if got.entry.action is not Action.BOOT:
            return Outcome(local=True, requests=asked())
        tag = boots.tag_of(replay.kernel or b"")
        return booted(tag, got.entry.cmdline, replay.ramdisk, asked())

    def explain(self, texts: Texts, real: Outcome, ours: Outcome) -> str:
        """Name the difference on purpose that a script shows."""
        if real.kernel is None and "without end" in ours.cmdline:
            return "a script that runs itself for ever ends at once"
        if tuple(re.sub("%FFFFFF(?=[8-F])", "%", what) for what in real.requests) == ours.requests:
            return "a byte over 127 is one byte in a request, not a number below zero"
        return ""
