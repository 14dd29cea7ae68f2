"""CertificateSigningRequests: approving those of nodes, signing what has been approved, clearing up the rest."""
