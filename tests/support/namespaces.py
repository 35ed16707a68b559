"""Run programs as other users, with other host names and disks, in Linux namespaces.

Changes inside a namespace end with the program; they need no rights outside of it.
"""

from __future__ import annotations

import subprocess


class Namespaces:
    """Builder of the words that run a command in a namespace."""

    def allowed(self) -> bool:
        """Return whether this host lets its users create namespaces with their own mounts."""
        probe = [*self.root('mount -t tmpfs none /mnt && exec "$@"', "--mount", "--uts"), "true"]
        try:
            return subprocess.run(probe, capture_output=True, check=False).returncode == 0
        except FileNotFoundError:
            return False

    def user(self, number: int) -> list[str]:
        """Return the words that run a command as another user id, with this user's file rights."""
        return ["unshare", f"--map-user={number}"]

    def root(self, script: str, *kinds: str) -> list[str]:
        """Return the words that run a script as root of these namespaces; `"$@"` is the command."""
        return ["unshare", "--map-root-user", *kinds, "bash", "-c", script, "bash"]
