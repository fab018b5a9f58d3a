#!/usr/bin/env python3
"""Key to frame and work at rest of terminal programs, each in a pseudo terminal of 120x40, in one run.

    benches/terminal_programs.py 'target/release/darkroom --observe --images off' kmon htop

Prints for each program the time from a key to the first byte that answers it, and the CPU time and output of ten seconds without a
key. Keys are Down and Up in turn, 23 ms and more apart. A program that draws by a timer is measured with its timer.
"""

import fcntl
import os
import pty
import select
import shlex
import signal
import struct
import sys
import termios
import time

KEYS = 200
REST = 10.0


def start(command):
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm-256color", COLORTERM="truecolor", LANG="C.UTF-8")
        words = shlex.split(command)
        os.execvp(words[0], words)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    os.kill(pid, signal.SIGWINCH)
    return pid, terminal


def read(terminal, seconds):
    """What arrives within that time, at most one read."""
    ready, _, _ = select.select([terminal], [], [], seconds)
    return os.read(terminal, 1 << 16) if ready else b""


def drain(terminal, quiet, limit):
    """Reads until nothing arrives for a while; returns the number of bytes."""
    end, count = time.monotonic() + limit, 0
    while time.monotonic() < end:
        data = read(terminal, quiet)
        if not data:
            break
        count += len(data)
    return count


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(command):
    pid, terminal = start(command)
    try:
        drain(terminal, 1.5, 8.0)
        before, begun, output = cpu_seconds(pid), time.monotonic(), 0
        while time.monotonic() - begun < REST:
            output += len(read(terminal, 0.2))
        rest = cpu_seconds(pid) - before
        times = []
        for index in range(KEYS):
            time.sleep(0.023 + index * 37 % 5000 / 1e6)
            drain(terminal, 0.0, 0.05)
            begun = time.monotonic()
            os.write(terminal, b"\x1b[B" if index % 2 == 0 else b"\x1b[A")
            if read(terminal, 1.0):
                times.append((time.monotonic() - begun) * 1e3)
        times.sort()
        at = lambda share: times[int((len(times) - 1) * share)] if times else float("nan")
        print(f"{command[:44]:<44} {len(times):>4} {at(0.5):>7.1f} {at(0.99):>7.1f} {rest:>8.2f} {output:>9}")
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def main():
    print(f"{'program':<44} keys  p50 ms  p99 ms   CPU s     bytes    (CPU and bytes: {REST:.0f} s without a key)")
    for command in sys.argv[1:]:
        try:
            measure(command)
        except OSError as error:
            print(f"{command[:44]:<44} ended: {error.strerror}")


main()
