"""Runs of a server, read over HTTP as runs of ours."""
