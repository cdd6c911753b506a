"""Every rule of the review: its name, how grave it is, what it says in short, and the document that says so."""

from collections.abc import Mapping
from dataclasses import dataclass

from chaos.review.finding import Severity

__all__ = ["RULES", "SILENCE", "Rule"]

SILENCE = "review.gameday.dev/"
"""Prefix of the annotation that silences a rule for its object; the rule's name follows, the value is the reason."""

DOCS = "https://kubernetes.io/docs/"
BUDGETS = f"{DOCS}tasks/run-application/configure-pdb/"
PROBES = f"{DOCS}tasks/configure-pod-container/configure-liveness-readiness-startup-probes/"
TERMINATION = f"{DOCS}concepts/workloads/pods/pod-lifecycle/#pod-termination"
STRATEGY = f"{DOCS}concepts/workloads/controllers/deployment/#strategy"
MEMBERS = f"{DOCS}concepts/workloads/controllers/statefulset/#update-strategies"
CLAIMS = f"{DOCS}concepts/storage/persistent-volumes/#access-modes"
EMPTY_DIR = f"{DOCS}concepts/storage/volumes/#emptydir"
INIT = f"{DOCS}concepts/workloads/pods/init-containers/"
AUTOSCALER = f"{DOCS}tasks/run-application/horizontal-pod-autoscale/"
MIGRATION = f"{AUTOSCALER}#migrating-deployments-and-statefulsets-to-horizontal-autoscaling"
APART = f"{DOCS}concepts/scheduling-eviction/assign-pod-node/#inter-pod-affinity-and-anti-affinity"
NODES = f"{DOCS}concepts/scheduling-eviction/assign-pod-node/"
SPREAD = f"{DOCS}concepts/scheduling-eviction/topology-spread-constraints/"
NODE_SHUTDOWN = f"{DOCS}concepts/cluster-administration/node-shutdown/"
IMAGES = f"{DOCS}concepts/containers/images/#image-names"
RESOURCES = f"{DOCS}concepts/configuration/manage-resources-containers/"
SERVICES = f"{DOCS}concepts/services-networking/service/"
SERVICE_VARIABLES = f"{SERVICES}#environment-variables"
VERSIONS = f"{DOCS}reference/using-api/deprecation-guide/"
VALIDATION = f"{DOCS}reference/using-api/api-concepts/#field-validation"
LABELS = f"{DOCS}concepts/overview/working-with-objects/labels/"
DEPLOYMENT = f"{DOCS}concepts/workloads/controllers/deployment/#selector"
REPLICAS = f"{DOCS}concepts/workloads/controllers/deployment/#replicas"
MANIFESTS = f"{DOCS}concepts/overview/working-with-objects/"
KUSTOMIZE = f"{DOCS}tasks/manage-kubernetes-objects/kustomization/"
CHARTS = "https://helm.sh/docs/helm/helm_template/"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `short` says what it finds, whatever the object; `source` is the address of the document."""

    name: str
    severity: Severity
    short: str
    source: str


_ALL = (
    # Budgets
    Rule("budget-missing", "warning", "No disruption budget binds the pods", BUDGETS),
    Rule("budget-binds-nobody", "warning", "A disruption budget selects no pod", BUDGETS),
    Rule("budget-blocks-drains", "error", "A disruption budget never lets a pod go", BUDGETS),
    Rule("budget-lets-all-go", "warning", "A disruption budget lets every pod go at once", BUDGETS),
    Rule("budgets-overlap", "error", "Several disruption budgets bind one pod", BUDGETS),
    Rule("budget-spans-workloads", "note", "One disruption budget binds the pods of several workloads", BUDGETS),
    Rule("budget-bound-invalid", "error", "A bound is neither a number nor a percentage", BUDGETS),
    Rule("budget-two-bounds", "error", "Both minAvailable and maxUnavailable are given", BUDGETS),
    # Probes
    Rule("probes-missing", "warning", "The serving container has no probe", PROBES),
    Rule("readiness-probe-missing", "warning", "The serving container has no readiness probe", PROBES),
    Rule("liveness-probe-missing", "warning", "The serving container has no liveness probe", PROBES),
    Rule("startup-probe-missing", "warning", "Liveness ends a start that takes long", PROBES),
    Rule("startup-window-short", "warning", "The startup probe ends a start that takes long", PROBES),
    Rule("liveness-one-failure", "warning", "One failed liveness probe ends the server", PROBES),
    Rule("liveness-asks-readiness", "warning", "Liveness asks what readiness asks, without patience", PROBES),
    Rule("liveness-exec-timeout", "warning", "A command as liveness probe has one second", PROBES),
    Rule("readiness-asks-port", "note", "Readiness sees an open port, not a loaded model", PROBES),
    Rule("readiness-delayed", "warning", "Readiness waits a fixed time, however fast the start is", PROBES),
    Rule("probe-success-threshold", "error", "A successThreshold that the API refuses", PROBES),
    Rule("probe-port-unnamed", "error", "A probe asks a port name that the container does not have", PROBES),
    Rule("probe-port-undeclared", "warning", "A probe asks a port that no container declares", PROBES),
    # Termination
    Rule("prestop-missing", "warning", "No preStop hook, and the default grace", TERMINATION),
    Rule("prestop-uses-grace", "error", "preStop takes the whole grace", TERMINATION),
    Rule("grace-nearly-used", "warning", "preStop leaves little of the grace", TERMINATION),
    # Rollout
    Rule("rollout-impossible", "error", "maxSurge and maxUnavailable are both 0", STRATEGY),
    Rule("rollout-takes-all", "warning", "A release may take every replica at once", STRATEGY),
    Rule("rollout-recreates", "warning", "Recreate ends every replica before a new one starts", STRATEGY),
    Rule("rollout-on-delete", "note", "A release replaces no pod by itself", MEMBERS),
    Rule("rollout-needs-node", "warning", "A release starts a pod for which no node has a place", APART),
    Rule("rollout-needs-devices", "note", "A release needs devices beside those in use", STRATEGY),
    # Volumes
    Rule("claim-on-one-node", "warning", "Several replicas mount one claim of one node", CLAIMS),
    Rule("claim-on-many-nodes", "error", "Replicas that must be apart mount one claim of one node", CLAIMS),
    Rule("claim-bars-scaling", "note", "A claim of one node bars a second replica", CLAIMS),
    Rule("model-not-kept", "note", "Each new pod loads the model files anew", EMPTY_DIR),
    Rule("download-unbounded", "note", "An init container downloads without a limit of time", INIT),
    # Autoscaling and the number of replicas
    Rule("replicas-one", "warning", "One replica serves", REPLICAS),
    Rule("replicas-zero", "note", "No replica serves until one is asked for", REPLICAS),
    Rule("replicas-beside-autoscaler", "warning", "A number of replicas beside an autoscaler", MIGRATION),
    Rule(
        "autoscaler-without-request", "error", "Utilization is measured against a request that is missing", AUTOSCALER
    ),
    Rule("autoscaler-fixed", "warning", "An autoscaler whose minimum is its maximum", AUTOSCALER),
    Rule("autoscaler-bounds-crossed", "error", "An autoscaler whose minimum is above its maximum", AUTOSCALER),
    Rule("autoscaler-aims-at-nothing", "error", "An autoscaler of a workload that is not there", AUTOSCALER),
    Rule("autoscalers-compete", "error", "Several autoscalers decide on one workload", AUTOSCALER),
    Rule("autoscaler-on-memory", "warning", "An autoscaler on memory, which does not fall with load", AUTOSCALER),
    Rule("scale-down-hasty", "warning", "Scale-down waits less than a start takes", AUTOSCALER),
    # Placement
    Rule("spread-binds-nobody", "warning", "A spread constraint does not count the pods", SPREAD),
    Rule("anti-affinity-impossible", "warning", "Anti-affinity wants more places than there are", APART),
    Rule("node-pinned", "warning", "Every replica is held to one node", NODES),
    Rule("spot-notice-short", "note", "The grace is longer than a spot node's notice", NODE_SHUTDOWN),
    # Image and resources
    Rule("image-unpinned", "warning", "An image names no version", IMAGES),
    Rule("requests-missing", "warning", "The serving container requests no CPU or memory", RESOURCES),
    # Service
    Rule("service-missing", "note", "No Service here selects the pods", SERVICES),
    Rule("service-selects-nothing", "warning", "A Service selects no pod", SERVICES),
    Rule("service-spans-workloads", "note", "A Service sends traffic to several workloads", SERVICES),
    Rule("service-port-unnamed", "error", "A targetPort names no port of the pods", SERVICES),
    Rule("service-ports-several", "note", "A Service has several ports, of which a trial needs one", SERVICES),
    Rule("service-name-taken", "error", "A Service's name makes a variable that the server reads", SERVICE_VARIABLES),
    # What the API refuses
    Rule("version-not-served", "error", "An API version that is not served", VERSIONS),
    Rule("value-not-text", "error", "A number or truth value where the API wants text", VALIDATION),
    Rule("value-not-number", "error", "Text where the API wants a number", VALIDATION),
    Rule("field-unknown", "error", "A field that the API does not know at its place", VALIDATION),
    Rule("selector-missing", "error", "A workload without a selector", DEPLOYMENT),
    Rule("selector-not-the-labels", "error", "A selector that its own pods do not meet", LABELS),
    # Files
    Rule("document-unreadable", "error", "A document that cannot be read", MANIFESTS),
    Rule("template-unrendered", "error", "A template that was not rendered", CHARTS),
    Rule("kustomization-unbuilt", "note", "A kustomization that was not built", KUSTOMIZE),
)

RULES: Mapping[str, Rule] = {rule.name: rule for rule in _ALL}
"""Every rule by its name."""
