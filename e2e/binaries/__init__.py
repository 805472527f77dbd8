"""Kubernetes, Helm and a collector, built once on this machine out of Go's module proxy, pinned by go.sum."""

from e2e.binaries.build import tool as tool
