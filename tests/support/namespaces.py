"""Programs as other users, under other host names and over other disks, by Linux's namespaces.

What is changed inside a namespace ends with the program; no rights are needed outside of it.
"""

from __future__ import annotations

import subprocess


class Namespaces:
    """Makes what has to come before a command."""

    def allowed(self) -> bool:
        """Tell whether this host lets its users have namespaces with mounts of their own."""
        probe = [*self.root('mount -t tmpfs none /mnt && exec "$@"', "--mount", "--uts"), "true"]
        try:
            return subprocess.run(probe, capture_output=True, check=False).returncode == 0
        except FileNotFoundError:
            return False

    def user(self, number: int) -> list[str]:
        """Run a command as another user id, with this user's rights to files."""
        return ["unshare", f"--map-user={number}"]

    def root(self, script: str, *kinds: str) -> list[str]:
        """Run a shell script as root of namespaces of these kinds; `"$@"` in it is the command."""
        return ["unshare", "--map-root-user", *kinds, "bash", "-c", script, "bash"]
