"""Counting tokens and what they cost: text as it streams, prompts before they are sent, prices,
and the ledger of every model call.

Nothing here makes a run or an event; what the provider reports itself is read in ``sources/``.
"""
