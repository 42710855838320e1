"""A run that its user's quota has nothing left for is not begun."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_streamkit.errors import BudgetExceeded

if TYPE_CHECKING:
    from collections.abc import Iterable

    from langchain_streamkit.tokens.quota import Quota


def refuse_spent(quotas: Iterable[Quota], user: str | None, thread_id: str | None) -> None:
    """Raise ``BudgetExceeded`` if a quota that stops runs is spent, to the last token or cent.

    One that has a little left admits the run, which is stopped when it is spent.
    """
    for quota in quotas:
        if quota.budget.on_exceed != "stop":
            continue
        spent = quota.spent(user, thread_id)
        for limit, allowed in quota.budget.limits.items():
            if getattr(spent, limit) >= allowed:
                raise BudgetExceeded(
                    f"the quota of {limit} is spent until {quota.resets_at:%Y-%m-%dT%H:%M:%SZ}",
                    limit=limit,
                    allowed=allowed,
                    spent=spent,
                    resets_at=quota.resets_at,
                )
