"""What is said of a grub.cfg that boots nothing, or not what was meant: cause, place, what to do."""

from __future__ import annotations

import pytest

from pypxeboot.errors import PxeBootError
from tests.support.recorded.replay import Replay, grub_config

AFTER = "\nmenuentry Second { linux /k2 n=2; }\n"


def failed(text: str, **more: str) -> PxeBootError:
    with pytest.raises(PxeBootError) as caught:
        grub_config(text, files=more)
    return caught.value


def warned(text: str) -> str:
    _, replayed = grub_config(text + AFTER)
    (told,) = _of_syntax(replayed)
    return told


def _of_syntax(replayed: Replay) -> list[str]:
    return [told for told in replayed.warnings if "syntax error" in told]


@pytest.mark.parametrize(
    ("line", "wrong", "do"),
    [
        ('[ -n "$a" ] && set b=1', "&&", "GRUB has no &&: write if"),
        ('[ -n "$a" ] || set b=1', "||", "GRUB has no ||: write if"),
        ("linux /k url=http://x/?a=1&b=2", "&", "quote the word it stands in"),
        ("echo a | b", "|", "quote the word it stands in"),
        ("echo > /dev/null", ">", "GRUB redirects nothing"),
        ("function f {\n}", "}", "a command has to stand between { and } (true does nothing)"),
        ("function f { true }", "}", "in a function a ; behind the last"),
        ("set v=$((a+1))", "$", "a $ that is text has to be quoted"),
        ('set v="$((a+1))"', "$(", "GRUB has no $( )"),
        ('echo "${a:-b}"', "${", "GRUB knows ${name} alone"),
        ("; set b=1", ";", "no command in front of it"),
        ("fi", "fi", "is what it belongs to open there"),
        ("linux /k cc:{'a': ['b']}end_cc", "end_cc", "are the braces"),
    ],
)
def test_syntax_of_another_language(line: str, wrong: str, do: str) -> None:
    """It is a warning, as the real one shows an error, and goes on with the next line."""
    told = warned(f"# first\n{line}")
    assert told.startswith(f"GRUB: syntax error: {wrong}, in what begins at line 2 (") and do in told
    assert told.endswith("/grub/grub.cfg, line 2)")


@pytest.mark.parametrize(
    ("first", "what"),
    [
        ("if [[ a == a ]]; then\ntrue\nfi", "GRUB has no [[ ]]: write [ ]"),
        ("case a in\na) true ;;\nesac", "GRUB has no case: write if and elif"),
        ("menuentry a\n{\nlinux /k\n}", "a { stands on the line of its command"),
    ],
)
def test_the_first_wrong_line_of_several(first: str, what: str) -> None:
    _, replayed = grub_config(first + AFTER)
    assert what in _of_syntax(replayed)[0]


def test_what_follows_from_wrong_syntax_is_not_the_cause() -> None:
    error = failed("menuentry a {\n linux /k url=http://x/?a=1&b=2\n initrd /i\n}\n")
    assert error.message == "syntax error: &, in what begins at line 1"
    assert error.hint is not None and error.hint.startswith("a & has a meaning of its own")


def test_a_command_line_that_a_semicolon_ends() -> None:
    """``ds=nocloud-net;s=URL`` is the commonest of them: the real one sets a variable, and says nothing."""
    line = "linux /k autoinstall ds=nocloud-net;s=http://10.77.0.1/ai/ ---"
    choice, replayed = grub_config(f"menuentry a {{\n {line}\n}}\n")
    assert choice.entry.cmdline == "BOOT_IMAGE=/k autoinstall ds=nocloud-net"
    (told,) = replayed.warnings
    assert "its line ends at a `;', and s=http://10.77.0.1/ai/ sets a variable" in told


@pytest.mark.parametrize(
    "line", ["linux /k a; s=1", "timeout=1;default=0", "linux /k 'a;s=1'", "linux /k a;initrd /i"]
)
def test_a_semicolon_that_means_what_it_says(line: str) -> None:
    _, replayed = grub_config(f"menuentry a {{\n linux /k x\n {line}\n}}\n")
    assert not replayed.warnings


def test_a_blank_that_is_missing() -> None:
    _, replayed = grub_config(f'if ["a" = "b"]; then true; fi{AFTER}')
    (told,) = replayed.warnings
    assert "blanks belong around [ and ]" in told


@pytest.mark.parametrize(
    ("line", "do"),
    [
        ("title Linux", "that is GRUB Legacy's menu.lst"),
        ("xen_hypervisor /xen", "it starts Xen on ARM; on a PC that is multiboot2"),
        ("dhcp", "GRUB has its address from the start"),
        ("LABEL linux", "that is a word of PXELINUX's configuration"),
    ],
)
def test_commands_of_another_loader(line: str, do: str) -> None:
    error = failed(f"{line}\n")
    assert error.message == f"can't find command `{line.split()[0]}'"
    assert error.hint is not None and error.hint.startswith(do)


def test_a_url_in_place_of_a_file() -> None:
    error = failed("menuentry a {\n linux http://10.77.0.1/os/vmlinuz a=1\n}\n")
    assert error.message == "linux: file `http://10.77.0.1/os/vmlinuz' not found"
    assert error.hint is not None and "write (http,10.77.0.1)/os/vmlinuz;" in error.hint


def test_a_test_for_a_file_that_is_there() -> None:
    """The network has no lists of files, and so [ -f ] is false: a dispatcher with it boots nothing."""
    there = {"/grub/host.cfg": "menuentry a { linux /k }\n"}
    error = failed("if [ -f $prefix/host.cfg ]; then configfile $prefix/host.cfg; fi\n", **there)
    assert error.hint is not None and "/grub/host.cfg ] is never true of a file on a server" in error.hint
    choice, _ = grub_config("if [ -s $prefix/host.cfg ]; then configfile $prefix/host.cfg; fi\n", files=there)
    assert choice.entry.cmdline == "BOOT_IMAGE=/k"


def test_a_kernel_that_nothing_boots() -> None:
    error = failed("linux /k a=1\ninitrd /i\n")
    assert "boots nothing: GRUB would end at its prompt" in error.message
    assert error.hint is not None and error.hint.endswith("/k is loaded: add a boot command behind it")


def test_an_image_on_the_server() -> None:
    """It is no disk of the guest, which would boot in its place."""
    error = failed("menuentry a {\n loopback loop /x.iso\n linux (loop)/vmlinuz\n}\n", **{"/x.iso": "iso"})
    assert error.message.startswith("loopback: the files in tftp://") and "are not read" in error.message
    assert error.hint is not None and error.hint.startswith("serve the kernel and the initrd")


def test_the_place_is_that_of_the_file_and_the_line() -> None:
    """Of the entry, of a file that another one reads, and of a line outside of entries."""
    inner = "# one\n\nset timeout=1\n# four\nmenuentry a {\n # six\n linux /nosuch\n}\n"
    error = failed("configfile /sub.cfg\n", **{"/sub.cfg": inner})
    assert error.message == "linux: file `/nosuch' not found"
    assert error.hint is not None and error.hint.endswith("/sub.cfg, line 5")
    error = failed("true\ntrue\nlinux /nosuch\n")
    assert error.hint is not None and error.hint.endswith("/grub/grub.cfg, line 3")
    error = failed("source /sub.cfg\nmenuentry b {\n true\n}\nset default=1\n", **{"/sub.cfg": inner})
    assert error.hint is not None and error.hint.endswith("/grub/grub.cfg, line 2")
