"""Signals end a program: cleanly at first, at once if they come again."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from support.samples import ROOT, Ended, run_program, run_program_after

from steeldefect.exit_codes import ExitCode

PROGRAM = """
import argparse, os, signal, sys, time
from steeldefect.program import interruption
from steeldefect.program.command import run_command

def send(name):
    os.kill(os.getpid(), getattr(signal, name))

def act(_):
{act}

sys.exit(run_command(argparse.ArgumentParser(), act, []))
"""


def program(*lines: str) -> str:
    return PROGRAM.format(act="\n".join(f"    {line}" for line in lines))


def run(*lines: str) -> Ended:
    return run_program("-c", program(*lines))


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_a_signal_interrupts_a_command(name: str) -> None:
    ended = run(f"send({name!r}); time.sleep(60)")
    assert ended.code == ExitCode.INTERRUPTED
    assert (
        ended.err == "interrupted: everything published is complete; nothing else was published\n"
    )


def test_a_signal_that_was_ignored_from_the_start_stays_so() -> None:
    before = ("bash", "-c", 'trap "" HUP; exec "$@"', "bash")
    ended = run_program_after(before, "-c", program("send('SIGHUP'); print('went on')"))
    assert (ended.code, ended.out, ended.err) == (0, "went on\n", "")


def test_an_error_that_follows_from_a_signal_is_the_interruption() -> None:
    ended = run(
        "try: send('SIGTERM'); time.sleep(60)",
        "except KeyboardInterrupt: raise OSError('the JVM is gone')",
    )
    assert ended.code == ExitCode.INTERRUPTED
    assert ended.err.startswith("interrupted: ")
    assert ended.err.count("\n") == 1


def test_a_signal_that_comes_twice_at_once_is_one() -> None:
    ended = run(
        "try: send('SIGTERM'); time.sleep(60)",
        "finally: send('SIGTERM'); send('SIGINT'); print('tidied up')",
    )
    assert (ended.code, ended.out) == (ExitCode.INTERRUPTED, "tidied up\n")


def test_a_second_signal_ends_a_program_that_takes_long_to_tidy_up() -> None:
    lines = (
        "try: print('ready', flush=True); time.sleep(60)",
        "finally: print('tidying', flush=True); time.sleep(60)",
    )
    command = [sys.executable, "-c", program(*lines)]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as job:
        assert job.stdout is not None
        assert job.stdout.readline() == "ready\n"
        job.send_signal(signal.SIGTERM)
        assert job.stdout.readline() == "tidying\n"
        job.send_signal(signal.SIGTERM)  # still the same request
        with pytest.raises(subprocess.TimeoutExpired):
            job.wait(2.5)
        job.send_signal(signal.SIGTERM)
        _, told = job.communicate(timeout=30)
    assert job.returncode == ExitCode.INTERRUPTED
    assert told == "interrupted again: ends at once; the next start completes what was decided\n"


def test_a_block_that_belongs_together_ends_first() -> None:
    ended = run(
        "with interruption.postponed(): send('SIGTERM'); time.sleep(0.1); print('whole')",
        "print('not reached')",
    )
    assert (ended.code, ended.out) == (ExitCode.INTERRUPTED, "whole\n")


def test_an_interruption_that_is_lost_in_a_finaliser_is_repeated() -> None:
    ended = run(
        "class Last:",
        "    def __del__(self): send('SIGTERM'); time.sleep(0.1)",
        "Last()",
        "time.sleep(60)",
    )
    assert ended.code == ExitCode.INTERRUPTED
    assert ended.err.startswith("interrupted: ")
