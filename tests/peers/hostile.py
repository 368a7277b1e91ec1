"""usage: hostile.py DEED PORT USER KEY: a client that misbehaves in one way, and prints what came of it.

A deed that needs somebody to look meanwhile prints "holding" and goes on at the end of its input.
"""

import os
import socket
import struct
import sys
import threading
import time

import paramiko
from paramiko import Message

PORT, USER, KEY = int(sys.argv[2]), sys.argv[3], sys.argv[4]
VERSION = b"SSH-2.0-hostile\r\n"
deeds = {}


def deed(function):
    deeds[function.__name__] = function
    return function


def hold():
    print("holding", flush=True)
    sys.stdin.read()


def connect(source="127.0.0.1"):
    stream = socket.socket()
    stream.settimeout(60)
    stream.bind((source, 0))
    stream.connect(("127.0.0.1", PORT))
    return stream


def ends(stream):
    """Reads until the other side ends it; what was read does not matter."""
    try:
        while stream.recv(65536):
            pass
        return "closed"
    except ConnectionError:
        return "closed"
    except TimeoutError:
        return "STILL OPEN"


def packet(payload):
    padding = 8 - (len(payload) + 5) % 8
    padding += 8 if padding < 4 else 0
    return struct.pack(">IB", len(payload) + padding + 1, padding) + payload + bytes(padding)


def names(*lists):
    return b"".join(struct.pack(">I", len(text)) + text for text in lists)


def kexinit(kex=b"curve25519-sha256,kex-strict-c-v00@openssh.com", cipher=b"aes256-ctr"):
    mac, none = b"hmac-sha2-256", b"none"
    lists = names(kex, b"ssh-ed25519", cipher, cipher, mac, mac, none, none, b"", b"")
    return b"\x14" + bytes(16) + lists + b"\0" + bytes(4)


def send(stream, data):
    try:
        stream.sendall(data)
    except ConnectionError:
        pass


def transport(source="127.0.0.1"):
    this = paramiko.Transport(connect(source))
    this.start_client(timeout=60)
    return this


def signed_in():
    this = transport()
    this.auth_publickey(USER, paramiko.Ed25519Key(filename=KEY))
    return this


def message(number, *fields):
    """Integers are u32, bytes are strings, booleans are one byte."""
    made = Message()
    made.add_byte(bytes([number]))
    for field in fields:
        if isinstance(field, bool):
            made.add_boolean(field)
        elif isinstance(field, int):
            made.add_int(field)
        else:
            made.add_string(field)
    return made


def works(this):
    """Whether a session of this connection still runs a command."""
    try:
        for _ in range(10):
            channel = this.open_session(timeout=60)
            channel.exec_command("echo in")
            if channel.makefile().read() == b"in\n":
                return "works"
            # A gateway on a busy machine asks to be tried again.
            if channel.recv_exit_status() != 75:
                break
        return "BROKEN"
    except (paramiko.SSHException, EOFError, OSError):
        return "ended"


def running(this, command):
    channel = this.open_session(timeout=60)
    channel.exec_command(command)
    return channel


def gone(this):
    for _ in range(600):
        if not this.is_active():
            return "ended"
        time.sleep(0.1)
    return "STILL OPEN"


# Before anybody has signed in.


@deed
def strange_greetings():
    for greeting in [
        b"", b"SSH-1.5-old\r\n", b"SSH-9.9-new\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\0" * 1000,
        b"SSH-2.0-" + b"x" * 100_000, b"x" * 1_000_000, b"line\r\n" * 10_000, b"SSH-2.0-\x1b]0;x\x07\r\n" + b"\xff" * 100,
        b"SSH-2.0-two\r\nSSH-2.0-versions\r\n", b"\x16\x03\x01\x02\x00" + bytes(512), VERSION,
    ]:
        stream = connect()
        send(stream, greeting)
        print(ends(stream))


@deed
def one_byte_at_a_time():
    stream = connect()
    try:
        for byte in VERSION + packet(kexinit()):
            stream.sendall(bytes([byte]))
            time.sleep(0.1)
    except ConnectionError:
        pass
    print(ends(stream))


@deed
def impossible_packets():
    for data in [
        struct.pack(">I", 0xFFFFFFFF) + bytes(64), struct.pack(">I", 0) + bytes(64), struct.pack(">I", 1) + bytes(64),
        struct.pack(">IB", 12, 255) + bytes(64), struct.pack(">I", 35_000_000) + bytes(1000), struct.pack(">I", 13) + bytes(64),
        packet(b""), packet(b"\x14"), packet(b"\x14" + bytes(16) + b"\xff" * 40), packet(b"\x14" + bytes(16) + names(b"x" * 200_000)),
        packet(kexinit(kex=b"none-of-these")), packet(kexinit(cipher=b"none-of-these")), packet(kexinit(kex=b"," * 5000)),
    ]:
        stream = connect()
        send(stream, VERSION + data)
        print(ends(stream))


