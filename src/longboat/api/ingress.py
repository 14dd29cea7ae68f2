"""Whose Ingresses the nodes serve: those of classes with this controller, and of the class's name of old."""

from __future__ import annotations

CONTROLLER = "longboat.dev/ingress"  # of an IngressClass
CLASS = "longboat"
LEGACY_CLASS = "kubernetes.io/ingress.class"  # annotation
