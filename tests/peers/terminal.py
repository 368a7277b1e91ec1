"""usage: terminal [--size COLUMNSxROWS] COMMAND [STEP...]

Runs a command in a terminal of its own, as a person at a keyboard would, and prints what was
shown. Its exit status is the command's, 128 + n after signal n.

STEP  see TEXT           waits until TEXT was shown (since the last thing seen)
      type TEXT          types it; \\n, \\x03 and so on as in Python
      size COLUMNSxROWS  changes the window
"""

import codecs
import fcntl
import os
import pty
import struct
import sys
import termios


def resize(terminal, size):
    columns, rows = map(int, size.split("x"))
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def main(arguments):
    size = "80x24"
    if arguments[0] == "--size":
        size, arguments = arguments[1], arguments[2:]
    command, steps = arguments[0], arguments[1:]
    # The command waits until its terminal has the size that it shall find.
    ready, go = os.pipe()
    child, terminal = pty.fork()
    if child == 0:
        os.read(ready, 1)
        os.execvp("sh", ["sh", "-c", command])
    resize(terminal, size)
    os.write(go, b"x")

    shown, mark = b"", 0

    def more():
        nonlocal shown
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # the other end is closed
            piece = b""
        shown += piece
        return piece

    for step in steps:
        word, _, rest = step.partition(" ")
        if word == "see":
            while (found := shown.find(rest.encode(), mark)) < 0:
                if not more():
                    sys.stdout.buffer.write(shown)
                    sys.exit(f"terminal: never saw {rest!r}")
            mark = found + len(rest.encode())
        elif word == "type":
            os.write(terminal, codecs.escape_decode(rest)[0])
        elif word == "size":
            resize(terminal, rest)
        else:
            sys.exit(f"terminal: no such step: {step}")
    while more():
        pass
    sys.stdout.buffer.write(shown)
    sys.stdout.flush()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    sys.exit(code if code >= 0 else 128 - code)


main(sys.argv[1:])
