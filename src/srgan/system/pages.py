"""HTML pages from the templates in ``assets/``: whatever is filled in is escaped."""

from jinja2 import Environment, PackageLoader, StrictUndefined, Template


def page_template(name: str) -> Template:
    """A template by its file's name, such as ``sweep.html``.

    ``{{ value }}`` escapes text; ``{{ value | tojson }}`` may stand in a script, whatever is in the value. A name that
    is not given fails.
    """
    pages = Environment(
        loader=PackageLoader("srgan", "assets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    pages.policies["json.dumps_kwargs"] = {"ensure_ascii": False}  # names in all letters, keys in the order given
    return pages.get_template(name)
