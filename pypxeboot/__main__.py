"""The command ``pypxeboot``, and ``python -m pypxeboot``: nothing slow is imported before the client runs."""

import sys

from pypxeboot import clientprocess


def run() -> None:
    """Run the command with the arguments of this process."""
    clientprocess.open_standard_streams()
    argv = sys.argv[1:]
    if argv[:1] == ["explain"]:  # a disk of that name is ./explain
        from pypxeboot import explain

        sys.exit(explain.run(argv[1:]))
    process = clientprocess.start_early(argv)
    try:
        from pypxeboot import cli

        if argv[:1] == ["doctor"]:  # and this one is ./doctor
            from pypxeboot import doctor

            sys.exit(cli.main(argv[1:], process, act=doctor.act))
        sys.exit(cli.main(argv, process))
    finally:
        if process is not None:
            process.stop()


if __name__ == "__main__":
    run()
