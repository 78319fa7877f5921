"""Threads for what runs beside the main one, started before the sandbox forbids new ones."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Optional


class Workers:
    """``count`` threads; a job beyond that waits for one to be free."""

    def __init__(self, count: int) -> None:
        self._jobs: SimpleQueue[Callable[[], None]] = SimpleQueue()
        for _ in range(count):
            threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            self._jobs.get()()

    def start(self, job: Callable[[], None]) -> Callable[[], Optional[BaseException]]:
        """Run ``job``; the result waits for its end and returns what it raised, or None."""
        done = threading.Event()
        failure: list[BaseException] = []

        def run_job() -> None:
            try:
                job()
            except BaseException as why:
                failure.append(why)
            finally:
                done.set()

        def wait() -> Optional[BaseException]:
            done.wait()
            return failure[0] if failure else None

        self._jobs.put(run_job)
        return wait
