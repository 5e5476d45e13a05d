"""Names are data: any text, whoever chose it, made safe for each kind of output.

Sound names (letters of any script, digits, `_-.@#:~+=/` and spaces) come out as they are. What could act,
hide or turn the line around is shown as Python would write it: an escape character as `\\x1b`.
"""

from __future__ import annotations

import hashlib
import html as _html
import re
import unicodedata
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

NAME, TEXT = 200, 2000
"""Letters of a name (or of a word), and of a line, beyond which it is cut."""
FILE = 200
"""Bytes of a part of a file's name beyond which it is cut; file systems take 255."""
INVISIBLE = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters, as Unicode has it, that show nothing."""
LONGEST_METRIC = 100
"""Letters of a name that is part of a metric's: MLflow takes 250 in all."""
SOUND = re.compile(r"[A-Za-z0-9_\-@#:~+=/ ][A-Za-z0-9_\-.@#:~+=/ ]*")
LONG_WORD = re.compile(rf"\S{{{NAME + 1},}}")
TAG = re.compile(r"<(?=[A-Za-z/!?])")
BLOCK = re.compile(r"(?m)^(?=#{1,6}(?:\s|$)|>|[-+*]\s|-{3,}|={2,}|~{3}|`{3})")
BAR = re.compile(r"(\\*)\|")
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a spreadsheet takes for the beginning of a formula."""
USER = re.compile(r"(://[^:/@\s]*):\S*@")
QUERY = re.compile(r"([?&;](?:password|passwd|pwd|token|secret|[a-z_]*key)=)[^&;\s]*", re.IGNORECASE)
LEAST_SECRET = 4
"""Letters of a password that is taken out wherever it stands; a shorter one is part of many words."""
UNSAFE_FILE = re.compile(r"[/\\:]")
UNFILED = re.compile(r"[^\x20-\x7e\xa0-\ud7ff\ue000-\U0010ffff]")


def visible(text: str) -> str:
    """The text on one line, with nothing in it that acts or hides: controls, bidi, zero width, surrogates."""
    if text.isprintable() and INVISIBLE.isdisjoint(text):
        return text
    signs = stored(text)
    return "".join(sign if _seen(sign) else sign.encode("unicode_escape").decode() for sign in signs)


def _seen(sign: str) -> bool:
    return (sign.isprintable() or unicodedata.category(sign) == "Zs") and sign not in INVISIBLE


def cut(text: str, most: int = NAME) -> str:
    """The text, or its beginning and a digest of it where it is longer than `most` letters: no two alike."""
    if len(text) <= most:
        return text
    return f"{text[: most - 11]}...{_digest(text)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def words(text: str) -> str:
    """One line of a report, as long as it is; words of hundreds of letters are cut."""
    shown = visible(text)
    return shown if len(shown) <= NAME else LONG_WORD.sub(lambda word: cut(word[0]), shown)


def line(text: str) -> str:
    """One line for a terminal, of so many letters at most."""
    return cut(visible(text), TEXT)


def page(text: str) -> str:
    """Several lines for a terminal, each of them safe; they are as long as they are."""
    return "\n".join(map(visible, text.split("\n")))


def markdown(text: str) -> str:
    """One line for a Markdown file: no HTML, no link or picture, no code that somebody else must end."""
    shown = TAG.sub("&lt;", words(text)).replace("](", "]&lpar;")
    return shown.replace("`", "&grave;") if shown.count("`") % 2 else shown


def markdown_page(text: str) -> str:
    """Several lines of Markdown that somebody wrote, each safe by itself."""
    return "\n".join(map(markdown, text.split("\n")))


def cell(text: str, most: int = NAME) -> str:
    """A cell of a Markdown table: a bar in it does not end it."""
    return BAR.sub(r"\1\1\\|", markdown(cut(text, most)))


def paragraph(text: str) -> str:
    """Wrapped Markdown text in which no line begins a heading, a list or a quotation."""
    return BLOCK.sub(r"\\", text)


def code(text: str) -> str:
    """A name to stand between backticks in a Markdown table."""
    return cell(text.replace("`", "'"))


def said_by(error: BaseException) -> str:
    """The text of an error; one whose class is a stranger's may fail to tell it."""
    try:
        return str(error)
    except (Exception, SystemExit):  # noqa: BLE001 - what it raises then is of no more use
        return "it cannot say why"


