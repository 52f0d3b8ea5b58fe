"""The options of phases on the command line of ``lakebench run``: by phase in its help, and as text for the phases."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import typer
from typer.core import TyperCommand

from lakebench.errors import UsageError

if TYPE_CHECKING:
    from lakebench.phases.base import Phase
    from lakebench.phases.options import Option

_WORDS = "lakebench.phases.words"
_SHOWN = "lakebench.phases.shown"


class PhaseCommand(TyperCommand):
    """A command that takes the options of every phase; its help shows those of the phases that are named.

    The options that the user gives are in ``ctx.obj``: name → text. Phases are loaded when the command is called.
    """

    def get_params(self, ctx: Any) -> list[Any]:
        """The command's own parameters, then those of phases.

        Raises:
            UsageError: a phase has an option that the command itself has.
        """
        parameters = super().get_params(ctx)
        options = _options(ctx.meta.get(_SHOWN, ()))
        taken = {name for one in parameters for name in one.opts}
        for option, having in options.items():
            if f"--{option.name}" in taken:
                raise UsageError(f"{having[0].name} has an option --{option.name}, which lakebench run has itself")
        return [*parameters, *_parameters(tuple((option, _panel(having)) for option, having in options.items()))]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse ``args``; first find the phases among them, because ``--help`` needs them."""
        values, _, _ = self.make_parser(ctx).parse_args(args=list(args))
        ctx.meta[_WORDS] = values.get("phase") or ()
        return super().parse_args(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The help, with the options of the phases that are named, or of all."""
        ctx.meta[_SHOWN] = ctx.meta[_WORDS]
        super().format_help(ctx, formatter)

    def invoke(self, ctx: Any) -> Any:
        """Call the command without the phases' options, which are not its arguments."""
        ctx.obj = {}
        for number, option in enumerate(_options()):
            text = ctx.params.pop(_parameter(number))
            if ctx.get_parameter_source(_parameter(number)).name == "COMMANDLINE":
                ctx.obj[option.name] = text
        return super().invoke(ctx)


def _options(words: Iterable[str] = ()) -> Mapping[Option, Sequence[Phase]]:
    """The options of the phases that ``words`` name, of all where they name none, with those that have them."""
    from lakebench import phases
    from lakebench.phases.selection import options_of

    every = phases.phases().values()
    named = [one for one in every if {one.name, one.subject} & set(words)]
    return options_of(named or every)


def _panel(having: Sequence[Phase]) -> str:
    return f"Options of {', '.join(f'{one.name} ({one.subject})' for one in having)}"


def _parameter(number: int) -> str:
    return f"option_{number}"


@functools.cache
def _parameters(shown: Sequence[tuple[Option, str]]) -> Sequence[Any]:
    """A parameter for each option, in its panel: those of a function that has them as arguments."""

    def having(**_: str) -> None:
        """A function that is not called."""

    arguments = [
        inspect.Parameter(_parameter(number), inspect.Parameter.KEYWORD_ONLY, default=_declared(*one), annotation=str)
        for number, one in enumerate(shown)
    ]
    cast("Any", having).__signature__ = inspect.Signature(arguments)
    app = typer.Typer(add_completion=False)
    app.command()(having)
    return typer.main.get_command(app).params


def _declared(option: Option, panel: str) -> Any:
    return typer.Option(
        option.default or None,
        f"--{option.name}",
        metavar=option.metavar,
        help=option.help,
        rich_help_panel=panel,
    )
