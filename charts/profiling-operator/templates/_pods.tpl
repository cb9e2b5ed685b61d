{{/* A pod that any namespace admits: no root, no rights, nothing writable but its volumes. */}}
{{- define "profiling-operator.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "profiling-operator.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* Where a pod goes: a list of the root and the component's values. */}}
{{- define "profiling-operator.placement" -}}
{{- $root := index . 0 -}}{{- $component := index . 1 -}}
{{- with $root.Values.image.pullSecrets }}
imagePullSecrets:
{{- toYaml . | nindent 0 }}
{{- end }}
{{- with $component.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with $component.nodeSelector }}
nodeSelector:
{{- toYaml . | nindent 2 }}
{{- end }}
{{- with $component.tolerations }}
tolerations:
{{- toYaml . | nindent 0 }}
{{- end }}
{{- with $component.affinity }}
affinity:
{{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Labels and annotations of a pod: a list of the root, the component and its values. */}}
{{- define "profiling-operator.podMetadata" -}}
{{- $root := index . 0 -}}{{- $component := index . 2 -}}
labels:
  {{- include "profiling-operator.labels" (list $root (index . 1)) | nindent 2 }}
  {{- with $component.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
annotations:
  kubectl.kubernetes.io/default-container: {{ index . 1 }}
  {{- if eq (index . 1) "operator" }}
  # New settings start it anew.
  checksum/settings: {{ include "profiling-operator.settings" $root | sha256sum }}
  {{- end }}
  {{- with $component.podAnnotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}
