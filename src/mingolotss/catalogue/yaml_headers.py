r"""YAML in the headers of tables, checked before astropy reads it.

An alias repeats what its anchor names. Ten lines in which each repeats the one before ten times
stand for 10^10 values, which are made when somebody writes them out. Nodes that are nested too deep
exceed the stack.

>>> check_yaml("a: &a [1, 2]\nb: &b [*a, *a, *a]")
>>> check_yaml("[" * 200)
Traceback (most recent call last):
    ...
ValueError: its YAML is nested more than 50 deep
"""

from __future__ import annotations

__all__ = ["check_yaml"]

_MAX_DEPTH = 50
_MAX_NODES = 1_000_000  # a table of 10,000 columns has less than 100,000


def check_yaml(text: str) -> None:
    """Refuse YAML that is nested too deep, or whose aliases stand for very many values.

    Parameters
    ----------
    text : str

    Raises
    ------
    ValueError
        The message says what was found; also for a text that is no YAML.
    """
    import yaml  # 10 ms, and few tables have such headers

    try:
        _count_nodes(text)
    except yaml.YAMLError as error:
        problem = getattr(error, "problem", None) or "unknown character"
        raise ValueError(f"its header is no YAML ({problem})") from error


def _count_nodes(text: str) -> None:
    import yaml

    # The events of the parser come without recursion and without the values. `open_nodes` has the
    # anchor of each collection that is open and the number of nodes before it.
    open_nodes: list[tuple[str | None, int]] = []
    size_of: dict[str, int] = {}
    count = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append((event.anchor, count))
            if len(open_nodes) > _MAX_DEPTH:
                raise ValueError(f"its YAML is nested more than {_MAX_DEPTH} deep")
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_nodes.pop()
            count += 1
            if anchor is not None:
                size_of[anchor] = count - before
        elif isinstance(event, yaml.AliasEvent):
            count += size_of.get(event.anchor, _MAX_NODES)  # an alias in its own node is endless
        elif isinstance(event, yaml.ScalarEvent):
            count += 1 + len(event.value) // 1000
            if event.anchor is not None:
                size_of[event.anchor] = 1 + len(event.value) // 1000
        if count > _MAX_NODES:
            raise ValueError(f"its YAML stands for more than {_MAX_NODES} values")
