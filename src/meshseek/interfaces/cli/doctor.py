"""``meshseek doctor``: is everything there?"""

from __future__ import annotations

from pathlib import Path

import click

from meshseek.errors import MeshseekError
from meshseek.interfaces.cli.options import show, workspace_options
from meshseek.interfaces.cli.serving import api_port_option, ui_port_option


@click.command("doctor")
@api_port_option
@ui_port_option
@workspace_options
def doctor_command(*, api_port: int, ui_port: int, workspace: Path | None, as_json: bool) -> None:
    """Look whether everything is there, and say what to do where it is not.

    What it looks at: what is installed, the database, disk, memory, models, ports, permissions, the clock, and the
    locale. Each line begins with ok, warning or problem. The exit status is 1 if there is a problem.
    """
    from meshseek.bootstrap import Meshseek
    from meshseek.doctor.examination import examine, examine_without_settings
    from meshseek.settings import read_settings

    try:
        meshseek = Meshseek(read_settings(workspace=workspace))
    except MeshseekError as error:
        findings = examine_without_settings(error)
    else:
        findings = examine(meshseek, {"--api-port": api_port, "--ui-port": ui_port})
    show([finding.as_json() for finding in findings], as_json=as_json, text="\n".join(map(str, findings)))
    if any(finding.state == "problem" for finding in findings):
        raise SystemExit(1)
