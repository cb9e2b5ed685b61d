{{- define "profiling-operator.scheme" -}}
{{ if .Values.resultsServer.tls.secretName }}https{{ else }}http{{ end }}
{{- end -}}

{{/* Where uploaders and operator reach the results server. */}}
{{- define "profiling-operator.resultsUrl" -}}
{{- $server := .Values.resultsServer -}}
{{- if $server.url -}}
{{- $server.url -}}
{{- else -}}
{{- $service := printf "%s.%s.svc" (include "profiling-operator.results" .) .Release.Namespace -}}
{{- $fixed := $server.service.clusterIP -}}
{{- if contains ":" $fixed }}{{ $fixed = printf "[%s]" $fixed }}{{ end -}}
{{- printf "%s://%s:%v/v1/results" (include "profiling-operator.scheme" .) (default $service $fixed) $server.service.port -}}
{{- end -}}
{{- end -}}

{{/* The settings with what the chart knows; what the values say stands above it. */}}
{{- define "profiling-operator.settings" -}}
{{- $kubernetes := dict
  "image" (include "profiling-operator.image" .)
  "pull_policy" .Values.image.pullPolicy
  "reports_to_api" .Values.admission.enabled
-}}
{{- if and .Values.rbac.create (not .Values.watchNamespaces) -}}
{{- $_ := set $kubernetes "uploader_role" (include "profiling-operator.uploaderRole" .) -}}
{{- end -}}
{{- $known := dict "kubernetes" $kubernetes -}}
{{- $stores := dig "stores" dict .Values.settings -}}
{{- if and .Values.resultsServer.enabled (not (hasKey $stores "default")) -}}
{{- $store := dict "url" (include "profiling-operator.resultsUrl" .) -}}
{{- with .Values.resultsServer.tls.ca }}{{ $_ := set $store "ca" . }}{{ end -}}
{{- $_ := set $known "stores" (dict "default" $store) -}}
{{- else if not (hasKey $stores "default") -}}
{{- fail "resultsServer.enabled is false and settings.stores.default is missing: no job could store its results" -}}
{{- end -}}
{{- mustMergeOverwrite $known (deepCopy .Values.settings) | toYaml -}}
{{- end -}}
