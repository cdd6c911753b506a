"""What manifests lack for their replicas to be kept and their pods to recover, rule by rule. Asks no cluster."""
