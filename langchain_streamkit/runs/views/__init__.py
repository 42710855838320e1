"""Views: what people ask of a run (its text, messages, tool calls, state), each as an iterator.

A view that nobody has opened is nothing but an object; opening one subscribes a ``Feed`` at the
run's one sequencing point (``Sequencer.subscribe``), and a ``Reading`` waits for what it gathers.
"""
