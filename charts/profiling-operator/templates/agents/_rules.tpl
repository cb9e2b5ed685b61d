{{- define "profiling-operator.agentAccount" -}}
{{- default "profjob-agent" .Values.agents.serviceAccount.name -}}
{{- end -}}

{{/* What an agent may do where jobs are addressed to its host. It makes neither Jobs nor pods. */}}
{{- define "profiling-operator.agentRules" -}}
- apiGroups: [profiling.dev]
  resources: [profilingjobs]
  # delete: ttlSecondsAfterFinished.
  verbs: [get, list, watch, delete]
- apiGroups: [profiling.dev]
  resources: [profilingjobs/status]
  verbs: [get, patch, update]
# The results server asks for these: agents send results, and accept jobs into baselines.
- apiGroups: [profiling.dev]
  resources: [profilingjobs/results, profilingjobs/baseline]
  verbs: [update]
- apiGroups: ["", events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}
