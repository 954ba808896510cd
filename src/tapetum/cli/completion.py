"""`tapetum completion`: what makes a shell complete commands, options and files."""

import click
from click.shell_completion import get_completion_class

_SHELLS = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    r"""Print a script that makes your shell complete `tapetum` on the tab key.

    \b
    bash:  echo 'eval "$(tapetum completion bash)"' >> ~/.bashrc
    zsh:   echo 'eval "$(tapetum completion zsh)"' >> ~/.zshrc
    fish:  tapetum completion fish > ~/.config/fish/completions/tapetum.fish

    bash must be 4.4 or newer, and zsh must have run compinit before.

    Example: tapetum completion bash
    """
    complete = get_completion_class(shell)
    assert complete is not None, "click has all three"
    click.echo(complete(context.find_root().command, {}, "tapetum", "_TAPETUM_COMPLETE").source())
