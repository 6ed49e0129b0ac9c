"""A paper's name inside an export is safe, whatever it was called before."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.formats.exportnames import safe_name


@pytest.mark.parametrize(
    ("given_name", "media_type", "name"),
    [
        ("../../etc/passwd", "text/plain", "0007-passwd"),
        ("C:\\x\\lausunto.docx", "application/msword", "0007-lausunto.docx"),
        ("evil\u202egpj.exe", "image/jpeg", "0007-evil_gpj.exe.txt"),
        ("page", "text/html; charset=utf-8", "0007-page.txt"),
        ("lausunto 010190-999K.pdf", "application/pdf", "0007-lausunto.pdf"),
        ("", "application/pdf", "0007-asiakirja"),
        ("liite ä€.txt", "text/plain", "0007-liite_ä.txt"),
    ],
)
def test_known_names(given_name: str, media_type: str, name: str) -> None:
    assert safe_name(7, given_name, media_type) == name


@given(st.text(max_size=300))
def test_any_name_is_one_safe_part(text: str) -> None:
    name = safe_name(1, text, "application/pdf")
    assert re.fullmatch(r"0001-[\w.()-]{1,90}", name)
    assert not name.endswith((".", " "))
