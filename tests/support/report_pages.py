"""A page taken apart, for the tests of it: elements with their attributes and their text."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

__all__ = ["Element", "parse"]

VOID = {"meta", "link", "br", "img", "input", "hr"}


@dataclass(slots=True)
class Element:
    """One element, with its ancestors' ids."""

    tag: str
    attributes: dict[str, str]
    within: tuple[str, ...]
    parts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All text inside it."""
        return "".join(self.parts)

    @property
    def classes(self) -> list[str]:
        """Its classes."""
        return self.attributes.get("class", "").split()


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self._open: list[Element] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        ids = tuple(element.attributes["id"] for element in self._open if "id" in element.attributes)
        element = Element(tag, {name: value or "" for name, value in attrs}, ids)
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element that closes itself."""
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        """Close the element; every page closes what it opens, in order."""
        if tag in VOID:
            return
        last = self._open.pop()
        if last.tag != tag:
            raise AssertionError(f"</{tag}> closes <{last.tag}> at {self.getpos()}")

    def handle_data(self, data: str) -> None:
        """Give text to all elements that are open."""
        for element in self._open:
            element.parts.append(data)


def parse(text: str) -> list[Element]:
    """All elements of a page, in order. Raises AssertionError if an end tag does not match."""
    parser = _Parser()
    parser.feed(text)
    parser.close()
    return parser.elements
