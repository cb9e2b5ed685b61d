{{/* What is installed has the release's name, unless that says nothing of this chart. */}}
{{- define "profiling-operator.name" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "profiling-operator.results" -}}
{{- include "profiling-operator.name" . }}-results
{{- end -}}

{{/* Names of what has no namespace: two releases that watch namespaces of their own may stand side by side. */}}
{{- define "profiling-operator.clusterName" -}}
{{- include "profiling-operator.name" . }}{{ if .Values.watchNamespaces }}-{{ .Release.Namespace }}{{ end }}
{{- end -}}

{{/* The operator binds this role to the uploaders of each namespace. */}}
{{- define "profiling-operator.uploaderRole" -}}
{{- include "profiling-operator.clusterName" . }}-uploader
{{- end -}}

{{/* The service account of the jobs' pods; only their uploaders have a token of it. */}}
{{- define "profiling-operator.uploader" -}}
{{- dig "kubernetes" "service_account" "profjob-uploader" .Values.settings -}}
{{- end -}}

{{- define "profiling-operator.serviceAccount" -}}
{{- default (include "profiling-operator.name" .) .Values.operator.serviceAccount.name -}}
{{- end -}}

{{- define "profiling-operator.resultsServiceAccount" -}}
{{- default (include "profiling-operator.results" .) .Values.resultsServer.serviceAccount.name -}}
{{- end -}}

{{/* Labels of everything: a list of the root and, where there is one, the component. */}}
{{- define "profiling-operator.labels" -}}
{{- $root := index . 0 -}}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
app.kubernetes.io/name: {{ $root.Chart.Name }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
{{- if gt (len .) 1 }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}
{{- end -}}

{{/* Labels that select the pods of a component: a list of the root and the component. */}}
{{- define "profiling-operator.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ $root.Chart.Name }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "profiling-operator.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ default .Chart.AppVersion $image.tag }}
{{- end -}}
{{- end -}}
