"""aiosmtpd as a relay that wants TLS and a log-in; says in JSON lines what it took.

mail.py CERTIFICATE KEY LOGIN PASSWORD REFUSED: whoever is REFUSED has no mailbox here."""

import asyncio
import email
import email.policy
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

certificate, key, login, password, refused = sys.argv[1:6]


def say(**line):
    print(json.dumps(line), flush=True)


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address == refused:
            say(refused=address)
            return "550 5.1.1 no such mailbox here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        say(
            to=envelope.rcpt_tos,
            sender=envelope.mail_from,
            subject=mail["Subject"],
            id=mail["Message-ID"],
            automatic=mail["Auto-Submitted"],
            text=mail.get_body(("plain",)).get_content(),
            html=mail.get_body(("html",)).get_content(),
            tls=session.ssl is not None,
            login=session.auth_data.login.decode() if session.auth_data else None,
        )
        return "250 OK"


def authenticate(server, session, envelope, mechanism, given):
    fits = isinstance(given, LoginPassword) and (given.login, given.password) == (
        login.encode(),
        password.encode(),
    )
    say(mechanism=mechanism, fits=fits)
    if fits:
        return AuthResult(success=True, auth_data=given)
    return AuthResult(success=False, handled=False)


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)


async def main():
    def factory():
        return SMTP(
            Handler(),
            require_starttls=True,
            tls_context=context,
            auth_required=True,
            auth_require_tls=True,
            authenticator=authenticate,
        )

    server = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", 0)
    say(port=server.sockets[0].getsockname()[1])
    await server.serve_forever()


asyncio.run(main())
