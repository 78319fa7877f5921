"""The command ``pypxeboot``, and ``python -m pypxeboot``: nothing slow is imported before the client runs."""

import sys

from pypxeboot.host import spawn
from pypxeboot.privsep import fork


def run() -> None:
    """Run the command with the arguments of this process."""
    fork.open_standard_streams()
    argv = sys.argv[1:]
    if argv[:1] == ["explain"]:  # a disk of that name is ./explain
        from pypxeboot.commands import explain

        sys.exit(explain.run(argv[1:]))
    process = spawn.start_early(argv)
    try:
        from pypxeboot.commands import main

        if argv[:1] == ["doctor"]:  # and this one is ./doctor
            from pypxeboot.commands import doctor

            sys.exit(main.main(argv[1:], process, act=doctor.act))
        sys.exit(main.main(argv, process))
    finally:
        if process is not None:
            process.stop()


if __name__ == "__main__":
    run()