@deed
def messages_out_of_turn():
    """Before there are keys, also those that strict key exchange forbids (CVE-2023-48795)."""
    ignore, debug, unimplemented = b"\x02" + names(b"x"), b"\x04\0" + names(b"x", b""), b"\x03" + bytes(4)
    service, opening = b"\x05" + names(b"ssh-userauth"), b"\x5a" + names(b"session") + struct.pack(">III", 0, 1 << 21, 1 << 15)
    newkeys, again = b"\x15", kexinit()
    for first in [ignore, debug, unimplemented, service, opening, newkeys]:
        stream = connect()
        send(stream, VERSION + packet(first) + packet(kexinit()))
        print(ends(stream))
    for second in [ignore, debug, unimplemented, service, opening, newkeys, again]:
        stream = connect()
        send(stream, VERSION + packet(kexinit()) + packet(second))
        print(ends(stream))
    # A point that is none, and one of small order.
    for point in [b"", b"x", bytes(32), b"\x01" + bytes(31), b"x" * 100_000]:
        stream = connect()
        send(stream, VERSION + packet(kexinit()) + packet(b"\x1e" + names(point)))
        print(ends(stream))


@deed
def half_open_flood():
    held, turned_away = [], 0
    for _ in range(10_000):
        stream = connect("127.0.0.9")
        held.append(stream)
        if len(held) > 500:
            held.pop(0).close()
            turned_away += 1
    print("tried")
    hold()


@deed
def before_signing_in():
    for number, fields in [
        (90, (b"session", 0, 1 << 21, 1 << 15)), (80, (b"tcpip-forward", True, b"", 0)), (94, (0, b"data")),
        (98, (0, b"exec", True, b"id")), (52, ()), (61, (1, b"password")), (50, ()), (6, (b"ssh-connection",)), (5, (b"ssh-connection",)),
    ]:
        this = transport()
        this._send_message(message(number, *fields))
        print(number, gone(this))
        this.close()


@deed
def sign_ins():
    known = paramiko.Ed25519Key(filename=KEY)
    for user in [USER, "nobody+db1", USER + "\0", "x" * 60_000, "a@b@c", "-oProxyCommand=x", "a+b+c", "", " ", "+", "\x1b]0;x\x07", "alice+db1 ", "ALICE+DB1"]:
        this = transport()
        this.auth_timeout = 60
        try:
            this.auth_password(user, "w" * 1000, fallback=False)
            print("IN")
        except (paramiko.SSHException, EOFError, OSError) as error:
            print(type(error).__name__ if user == USER else "refused")
        this.close()
    # A signature over something else: of another user's request.
    class Forged(paramiko.Ed25519Key):
        def sign_ssh_data(self, data, algorithm=None):
            return super().sign_ssh_data(data[:-1] + b"x", algorithm)

    # A key that nobody knows, and one that claims to be another.
    class Borrowed(paramiko.RSAKey):
        def asbytes(self):
            return known.asbytes()

        def get_name(self):
            return known.get_name()

        def sign_ssh_data(self, data, algorithm=None):
            return super().sign_ssh_data(data, "rsa-sha2-512")

    rsa = paramiko.RSAKey.generate(2048)
    for key in [Forged(filename=KEY), rsa, Borrowed(key=rsa.key)]:
        this = transport()
        try:
            this.auth_publickey(USER, key)
            print("IN")
        except (paramiko.SSHException, EOFError, OSError):
            print("refused")
        this.close()


@deed
def guesses_without_end():
    this = transport()
    guesses = 0
    try:
        while guesses < 100:
            guesses += 1
            try:
                this.auth_none(USER)
            except paramiko.BadAuthenticationType:
                pass
    except (paramiko.SSHException, EOFError, OSError):
        pass
    print("few" if guesses < 20 else f"{guesses} GUESSES")


# Signed in.


@deed
def more_than_the_window():
    this = signed_in()
    channel = running(this, "sleep 60")
    piece = message(94, channel.remote_chanid, b"x" * 30_000)
    try:
        for _ in range(200):
            this._send_message(piece)
    except (OSError, EOFError):
        pass
    print(gone(this))


@deed
def windows_of_nothing_and_of_everything():
    for window, size in [(0, 0), (0, 1 << 15), (1 << 20, 0), (0xFFFFFFFF, 0xFFFFFFFF), (1, 1), (1 << 20, 1)]:
        this = signed_in()
        # Opened and used by hand, so that paramiko does not see to its window.
        this._send_message(message(90, b"session", 1000, window, size))
        time.sleep(0.2)
        try:
            this._send_message(message(98, 0, b"exec", False, b"yes"))
            time.sleep(0.2)
        except (OSError, EOFError):
            pass
        this.close()
    this = signed_in()
    channel = running(this, "yes")
    for _ in range(20):
        this._send_message(message(93, channel.remote_chanid, 0xFFFFFFFF))
    print(works(signed_in()))
    hold()


