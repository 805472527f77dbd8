"""A CA file goes with TLS, wherever the URL stands."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from cachedistill_sidecar.route_document import Redis, RouteError


def test_a_ca_file_without_tls_is_refused() -> None:
    with pytest.raises(ValidationError, match="caFile goes with a rediss:// URL only"):
        Redis(url="redis://127.0.0.1:6379", ca_file="ca.crt")


def test_a_ca_file_without_tls_is_refused_when_the_url_is_read(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("redis://127.0.0.1:6379\n")
    with pytest.raises(RouteError, match="caFile goes with a rediss:// URL only"):
        Redis(url_file=str(tmp_path / "url"), ca_file="ca.crt").resolve()


def test_a_url_is_read_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("rediss://127.0.0.1:6379/0\n")
    assert Redis(url_file=str(tmp_path / "url"), ca_file="ca.crt").resolve() == "rediss://127.0.0.1:6379/0"
