"""usage: asyncssh_client.py PORT USER KEY FOLDER: what people do with asyncssh, one line for each thing."""

import asyncio
import os
import sys

import asyncssh

port, user, key, folder = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]


async def main():
    options = dict(port=port, username=user, client_keys=[key], known_hosts=None, config=None, agent_path=None)
    async with asyncssh.connect("127.0.0.1", **options) as connection:
        done = await connection.run("cat; echo err >&2; exit 7", input="through and back\n")
        print("exec:", repr(done.stdout), repr(done.stderr), done.exit_status)
        done = await connection.run("kill -TERM $$")
        print("signal:", done.exit_status, done.exit_signal and done.exit_signal[:2])
        done = await connection.run("stty size; echo $TERM", term_type="vt220", term_size=(100, 30))
        print("terminal:", repr(done.stdout), done.exit_status)
        done = await connection.run("echo [$LC_X]", env={"LC_X": "grüße"})
        print("environment:", repr(done.stdout))

        many = [connection.run(f"head -c 2000000 /dev/zero | cksum; exit {n}") for n in range(8)]
        print("channels:", [(d.stdout, d.exit_status) for d in await asyncio.gather(*many)])

        data = os.urandom(4_000_000)
        with open(f"{folder}/near", "wb") as file:
            file.write(data)
        async with connection.start_sftp_client() as sftp:
            await sftp.put(f"{folder}/near", f"{folder}/far")
            await sftp.get(f"{folder}/far", f"{folder}/back")
            with open(f"{folder}/back", "rb") as file:
                print("sftp:", file.read() == data)
            print("names:", sorted(n for n in await sftp.listdir(folder) if not n.startswith(".")))
            try:
                await sftp.stat(f"{folder}/missing")
            except asyncssh.SFTPNoSuchFile:
                print("missing: yes")
        await asyncssh.scp(f"{folder}/near", (connection, f"{folder}/scp"))
        with open(f"{folder}/scp", "rb") as file:
            print("scp:", file.read() == data)

    for cipher in ["aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com", "aes256-ctr"]:
        async with asyncssh.connect("127.0.0.1", encryption_algs=[cipher], **options) as connection:
            done = await connection.run("head -c 1000000 /dev/zero | cksum")
            print(cipher, repr(done.stdout))
    async with asyncssh.connect("127.0.0.1", kex_algs=["curve25519-sha256"], **options) as connection:
        print("curve25519-sha256", (await connection.run("echo in")).stdout.strip())
    async with asyncssh.connect("127.0.0.1", rekey_bytes=200_000, **options) as connection:
        done = await connection.run("head -c 3000000 /dev/zero | cksum")
        print("new keys often:", repr(done.stdout))
    # Compression is the client's wish.
    async with asyncssh.connect("127.0.0.1", compression_algs=["zlib@openssh.com", "none"], **options) as connection:
        done = await connection.run("head -c 1000000 /dev/zero | cksum")
        print("compression:", repr(done.stdout))


asyncio.run(main())
