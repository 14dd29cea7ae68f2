"""The CIS Kubernetes Benchmark 1.12: what each control asks for, and how a running cluster is looked at for it. Nothing
that changes a cluster belongs here: what is asked of its API is a read, a review or a dry run."""
