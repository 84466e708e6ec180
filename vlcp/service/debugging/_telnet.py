"""The telnet protocol on the side of a server, and the editing of lines; nothing here waits or sends.

RFC 854 (commands and options), RFC 857 (ECHO), RFC 858 (SUPPRESS-GO-AHEAD), RFC 860 (TIMING-MARK). A client that agrees to
ECHO sends each key at once and sees what the server makes of it; any other one edits its lines itself.
"""

from __future__ import annotations

import codecs
from typing import NamedTuple

IAC, DONT, DO, WONT, WILL, SB, SE = 255, 254, 253, 252, 251, 250, 240
BRK, IP, AYT, EC, EL = 243, 244, 246, 247, 248
ECHO, SUPPRESS_GO_AHEAD, TIMING_MARK = 1, 3, 6
#: What the server offers when a client comes
GREETING = bytes((IAC, WILL, ECHO, IAC, WILL, SUPPRESS_GO_AHEAD))
INTERRUPT, END, BACKSPACE, KILL_LINE = 3, 4, 8, 21
_KEYS = {IP: INTERRUPT, BRK: INTERRUPT, EC: BACKSPACE, EL: KILL_LINE}
LONGEST_LINE = 65536
_HISTORY = 500


class TelnetDecoder:
    """Takes the commands out of what a client sends.

    :ivar echo: the client has agreed that the server shows what is typed
    :ivar replies: bytes to send to the client; the caller clears them
    """

    def __init__(self) -> None:
        self.echo = False
        self.replies = bytearray()
        self._enabled: set = set()
        self._refused: set = set()
        # The bytes of the command that has begun; of a sub-negotiation only what tells its end.
        self._command = b""

    def feed(self, data: bytes) -> bytes:
        """Return the keys among the bytes; commands that mean a key, as "interrupt process", become its control character."""
        keys = bytearray()
        for byte in data:
            if self._command:
                keys += self._continue(byte)
            elif byte == IAC:
                self._command = b"\xff"
            else:
                keys.append(byte)
        return bytes(keys)

    def _continue(self, byte: int) -> bytes:
        """Take one more byte of a command; return the keys that the command means."""
        begun = self._command
        self._command = b""
        if begun[1:2] == bytes((SB,)):
            ended = begun[-1] == IAC and byte == SE
            escaped = begun[-1] == IAC and byte == IAC
            self._command = b"" if ended else bytes((IAC, SB, 0 if escaped else byte))
        elif len(begun) == 2:
            self._negotiate(begun[1], byte)
        elif byte in (DO, DONT, WILL, WONT, SB):
            self._command = bytes((IAC, byte))
        elif byte == IAC:
            return b"\xff"
        elif byte == AYT:
            self.replies += b"\r\n[yes]\r\n"
        elif byte in _KEYS:
            return bytes((_KEYS[byte],))
        return b""

    def _negotiate(self, verb: int, option: int) -> None:
        if option == TIMING_MARK and verb == DO:
            self._reply(WILL, option)
        elif option in (ECHO, SUPPRESS_GO_AHEAD) and verb in (DO, DONT):
            self._switch(option, verb == DO)
        elif verb in (DO, WILL):
            self._reply(WONT if verb == DO else DONT, option)
        elif (verb, option) not in self._refused:
            # Said once: an answer to each would go on for ever with a peer that does the same.
            self._refused.add((verb, option))
            self._reply(WONT if verb == DONT else DONT, option)

    def _switch(self, option: int, wanted: bool) -> None:
        """The client wants an option of ours on or off; the first DO is the answer to the greeting."""
        was = option in self._enabled
        if wanted and not was and option in self._refused:
            self._reply(WILL, option)
        elif not wanted and was:
            self._reply(WONT, option)
        if wanted:
            self._enabled.add(option)
        else:
            self._enabled.discard(option)
            self._refused.add(option)
        self.echo = ECHO in self._enabled

    def _reply(self, verb: int, option: int) -> None:
        self.replies += bytes((IAC, verb, option))


class Typed(NamedTuple):
    """Something that was typed: ``kind`` is "line", "interrupt" or "end"."""

    kind: str
    text: str = ""


_ESCAPES = {
    "[A": "\x10",
    "[B": "\x0e",
    "[C": "\x06",
    "[D": "\x02",
    "[H": "\x01",
    "[F": "\x05",
    "[1~": "\x01",
    "[4~": "\x05",
    "[3~": "\x7f\x7f",
}


