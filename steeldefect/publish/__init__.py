"""Makes scored waves visible: who may write, the audit, the commit, the record of the run."""
