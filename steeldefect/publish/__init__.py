"""Publish scored waves: the lease, the audit, the commit, and the record of the run."""
