{{/*
A Job of the operator's image that runs one script of files/, as a Helm hook. Takes a dict: root,
name (of the objects), hook, script (file name) and env (YAML).
*/}}
{{- define "cachedistill.script" -}}
{{- $root := .root -}}
{{- $namespace := $root.Release.Namespace -}}
{{- $meta := include "cachedistill.script.meta" . -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ .name }}
  namespace: {{ $namespace }}
  {{- $meta | nindent 2 }}
automountServiceAccountToken: false
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .name }}
  namespace: {{ $namespace }}
  {{- $meta | nindent 2 }}
data:
  {{ .script }}: |
    {{- $root.Files.Get (printf "files/%s" .script) | nindent 4 }}
---
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .name }}
  namespace: {{ $namespace }}
  labels:
    {{- include "cachedistill.labels" (list $root "hook") | nindent 4 }}
  annotations:
    helm.sh/hook: {{ .hook }}
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  backoffLimit: 1
  # Below the five minutes that Helm waits.
  activeDeadlineSeconds: 270
  template:
    metadata:
      labels:
        {{- include "cachedistill.selectorLabels" (list $root "hook") | nindent 8 }}
    spec:
      restartPolicy: Never
      serviceAccountName: {{ .name }}
      automountServiceAccountToken: true
      enableServiceLinks: false
      {{- with $root.Values.imagePullSecrets }}
      imagePullSecrets:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $root.Values.pods.nodeSelector }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $root.Values.pods.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      securityContext:
        {{- include "cachedistill.podSecurity" . | nindent 8 }}
      containers:
      - name: script
        image: {{ include "cachedistill.image" (list $root $root.Values.image) | quote }}
        imagePullPolicy: {{ $root.Values.image.pullPolicy }}
        command: [python, /scripts/{{ .script }}]
        env:
          {{- .env | nindent 10 }}
        resources:
          requests: {cpu: 10m, memory: 96Mi}
          limits: {memory: 256Mi}
        securityContext:
          {{- include "cachedistill.containerSecurity" . | nindent 10 }}
        volumeMounts:
        - {name: scripts, mountPath: /scripts, readOnly: true}
      volumes:
      - name: scripts
        configMap: {name: {{ .name }}}
{{- end }}

{{/* Made before the Job, and gone with it. */}}
{{- define "cachedistill.script.meta" -}}
labels:
  {{- include "cachedistill.labels" (list .root "hook") | nindent 2 }}
annotations:
  helm.sh/hook: {{ .hook }}
  helm.sh/hook-weight: "-1"
  helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}