def html(text: str) -> str:
    """The text for an HTML page, in an attribute too."""
    return _html.escape(visible(text), quote=True)


def csv(value: Any) -> Any:
    """A cell of a CSV file: text that a spreadsheet would compute begins with an apostrophe; others stay."""
    if not isinstance(value, str):
        return value
    formula = value.startswith(FORMULA) and len(value) > 1 and not _is_number(value)
    return f"'{visible(value)}" if formula else visible(value)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text.isprintable()


def csv_text(frame: Any) -> str:
    """A pandas table as CSV, its names and cells made safe (`csv`)."""
    texts = [name for name in frame if any(csv(v) != v for v in frame[name] if isinstance(v, str))]
    safe = frame.assign(**{name: frame[name].map(csv) for name in texts}) if texts else frame
    return str(safe.rename(columns=csv).to_csv(index=False, lineterminator="\n"))


def drawn(text: str, has: Callable[[int], bool], most: int = NAME) -> str:
    """Text for a picture, in a font that `has` some code points; the others are shown as numbers.

    What is longer than `most` letters is cut to half of them.
    """
    shown = visible(text[:TEXT])
    if not shown.isascii():
        signs = (sign if has(ord(sign)) else sign.encode("unicode_escape").decode() for sign in shown)
        shown = "".join(signs)
    if len(shown) > most or len(text) > TEXT:
        shown = f"{shown[: most // 2 - 11]}...{_digest(text)}"
    return f" {shown}" if shown.startswith("_") else shown  # legends leave out what begins with that


def stored(text: str) -> str:
    """The text as UTF-8 can hold it: bytes of a file's name that are none are shown, `\\xff`."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        try:
            data = text.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            data = text.encode("utf-8", "backslashreplace")
        return data.decode("utf-8", "backslashreplace")
    return text


def file_part(text: str) -> str:
    """The text as part of a file's name: no folder, drive or folder above, nothing unseen, not too long."""
    plain = UNSAFE_FILE.sub("+", text).replace("..", "++")
    safe = UNFILED.sub("+", f"+{plain[1:]}" if plain.startswith(".") else plain or "+")
    if safe != plain:
        safe = f"{safe}+{_digest(text)}"
    if len(safe.encode()) > FILE:
        safe = f"{safe.encode()[: FILE - 9].decode('utf-8', 'ignore')}+{_digest(text)}"
    return safe


def entity(text: str) -> str:
    """A name as MLflow takes it for a run, a data set and in filters: without quotes, not too long."""
    safe = re.sub(r"['\"`\\%]", ".", visible(text))
    return cut(safe if safe == text else f"{safe}.{_digest(text)}")


def metric(text: str) -> str:
    """A name as part of a metric's in MLflow, without a slash: `lab:gan` becomes `lab.gan`."""
    safe = cut(re.sub(r"[^A-Za-z0-9_\-. ]", ".", text), LONGEST_METRIC)
    return safe if SOUND.fullmatch(text) and len(text) <= LONGEST_METRIC else f"{safe}-{_digest(text)}"


def without_secrets(text: str, address: str = "") -> str:
    """A line without the passwords in the addresses that it holds, or those of one that it may quote."""
    password = address.partition("://")[2].rpartition("@")[0].partition(":")[2]
    for secret in filter(None, (password, unquote(password))):
        text = text.replace(f":{secret}@", ":***@")
        text = text.replace(secret, "***") if len(secret) >= LEAST_SECRET else text
    return QUERY.sub(r"\1***", USER.sub(r"\1:***@", text))


class Renaming:
    """A way to write names that keeps different ones different."""

    def __init__(self, how: Callable[[str], str]) -> None:
        self.how = how
        self._said: dict[str, str] = {}
        self._taken: dict[str, str] = {}

    def __call__(self, text: str) -> str:
        """The name as it is written; of one that another name is written as, with a digest."""
        if text not in self._said:
            shown = self.how(text)
            if self._taken.setdefault(shown, text) != text:
                shown = f"{shown}.{_digest(text)}"
            self._said[text] = shown
        return self._said[text]
