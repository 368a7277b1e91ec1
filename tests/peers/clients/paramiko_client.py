"""usage: paramiko_client.py PORT USER KEY FOLDER: what people do with paramiko, one line for each thing."""

import hashlib
import logging
import os
import sys

import paramiko

port, user, key, folder = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
logging.getLogger("paramiko").setLevel(logging.CRITICAL)
client = paramiko.SSHClient()
client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
client.connect("127.0.0.1", port, user, key_filename=key, look_for_keys=False, allow_agent=False)

stdin, stdout, stderr = client.exec_command("cat; echo err >&2; exit 7")
stdin.write(b"through and back\n")
stdin.channel.shutdown_write()
print("exec:", stdout.read(), stderr.read(), stdout.channel.recv_exit_status())

_, stdout, _ = client.exec_command("printf %s $TERM; stty size", get_pty=True)
print("terminal:", stdout.read(), stdout.channel.recv_exit_status())

_, stdout, _ = client.exec_command("echo [$LC_X]", environment={"LC_X": "grüße"})
print("environment:", stdout.read())

shell = client.invoke_shell(width=100, height=30)
shell.resize_pty(120, 40)
shell.send(b"stty -echo; stty size; exit 4\n")
status = shell.recv_exit_status()
print("shell:", status)

# More channels at once than one hand has fingers.
channels = [client.get_transport().open_session() for _ in range(6)]
for number, channel in enumerate(channels):
    channel.exec_command(f"head -c 3000000 /dev/zero | cksum; exit {number}")
print("channels:", [(c.makefile().read(), c.recv_exit_status()) for c in channels])

data = os.urandom(5_000_000)
sftp = client.open_sftp()
place = f"{folder}/ä file"
with sftp.open(place, "wb") as file:
    file.set_pipelined(True)
    file.write(data)
with sftp.open(place, "rb") as file:
    file.prefetch()
    read = file.read()
print("sftp:", hashlib.sha256(read).digest() == hashlib.sha256(data).digest(), sftp.stat(place).st_size)
sftp.rename(place, f"{folder}/moved")
sftp.chmod(f"{folder}/moved", 0o600)
sftp.mkdir(f"{folder}/new")
print("names:", sorted(sftp.listdir(folder)))
try:
    sftp.stat(f"{folder}/missing")
except FileNotFoundError as error:
    print("missing:", error.errno)
sftp.remove(f"{folder}/moved")
sftp.rmdir(f"{folder}/new")

client.get_transport().renegotiate_keys()
_, stdout, _ = client.exec_command("echo new keys")
print("rekeyed:", stdout.read())
try:
    client.get_transport().open_channel("no-such-channel")
except paramiko.ChannelException as error:
    # With what number differs: RFC 4254 s5.1 has one for it, OpenSSH takes another.
    print("unknown channel:", error.code != 0)
_, stdout, _ = client.exec_command("echo lives on")
print("after:", stdout.read())
client.close()
