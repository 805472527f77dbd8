"""Trust: the public roots that the sidecar verifies providers with, and the bundle that apps are given instead."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

# Where systems keep all their roots in one file: Debian and Alpine, then Fedora and its like.
_SYSTEM = (Path("/etc/ssl/certs/ca-certificates.crt"), Path("/etc/pki/tls/certs/ca-bundle.crt"))


def public_roots(bundle: Path) -> Path:
    """The file with the roots: $SSL_CERT_FILE, else the system's, else certifi's.

    Never `bundle`: it holds the interception CA, by which no provider may be verified.
    """
    default = ssl.get_default_verify_paths().cafile
    named = [Path(path) for path in (os.environ.get("SSL_CERT_FILE"), default) if path]
    for path in (*named, *_SYSTEM):
        if path.is_file() and path.resolve() != bundle.resolve():
            return path
    import certifi

    return Path(certifi.where())


def write_bundle(bundle: Path, roots: bytes, authority: bytes) -> None:
    """Write both PEM texts into one file, at once: an app never reads half of it. Raises OSError."""
    bundle.parent.mkdir(parents=True, exist_ok=True)
    new = bundle.with_name(f".{bundle.name}.new")
    new.write_bytes(roots.rstrip() + b"\n" + authority)
    # Apps run as any user, and it holds nothing secret.
    new.chmod(0o644)
    new.replace(bundle)
