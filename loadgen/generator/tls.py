"""TLS as the way to the service has it. Only the generator process imports this."""

import os
import ssl

import gevent.ssl  # type: ignore[import-untyped]

from loadgen.origin import Credentials

__all__ = ["tls_context"]


def tls_context(credentials: Credentials | None) -> ssl.SSLContext:
    """A context that verifies the server unless `credentials` say not to, with their client certificate if any."""
    context: ssl.SSLContext = gevent.ssl.create_default_context(cadata=credentials.ca_pem if credentials else None)
    if credentials and not credentials.verified:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if credentials and credentials.cert_pem and credentials.key_pem:
        descriptor = os.memfd_create("client-certificate", os.MFD_CLOEXEC)  # OpenSSL reads files only: one in memory
        try:
            os.write(descriptor, f"{credentials.cert_pem}\n{credentials.key_pem}".encode())
            context.load_cert_chain(f"/proc/self/fd/{descriptor}")
        finally:
            os.close(descriptor)
    return context
