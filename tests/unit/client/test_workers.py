"""Output files as downloads fill them: sizes, digests, a full disk, and threads that are free again."""

from __future__ import annotations

from pypxeboot.client.workers import Workers


def test_what_a_job_raised_is_returned(workers: Workers) -> None:
    failure = KeyError("x")

    def job() -> None:
        raise failure

    assert workers.start(job)() is failure
    assert workers.start(lambda: None)() is None
