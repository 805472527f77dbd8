{{/*
The pod of a component of the operator, out of a dict: root, component, values (of the component), and optionally
ports, mounts and volumes (YAML). Restricted pod security, and nothing on disk that could be written.
*/}}
{{- define "cachedistill.pod" -}}
{{- $root := .root -}}
metadata:
  labels:
    {{- include "cachedistill.selectorLabels" (list $root .component) | nindent 4 }}
    {{- with $root.Values.pods.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    # Settings are read once: a change of them makes new pods.
    cachedistill.dev/settings: {{ include "cachedistill.settings" $root | sha256sum | trunc 16 | quote }}
    {{- with $root.Values.pods.annotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "cachedistill.fullname" $root }}-{{ .component }}
  automountServiceAccountToken: true
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ .values.terminationGracePeriodSeconds }}
  {{- with $root.Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $root.Values.pods.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- include "cachedistill.placement" . | nindent 2 }}
  securityContext:
    {{- include "cachedistill.podSecurity" . | nindent 4 }}
  containers:
  - name: {{ .component }}
    image: {{ include "cachedistill.image" (list $root $root.Values.image) | quote }}
    imagePullPolicy: {{ $root.Values.image.pullPolicy }}
    args:
    - --log-level={{ $root.Values.log.level }}
    - --log-format={{ $root.Values.log.format }}
    - {{ .component }}
    - --settings=/etc/cachedistill/settings.yaml
    env:
      {{- include "cachedistill.environment" . | nindent 6 }}
    ports:
    - {name: http, containerPort: 8080}
    {{- with .ports }}
    {{- . | nindent 4 }}
    {{- end }}
    # The controller stands by without the Lease and is ready then; the webhook is ready when its index is complete.
    startupProbe:
      httpGet: {path: /healthz, port: http}
      periodSeconds: 1
      failureThreshold: 60
    livenessProbe:
      httpGet: {path: /healthz, port: http}
      periodSeconds: 10
      timeoutSeconds: 5
    readinessProbe:
      httpGet: {path: /readyz, port: http}
      periodSeconds: 2
      timeoutSeconds: 2
    resources:
      {{- toYaml .values.resources | nindent 6 }}
    securityContext:
      {{- include "cachedistill.containerSecurity" . | nindent 6 }}
    volumeMounts:
    - {name: settings, mountPath: /etc/cachedistill/settings.yaml, subPath: settings.yaml, readOnly: true}
    {{- with .mounts }}
    {{- . | nindent 4 }}
    {{- end }}
  volumes:
  - name: settings
    configMap: {name: {{ include "cachedistill.fullname" $root }}-settings}
  {{- with .volumes }}
  {{- . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* Where pods go: on different nodes if there are any, and as the values say. */}}
{{- define "cachedistill.placement" -}}
topologySpreadConstraints:
- maxSkew: 1
  topologyKey: kubernetes.io/hostname
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "cachedistill.selectorLabels" (list .root .component) | nindent 6 }}
{{- with .values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.pods.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.pods.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "cachedistill.environment" -}}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
{{- with .root.Values.telemetry.endpoint }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ . | quote }}
{{- end }}
{{- with .root.Values.pods.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "cachedistill.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "cachedistill.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}