@deed
def a_client_that_never_reads():
    this = signed_in()
    channel = this.open_session(window_size=1 << 31, timeout=60)
    this.packetizer.read_message = lambda: time.sleep(600)
    request = message(98, channel.remote_chanid, b"exec", False, b"cat /dev/zero")
    this._send_message(request)
    hold()
    os._exit(0)


@deed
def channels_that_are_not_there():
    for number, fields in [
        (94, (77, b"data")), (95, (77, 1, b"data")), (96, (77,)), (97, (77,)), (93, (77, 1)), (98, (77, b"exec", True, b"id")),
        (99, (77,)), (100, (77,)), (94, (0xFFFFFFFF, b"data")), (91, (77, 0, 0, 0)), (92, (77, 1, b"", b"")),
    ]:
        this = signed_in()
        this._send_message(message(number, *fields))
        time.sleep(0.1)
        state = works(this)
        print(number, "BROKEN" if state == "BROKEN" else "no harm")
        this.close()


@deed
def twice():
    this = signed_in()
    channel = running(this, "cat")
    for number in [96, 96, 97, 97]:
        this._send_message(message(number, channel.remote_chanid))
    this._send_message(message(94, channel.remote_chanid, b"after the end"))
    this._send_message(message(98, channel.remote_chanid, b"exec", False, b"id"))
    state = works(this)
    print("BROKEN" if state == "BROKEN" else "no harm")
    this = signed_in()
    channel = this.open_session()
    for _ in range(3):
        this._send_message(message(98, channel.remote_chanid, b"exec", False, b"echo once >> /dev/stderr; cat"))
    print(works(this))


@deed
def unknown_requests():
    this = signed_in()
    for number in range(1000):
        this._send_message(message(80, b"no-such-request-%d@example.org" % number, number % 2 == 0, b"x" * 100))
    # paramiko would close the channel at the first refusal.
    refused = []
    this._channel_handler_table = dict(this._channel_handler_table)
    this._channel_handler_table[100] = lambda channel, made: refused.append(channel)
    channel = running(this, "cat")
    for number in range(100):
        this._send_message(message(98, channel.remote_chanid, b"no-such-request", number % 2 == 0, b"x" * 100))
    channel.sendall(b"through")
    channel.shutdown_write()
    print(channel.makefile().read(), len(refused))
    print(works(this))


@deed
def answers_in_their_order():
    """Answers carry no name: a client knows by their order alone what was granted."""
    this = signed_in()
    answers, as_ever = [], this._channel_handler_table
    this._channel_handler_table = dict(as_ever)
    for number, word in [(99, "yes"), (100, "no")]:
        this._channel_handler_table[number] = lambda channel, made, word=word: answers.append(word)
    channel = this.open_session(timeout=60)
    for name, *fields in [
        (b"no-such-request",), (b"env", b"LC_X", b"1"), (b"env", b"LC_X", b"\xff"), (b"pty-req", b"xterm", 80, 24, 0, 0, b""),
        (b"no-such-request",), (b"exec", b"cat"), (b"no-such-request",), (b"env", b"LC_X", b"too late"), (b"exec", b"twice"), (b"break", 500),
    ]:
        this._send_message(message(98, channel.remote_chanid, name, True, *fields))
    for _ in range(600):
        if len(answers) >= 10:
            break
        time.sleep(0.1)
    print(" ".join(answers))
    this._channel_handler_table = as_ever
    print(works(this))


@deed
def channels_after_the_end():
    """Opens one channel after the other until the connection is gone, and tells why each was not opened."""
    this = signed_in()
    print("ready", flush=True)
    why, as_ever = set(), this._handler_table[92]

    def refused(made):
        made.get_int(), made.get_int()
        why.add(made.get_text())
        made.rewind()
        as_ever(made)

    this._handler_table = dict(this._handler_table)
    this._handler_table[92] = refused
    try:
        while this.is_active():
            try:
                this.open_session(timeout=60).close()
            except paramiko.ChannelException:
                pass
    except (paramiko.SSHException, EOFError, OSError):
        pass
    for text in why:
        print(text)


@deed
def requests_without_end():
    this = signed_in()
    channel = this.open_session()
    try:
        for _ in range(50_000):
            this._send_message(message(98, channel.remote_chanid, b"env", False, b"LC_X", b"x" * 4000))
    except (OSError, EOFError):
        pass
    print("ended" if not this.is_active() else works(this))


