"""The command ``pypxeboot``, and ``python -m pypxeboot``: nothing slow is imported before the client runs."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Optional

if TYPE_CHECKING:
    from pypxeboot.host.spawn import ClientProcess


def run() -> None:
    """Run the command with the arguments of this process."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # not in the middle of an import; a boot heeds it as others
    from pypxeboot.privsep import streams

    streams.open_standard_streams()
    argv = sys.argv[1:]
    if argv[:1] in (["-h"], ["--help"], ["--version"]):
        from pypxeboot.config import options
        from pypxeboot.errors import HandoverError

        try:
            options.parse(argv)  # it ends here
        except HandoverError as why:
            from pypxeboot.commands import command
            from pypxeboot.privsep import logs

            logs.configure(logs.least(argv))
            sys.exit(command.report_failure(why))
    from pypxeboot.config import max_boots
    from pypxeboot.host import early

    process = early.start_client(argv, max_boots.look_up)
    try:
        sys.exit(_run(argv, process))
    finally:
        if process is not None:
            process.stop()


def _run(argv: Sequence[str], process: Optional[ClientProcess]) -> int:
    """Run the command that the first word names; without one it boots, and a disk of that name is ./doctor.

    argparse has no sub-commands beside words of another meaning, so that word is looked at here.
    """
    word, rest = (argv[0], argv[1:]) if argv else ("", argv)
    if word == "explain":
        from pypxeboot.commands import explain

        return explain.run(rest)
    from pypxeboot.commands import boot, command

    if word == "doctor":
        from pypxeboot.commands import doctor

        return command.run(doctor.read, rest, process)
    return command.run(boot.read, argv, process)


if __name__ == "__main__":
    run()
