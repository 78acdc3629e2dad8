"""The app whose synthesis reports every problem at once."""

from __future__ import annotations

from crossgate.errors import SynthesisError
from crossgate.terraform import engine
from crossgate.terraform.checks import problems


class App(engine.App):
    """The engine's app, with all late checks run first.

    Takes what the engine's own takes (`outdir=`, `context=`, ...).
    """

    def synth(self) -> None:
        """Write the JSON of every stack.

        Raises:
            SynthesisError: late checks found problems; lists all of them, and nothing is written.

        """
        found = problems(self)
        if found:
            raise SynthesisError(found)
        super().synth()