@deed
def unknown_messages():
    for number in [0, 7, 19, 29, 49, 59, 67, 79, 89, 101, 127, 128, 192, 254, 255]:
        this = signed_in()
        this._send_message(message(number, b"x" * 100))
        time.sleep(0.1)
        state = works(this)
        print(number, "BROKEN" if state == "BROKEN" else "no harm")
        this.close()


@deed
def messages_cut_short():
    for number in [20, 21, 30, 50, 80, 90, 91, 92, 93, 94, 95, 96, 97, 98, 99, 100]:
        this = signed_in()
        running(this, "cat")
        this._send_message(message(number))
        time.sleep(0.1)
        state = works(this)
        print(number, "BROKEN" if state == "BROKEN" else "no harm")
        this.close()


@deed
def new_keys_without_end():
    this = signed_in()
    channel = running(this, "cat")
    for number in range(60):
        channel.sendall(b"%d\n" % number)
        this.renegotiate_keys()
    channel.shutdown_write()
    print(channel.makefile().read().count(b"\n"))
    print(works(this))


@deed
def a_channel_in_the_middle_of_new_keys():
    """RFC 4253 s7.1: after its KEXINIT a side sends nothing of the higher layers until NEWKEYS."""
    this = signed_in()
    send_message = this._send_message
    sent = threading.Event()

    def with_a_channel(made):
        send_message(made)
        if not sent.is_set() and made.asbytes()[:1] == b"\x14":
            sent.set()
            send_message(message(90, b"session", 500, 1 << 20, 1 << 15))

    this._send_message = with_a_channel
    try:
        this.renegotiate_keys()
    except (paramiko.SSHException, EOFError, OSError):
        pass
    print(gone(this))


@deed
def strange_values():
    this = signed_in()
    for name, *fields in [
        (b"env", b"LC_X", b"\xff\xfe"), (b"env", b"\xff", b"x"), (b"env", b"LC_X", b"x" * 200_000), (b"env", b"LC_X\0", b"\0"),
        (b"pty-req", b"x" * 60_000, 80, 24, 0, 0, b""), (b"pty-req", b"\xff", 80, 24, 0, 0, b"\0"), (b"pty-req", b"xterm", 0xFFFFFFFF, 0xFFFFFFFF, 0, 0, b"\xff" * 2000),
        (b"window-change", 0xFFFFFFFF, 0, 0xFFFFFFFF, 0), (b"signal", b"NO-SUCH@example.org"), (b"signal", b"\xff" * 1000),
        (b"subsystem", b"\xff"), (b"subsystem", b"s" * 60_000), (b"exec", b"e" * 200_000), (b"exec", b"echo \0 null"), (b"exec", b"\xff\xfe"), (b"exec", b""),
    ]:
        channel = this.open_session(timeout=60)
        this._send_message(message(98, channel.remote_chanid, name, False, *fields))
        time.sleep(0.1)
        # What cannot be read at all may end the connection that it came on, or the target's:
        # OpenSSH's server leaves over a NUL in a command, directly as well.
        if works(this) != "works":
            this = signed_in()
        channel.close()
    print(works(this))


@deed
def channels_without_end():
    this = signed_in()
    channels, refused = [], 0
    for _ in range(60):
        try:
            channels.append(running(this, "cat"))
        except paramiko.ChannelException:
            refused += 1
    print(len(channels), refused)
    for channel in channels:
        channel.sendall(b"x")
        channel.shutdown_write()
    print(all(channel.makefile().read() == b"x" for channel in channels))
    print(works(this))


@deed
def channels_of_other_kinds():
    this, refused = signed_in(), []
    this._handler_table = dict(this._handler_table)
    this._handler_table[92] = lambda made: refused.append(made.get_int())
    address = b"127.0.0.1"
    for kind, *fields in [
        (b"tun@openssh.com", 1, 0), (b"auth-agent@openssh.com",), (b"x11", address, 1), (b"forwarded-tcpip", address, 1, address, 2),
        (b"direct-tcpip", address, 22, address, 2), (b"direct-tcpip", b"169.254.169.254", 80, address, 2), (b"direct-tcpip", b"x" * 60_000, 0xFFFFFFFF, b"\x1b[c", 0),
        (b"direct-streamlocal@openssh.com", b"/run/docker.sock", b"", 0), (b"forwarded-streamlocal@openssh.com", b"/x", b""), (b"",), (b"x" * 60_000,),
    ]:
        this._send_message(message(90, kind, 700, 1 << 20, 1 << 15, *fields))
        time.sleep(0.1)
        if works(this) == "ended":
            print("ENDED BY", kind[:30], fields[:1])
            this = signed_in()
    for _ in range(600):
        if len(refused) >= 11:
            break
        time.sleep(0.1)
    print(works(this), len(refused))


deeds[sys.argv[1]]()
os._exit(0)
