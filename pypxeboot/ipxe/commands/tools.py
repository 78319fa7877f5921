"""The iPXE commands about files and requests: digests, signatures, archives, parameters; and cpuid."""

from __future__ import annotations

from pypxeboot.effects import ComputeDigest, ScriptFile, Steps, Unpack, Verify
from pypxeboot.ipxe.commands.download import acquire
from pypxeboot.ipxe.commands.table import CommandTable
from pypxeboot.ipxe.engine.assign import keep
from pypxeboot.ipxe.engine.images import Image
from pypxeboot.ipxe.engine.machine import Machine
from pypxeboot.ipxe.engine.options import CommandCall, integer, syntax
from pypxeboot.ipxe.engine.setting_types import TYPES
from pypxeboot.ipxe.engine.settings import Value
from pypxeboot.ipxe.engine.status import Status

# What a setting can be set to. It is to be expanded, and no longer word can be.
_SETTING_LIMIT = 64 << 10

# CPUID bits that every processor of an architecture has that a guest can be given.
_BASIC = {0, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 19, 23, 24, 25, 26}
# SSE3, CMPXCHG16B; and the one that says that there is a hypervisor.
_BASIC_ECX = {0, 13, 31}
_PROCESSORS = {
    "x86_64": {
        (False, False): _BASIC,
        (False, True): _BASIC_ECX,
        (True, False): _BASIC - {11, 19, 25, 26} | {11, 20, 29},
    },
    "i386": {
        (False, False): _BASIC - {26},
        (False, True): _BASIC_ECX,
        (True, False): _BASIC - {11, 19, 25, 26} | {20},
    },
}
_DIGEST = syntax(1, None, "<image>", "set/s=")

COMMANDS = CommandTable()


@COMMANDS.command("md5sum sha1sum sha224sum sha256sum", _DIGEST)
@COMMANDS.command("sha384sum sha512sum sha512_224sum sha512_256sum", _DIGEST)
def _digest(machine: Machine, call: CommandCall) -> Steps[int]:
    """Print, or store, the digest of each image; the algorithm is what the command is called after."""
    for name in call.args:
        image, status = yield from acquire(machine, name)
        if image is None:
            return status
        text: str = yield ComputeDigest(image.handle, call.name[: -len("sum")])
        if not text:
            return (yield from machine.fail(f"Could not digest {image.name}", Status.UNSUPPORTED))
        setting = call.text("set")
        if setting is None:
            yield from machine.say(f"{text}  {image.name}")
            continue
        status = yield from keep(machine, setting, Value(bytes.fromhex(text), TYPES["hexraw"]))
        if status:
            return status
    return Status.OK


@COMMANDS.command(
    "imgverify", syntax(2, 2, "<uri|image> <signature uri|image>", "signer/s= keep/k timeout/t#")
)
def _verify(machine: Machine, call: CommandCall) -> Steps[int]:
    """Check a signature; what passes is trusted."""
    image, status = yield from acquire(machine, call.args[0], call.seconds())
    if image is None:
        return status
    signature, status = yield from acquire(machine, call.args[1], call.seconds())
    if signature is None:
        return status
    wrong: str = yield Verify(image.handle, signature.handle, call.text("signer") or "")
    if not call.has("keep"):
        yield from machine.images.free(signature)
    image.trusted = not wrong
    if wrong:
        return (yield from machine.refuse(f"Could not verify image: {wrong}", Status.DENIED))
    return Status.OK


@COMMANDS.command("imgtrust", syntax(0, 0, "", "allow/a permanent/p"))
def _trust(machine: Machine, call: CommandCall) -> Steps[int]:
    """Say whether only verified images may run; ``--permanent`` ends the discussion."""
    required = not call.has("allow")
    if not machine.images.require_trust(required, permanent=call.has("permanent")):
        return (yield from machine.fail("Could not set image trust requirement", Status.DENIED))
    return Status.OK


@COMMANDS.command("imgextract", syntax(1, 1, "<uri|image>", "name/n= keep/k timeout/t#"))
def _extract(machine: Machine, call: CommandCall) -> Steps[int]:
    image, status = yield from acquire(machine, call.args[0], call.seconds())
    if image is None:
        return status
    kept: ScriptFile = yield Unpack(image.handle)
    if not call.has("keep"):
        yield from machine.images.free(image)
    if kept.handle is None:
        return (yield from machine.refuse(f"Could not extract image: {kept.error}", Status.UNSUPPORTED))
    plain = image.name.rpartition(".")[0] or image.name
    name = call.text("name") or plain
    extracted = Image(name, image.uri, image.location, kept.handle, kept.size, kept.head, image.cmdline)
    machine.images.add(extracted)
    return Status.OK


@COMMANDS.command("imgset", syntax(2, 2, "<setting> <uri|image>", "timeout/t# keep/k quiet/q"))
def _into_setting(machine: Machine, call: CommandCall) -> Steps[int]:
    """``imgset``: the content of a file as a setting."""
    image, status = yield from acquire(machine, call.args[1], call.seconds(), call.has("quiet"))
    if image is None:
        return status
    data = yield from image.read(_SETTING_LIMIT)
    if data is None:
        status = yield from machine.fail(f'Could not store "{call.args[0]}"', Status.NO_SPACE)
    else:
        status = yield from keep(machine, call.args[0], Value(data, TYPES["string"]))
    if not call.has("keep"):
        yield from machine.images.free(image)
    return status


@COMMANDS.command("params", syntax(0, 0, "", "name/n= delete/d method/m=+"))
def _params(machine: Machine, call: CommandCall) -> Steps[int]:
    yield from ()
    name = call.text("name") or ""
    machine.parameters.remove(name)
    if not call.has("delete"):
        machine.parameters.create(name, (call.text("method") or "").upper())
    return Status.OK


@COMMANDS.command("param", syntax(1, None, "<name> [<value>...]", "params/p= header/H"))
def _param(machine: Machine, call: CommandCall) -> Steps[int]:
    name = call.text("params") or ""
    found = machine.parameters.find(name)
    if found is None:
        words = f'No parameter list "{name}"' if name else "No parameter list"
        return (yield from machine.refuse(words, Status.NOT_FOUND))
    machine.parameters.add(found, call.args[0], call.rest(1), header=call.has("header"))
    return Status.OK


@COMMANDS.command("cpuid", syntax(1, 1, "<bit>", "ext/e amd/a ecx/c"))
def _cpuid(machine: Machine, call: CommandCall) -> Steps[int]:
    """Whether the processor has a feature; "``cpuid --ext 29``: success (long mode) for x86-64 guests"."""
    yield from ()
    bit = integer(call.args[0]) % 32
    extended = call.has("ext") or call.has("amd")
    bits = _PROCESSORS.get(machine.request.guest.arch, {}).get((extended, call.has("ecx")), set())
    return Status.OK if bit in bits else Status.NO_SUCH_FEATURE


@COMMANDS.command("imgdecrypt", syntax(2, 2, "<uri|image> <envelope uri|image>", "name/n= keep/k timeout/t#"))
@COMMANDS.command("imgmem", syntax(2, 2, "<address> <length>", "name/n="))
def _no_memory(machine: Machine, call: CommandCall) -> Steps[int]:
    return (yield from machine.fail(f"Could not {call.name}", Status.UNSUPPORTED))
