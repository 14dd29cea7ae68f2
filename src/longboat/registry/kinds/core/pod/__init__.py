"""Pod, and the pod templates that workloads carry: one module per part of the spec."""
