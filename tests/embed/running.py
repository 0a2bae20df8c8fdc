"""The examples of docs/embed as they are run: each in a process of its own, on loopback."""

from __future__ import annotations

import datetime
import os
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import httpx

from tests.conftest import ROOT
from tests.serving import (
    CLI,
    Serving,
    end,
    environment,
    free_port,
    wait_until_read,
    wait_until_ready,
    write_settings,
)  # fmt: skip

EXAMPLES = ROOT / "docs" / "embed"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
PREFIX = "/assistant"


@contextmanager
def portal(command: list[str], folder: Path, port: int, **variables: str) -> Iterator[str]:
    """A portal that runs until the block ends; its address, as ``localhost``."""
    env = {**os.environ, **variables, "PYTHONPATH": str(EXAMPLES)}
    with (folder / "portal.txt").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *command, "--port", str(port)], cwd=folder, env=env, stdout=log, stderr=log
        )
        try:
            _wait(f"http://localhost:{port}/", process, folder / "portal.txt")
            yield f"http://localhost:{port}"
        finally:
            end(process)


@contextmanager
def below_a_prefix(folder: Path, **settings: Any) -> Iterator[Serving]:
    """The assistant as it runs behind a proxy that strips ``PREFIX``; its url is the direct one."""
    port = free_port()
    write_settings(folder, server={"port": port, "root_path": PREFIX}, **settings)
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen([*CLI, "serve"], cwd=folder, env=environment(), stdout=log, stderr=log, text=True)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_ready(url, process, folder)
        running = Serving(url, folder, process, 0.0)
        wait_until_read(running)
        yield running
    finally:
        end(process)


@contextmanager
def behind_nginx(server: Serving, folder: Path) -> Iterator[str]:
    """The example's nginx in front of it, with a certificate of its own; the address of the static page."""
    assert NGINX
    port = free_port()
    certificate(folder / "portal.pem", folder / "portal.key")
    shutil.copy(EXAMPLES / "static.html", folder)
    text = (EXAMPLES / "nginx.conf").read_text(encoding="utf-8")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind}; " for kind in ("client_body", "proxy", "fastcgi"))
    temporary += f"uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi; access_log off;"
    changes = {
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "http://127.0.0.1:7860/": f"{server.url}/",
        "/etc/nginx/portal": f"{folder}/portal",
        "/srv/portal": str(folder),
        "http {": f"http {{ {temporary}",
    }
    for written, run in changes.items():
        assert written in text
        text = text.replace(written, run)
    (folder / "nginx.conf").write_text(text, encoding="utf-8")
    options = f"daemon off; pid {folder}/nginx.pid;" + (" user root;" if os.geteuid() == 0 else "")
    log = folder / "nginx.txt"
    command = [NGINX, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(log), "-g", options]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        _wait(f"https://localhost:{port}/", process, log)
        yield f"https://localhost:{port}"
    finally:
        end(process)


def certificate(pem: Path, key: Path) -> None:
    """A certificate for this machine that it has signed itself."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(IPv4Address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(private, hashes.SHA256())
    )
    pem.write_bytes(made.public_bytes(Encoding.PEM))
    key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def trusting(folder: Path) -> ssl.SSLContext:
    """Trusts that certificate alone."""
    return ssl.create_default_context(cafile=str(folder / "portal.pem"))


def _wait(url: str, process: subprocess.Popen[Any], log: Path) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        try:
            httpx.get(url, timeout=5, verify=False)
            return
        except httpx.HTTPError:
            time.sleep(0.05)
    raise AssertionError(f"{url} did not become ready: " + (log.read_text() if log.exists() else ""))
