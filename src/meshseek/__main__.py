"""``python -m meshseek`` is the ``meshseek`` command."""

from meshseek.interfaces.cli import main

main()
