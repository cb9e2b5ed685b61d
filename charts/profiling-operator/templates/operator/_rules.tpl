{{/* What the operator may do where it has jobs. */}}
{{- define "profiling-operator.rules" -}}
- apiGroups: [profiling.dev]
  resources: [profilingjobs]
  # delete: ttlSecondsAfterFinished.
  verbs: [get, list, watch, patch, delete]
- apiGroups: [profiling.dev]
  resources: [profilingjobs/status]
  verbs: [get, patch, update]
- apiGroups: [profiling.dev]
  resources: [profilingjobs/baseline]
  # The results server asks for this: the operator accepts jobs into baselines.
  verbs: [update]
- apiGroups: [profiling.dev]
  resources: [profilingjobs/finalizers]
  # Where OwnerReferencesPermissionEnforcement is on, an owner that blocks its deletion needs this.
  verbs: [update]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, delete]
- apiGroups: ["", events.k8s.io]
  resources: [events]
  verbs: [list, watch, create, patch]
{{- end -}}
