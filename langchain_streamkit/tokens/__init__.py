"""Counting tokens and what they cost: text as it streams, prompts before they are sent, prices.

Nothing here knows runs or events' order; what the provider reports itself is read in ``sources/``.
"""
