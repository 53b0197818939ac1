"""Every command and option of ``aml-gitops``, declared and nothing more, so that ``--help`` loads no command."""

from reconciler.cli.commands.line import LINE
from reconciler.cli.commands.living import LIVING
from reconciler.cli.commands.tools import TOOLS

COMMANDS = (*LINE, *LIVING, *TOOLS)

__all__ = ["COMMANDS"]
