{{/* Names. 40 characters at most, so that every suffix fits into a label. */}}
{{- define "cachedistill.name" -}}
{{ .Values.nameOverride | default .Chart.Name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "cachedistill.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains (include "cachedistill.name" .) .Release.Name -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name (include "cachedistill.name" .) | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "cachedistill.webhookSecret" -}}
{{- if eq .Values.webhook.certificates.source "existingSecret" -}}
{{ required "webhook.certificates.existingSecret must name a Secret when webhook.certificates.source is existingSecret" .Values.webhook.certificates.existingSecret }}
{{- else -}}
{{ include "cachedistill.fullname" . }}-webhook-tls
{{- end }}
{{- end }}

{{/* The Secrets that the controller makes in the release's namespace: the webhook's certificate, and its CA's key. */}}
{{- define "cachedistill.ownSecrets" -}}
{{- if eq .Values.webhook.certificates.source "self" -}}
{{- $secret := include "cachedistill.webhookSecret" . -}}
{{ $secret }} {{ $secret }}-ca
{{- end }}
{{- end }}

{{/* Labels of a component's objects, and of its pods: both out of (list $ component). */}}
{{- define "cachedistill.labels" -}}
{{- $root := index . 0 -}}
{{ include "cachedistill.selectorLabels" . }}
app.kubernetes.io/part-of: cachedistill
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "cachedistill.selectorLabels" -}}
app.kubernetes.io/name: {{ include "cachedistill.name" (index . 0) }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* An image's name out of (list $ image); without a tag of its own it has the chart's appVersion. */}}
{{- define "cachedistill.image" -}}
{{- $image := index . 1 -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default (index . 0).Chart.AppVersion }}
{{- end }}
{{- end }}
