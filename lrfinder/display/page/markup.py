"""Markup as text: every tag that is opened is closed, and what comes from outside is escaped."""

from html import escape

__all__ = ["tag", "words"]

VOID = ("meta", "link", "input", "br")


def tag(name: str, /, *content: str, **attributes: object) -> str:
    """Return an element around markup; attributes are escaped, and an underscore in their names is a hyphen.

    An attribute that is None or False is left out; True is written without a value, and `class_` is `class`.

    >>> tag("a", "x", class_="y", data_of='"', hidden=True)
    '<a class="y" data-of="&quot;" hidden>x</a>'
    """
    written = "".join(_attribute(key, value) for key, value in attributes.items())
    return f"<{name}{written}>" if name in VOID else f"<{name}{written}>{''.join(content)}</{name}>"


def words(text: object) -> str:
    """Return text from anywhere as markup that shows it, on one line, without what cannot be printed."""
    return escape("".join(c if c.isprintable() or c == "\n" else " " for c in str(text)))


def _attribute(key: str, value: object) -> str:
    name = key.rstrip("_").replace("_", "-")
    if value is None or value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{words(value)}"'
