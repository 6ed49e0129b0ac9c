"""The provisions of the demo's signed form as data, numbered as on the form (``texts/suostumus.txt``)."""

from __future__ import annotations

from typing import Any

from vault.demo import cast

_PLANNING = "rehabilitation-planning"
_ANY: list[dict[str, Any]] = [{"any": True}]
Provision = dict[str, Any]


def provisions() -> list[Provision]:
    """The six clauses in the order of the form, ready for ``POST /v1/cases/{case}/consents``."""
    employment = [{"agency": cast.EMPLOYMENT.id}]
    statement = [{"type": "b-lausunto"}]
    return [
        _permit([{"agency": one.id} for one in cast.AGENCIES], _ANY, _ANY, ["handle"], [_PLANNING]),
        _permit(
            [{"agency": cast.KELA.id}],
            [{"agency": cast.PROVIDER.id}],
            [{"type": "kuntoutuspalaute"}],
            ["read"],
            [_PLANNING],
        ),
        _permit(employment, _ANY, [{"type": "ammatillinen-suunnitelma"}], ["read"], [_PLANNING, "employment-support"]),
        _permit(
            [{"agency": cast.PIRHA.id, "role": "physician"}],
            _ANY,
            statement,
            ["read"],
            ["care", _PLANNING],
            protected=["mental-health"],
            future=False,
        ),
        _permit([{"agency": cast.PIRHA.id, "role": "coordinator"}], _ANY, _ANY, ["read", "obtain"], [_PLANNING]),
        {"effect": "deny", "recipients": employment, "documents": statement},
    ]


def _permit(
    recipients: list[dict[str, Any]],
    sources: list[dict[str, Any]],
    documents: list[dict[str, Any]],
    actions: list[str],
    purposes: list[str],
    *,
    protected: list[str] | None = None,
    future: bool = True,
) -> Provision:
    return {
        "effect": "permit",
        "recipients": recipients,
        "sources": sources,
        "documents": documents,
        "actions": actions,
        "purposes": purposes,
        "protected_classes": protected or [],
        "future_documents": future,
    }
