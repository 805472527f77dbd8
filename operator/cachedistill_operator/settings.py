"""What the chart tells controller and webhook: one YAML file, mounted from a ConfigMap."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import yaml
from pydantic import Field, ValidationError

from cachedistill_operator.api.base import Part, Resources
from cachedistill_operator.api.model_route import LogLevel


class SettingsError(ValueError):
    """A settings file that can't be used; the message names each wrong field."""


class CertificateSource(StrEnum):
    """Where the webhook's certificate comes from."""

    SELF = "self"
    CERT_MANAGER = "certManager"
    EXISTING_SECRET = "existingSecret"


class SidecarDefaults(Part):
    """The sidecar's container, where a ModelRoute doesn't say otherwise."""

    image: str
    image_pull_policy: str = "IfNotPresent"
    image_pull_secrets: tuple[str, ...] = Field((), strict=False)
    resources: Resources = Resources()
    log_level: LogLevel = Field(LogLevel.WARNING, strict=False)
    log_format: str = Field("json", pattern="^(json|text)$")
    telemetry_endpoint: str | None = Field(None, description="OTLP over HTTP, for routes that name none")


class RedisDefaults(Part):
    """The managed Redis' image, where a SemanticCache doesn't say otherwise."""

    image: str = "redis:8"
    image_pull_policy: str = "IfNotPresent"
    image_pull_secrets: tuple[str, ...] = Field((), strict=False)


class WebhookSettings(Part):
    """Names of the webhook's objects in the release's namespace."""

    service: str
    secret: str = Field(description="TLS Secret that the webhook serves with")
    configuration: str = Field(description="MutatingWebhookConfiguration whose caBundle is kept")
    certificates: CertificateSource = Field(CertificateSource.SELF, strict=False)


class Settings(Part):
    """All of it."""

    namespace: str = Field(description="the release's namespace")
    cluster_domain: str = "cluster.local"
    controller_service_account: str
    controller_pod_labels: dict[str, str] = Field(default_factory=dict)
    sidecar: SidecarDefaults
    redis: RedisDefaults = RedisDefaults()
    webhook: WebhookSettings
    lease: str = "cachedistill-controller"
    drift_seconds: int = Field(120, ge=10, le=3600, description="how often each resource is looked at anyway")


def load(path: Path) -> Settings:
    """Read the file. Raises SettingsError."""
    try:
        return Settings.model_validate(yaml.safe_load(path.read_text("utf8")))
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise SettingsError(f"{path}: {error}") from error
