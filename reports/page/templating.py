"""Templates, assets and the policy that both kinds of page share."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources

import jinja2
from markupsafe import Markup

__all__ = ["asset", "environment", "script_hash", "trusted"]


def environment() -> jinja2.Environment:
    """Templates that escape whatever they are given, and raise for what they are not given."""
    loader = jinja2.FunctionLoader(
        lambda name: resources.files("reports.page").joinpath("templates", name).read_text("utf-8")
    )
    return jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def asset(name: str) -> str:
    """One of our own files."""
    return resources.files("reports.page").joinpath("assets", name).read_text("utf-8")


def trusted(name: str) -> Markup:
    """One of our own files, to be put into a page as it is."""
    return Markup(asset(name))  # noqa: S704  # our own file


def script_hash(script: str) -> str:
    """How the content security policy names the one script that may run."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
