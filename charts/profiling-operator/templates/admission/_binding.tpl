{{/* Binds a policy: a list of the root and the policy's name. */}}
{{- define "profiling-operator.binding" -}}
{{- $root := index . 0 -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ index . 1 }}
  labels:
    {{- include "profiling-operator.labels" (list $root "admission") | nindent 4 }}
spec:
  policyName: {{ index . 1 }}
  validationActions: [Deny]
  {{- with $root.Values.watchNamespaces }}
  matchResources:
    namespaceSelector:
      matchExpressions:
      - {key: kubernetes.io/metadata.name, operator: In, values: {{ toJson . }}}
  {{- end }}
{{- end -}}

{{/* Who may do what only the operator may, as a list in CEL. */}}
{{- define "profiling-operator.operators" -}}
{{- $own := printf "system:serviceaccount:%s:%s" .Release.Namespace (include "profiling-operator.serviceAccount" .) -}}
{{- toJson (prepend .Values.admission.operators $own) -}}
{{- end -}}

{{/* CEL: no label of ours was added, changed or taken away between two maps. */}}
{{- define "profiling-operator.sameLabels" -}}
{{- $new := index . 0 -}}{{- $old := index . 1 -}}
{{ $new }}.all(k, !k.startsWith('profiling.dev/') || (k in {{ $old }} && {{ $old }}[k] == {{ $new }}[k])) && {{ $old }}.all(k, !k.startsWith('profiling.dev/') || k in {{ $new }})
{{- end -}}
