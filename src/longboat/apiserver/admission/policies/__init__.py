"""ValidatingAdmissionPolicy and MutatingAdmissionPolicy in force: rules in CEL that are bound to requests, and what
follows from their results (admissionregistration.k8s.io/v1, KEP-3488, KEP-3962)."""