class LineEditor:
    """Makes lines of keys.

    Keys: left, right, home, end, delete, backspace, up and down for older lines; Ctrl-A, B, D, E, F, H, K, L, N, P, U, W as
    in other shells. A line ends with CR, LF, CR LF, CR NUL or NUL.

    :ivar echo: show what is typed; off for clients that do so themselves
    :ivar shown: text to show; the caller clears it
    """

    def __init__(self, echo: bool = False) -> None:
        self.echo = echo
        self.shown = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._line: list[str] = []
        self._cursor = 0
        self._history: list[str] = []
        self._at = 0
        self._escape = ""
        self._after_return = False
        self._edits = {
            "\x01": lambda: self._move(0),
            "\x02": lambda: self._move(self._cursor - 1),
            "\x05": lambda: self._move(len(self._line)),
            "\x06": lambda: self._move(self._cursor + 1),
            "\x08": lambda: self._cut(self._cursor - 1, self._cursor),
            "\x7f": lambda: self._cut(self._cursor - 1, self._cursor),
            "\x7f\x7f": lambda: self._cut(self._cursor, self._cursor + 1),
            "\x0b": lambda: self._cut(self._cursor, len(self._line)),
            "\x0c": lambda: self._replace(self._line, self._cursor),
            "\x0e": lambda: self._recall(1),
            "\x10": lambda: self._recall(-1),
            "\x15": lambda: self._cut(0, self._cursor),
            "\x17": lambda: self._cut(self._word_begin(), self._cursor),
        }

    def feed(self, keys: bytes) -> list[Typed]:
        """Take keys and return what they complete."""
        typed = []
        for char in self._decoder.decode(keys):
            done = self._key(char)
            if done is not None:
                typed.append(done)
        return typed

    def _key(self, char: str) -> Typed | None:
        after_return, self._after_return = self._after_return, char == "\r"
        if self._escape:
            self._continue_escape(char)
        elif char in "\r\n\0":
            return None if after_return and char != "\r" else self._end_line()
        elif char == "\x03":
            self._forget()
            return Typed("interrupt")
        elif char == "\x04":
            if not self._line:
                return Typed("end")
            self._edits["\x7f\x7f"]()
        elif char == "\x1b":
            self._escape = char
        elif char in self._edits:
            self._edits[char]()
        elif char == "\t":
            self._insert("    ")
        elif char.isprintable():
            self._insert(char)
        return None

    def _continue_escape(self, char: str) -> None:
        """An escape sequence ends with a letter or a tilde (ECMA-48); one that is too long is none."""
        self._escape += char
        sequence = self._escape[1:].replace("O", "[", 1)
        if sequence != "[" and (char.isalpha() or char == "~" or len(sequence) > 8):
            self._escape = ""
            if sequence in _ESCAPES:
                self._edits[_ESCAPES[sequence]]()

    def _end_line(self) -> Typed:
        text = "".join(self._line)
        self._show("\n")
        if text.strip() and text not in self._history[-1:]:
            self._history = [*self._history[-_HISTORY + 1 :], text]
        self._forget()
        return Typed("line", text)

    def _forget(self) -> None:
        self._line, self._cursor, self._at = [], 0, len(self._history)

    def _show(self, text: str) -> None:
        if self.echo:
            self.shown += text

    def _insert(self, text: str) -> None:
        if len(self._line) + len(text) > LONGEST_LINE:
            self._show("\a")
        elif self._cursor == len(self._line):
            self._line.extend(text)
            self._cursor = len(self._line)
            self._show(text)
        else:
            self._replace([*self._line[: self._cursor], *text, *self._line[self._cursor :]], self._cursor + len(text))

    def _cut(self, begin: int, end: int) -> None:
        if 0 <= begin < end <= len(self._line):
            self._replace([*self._line[:begin], *self._line[end:]], begin)

    def _move(self, cursor: int) -> None:
        if 0 <= cursor <= len(self._line):
            self._replace(self._line, cursor)

    def _word_begin(self) -> int:
        text = "".join(self._line[: self._cursor]).rstrip()
        return text.rfind(" ") + 1

    def _recall(self, step: int) -> None:
        at = self._at + step
        if 0 <= at <= len(self._history):
            self._at = at
            line = list(self._history[at]) if at < len(self._history) else []
            self._replace(line, len(line))

    def _replace(self, line: list[str], cursor: int) -> None:
        """Show another line in the place of the present one: back to its begin, write, clear the rest, to the cursor."""
        self._show("\b" * self._cursor + "".join(line) + "\x1b[K" + "\b" * (len(line) - cursor))
        self._line, self._cursor = list(line), cursor
