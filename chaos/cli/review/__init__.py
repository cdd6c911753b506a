"""`gameday review`: what manifests lack, where people read it: a terminal, a pull request, a CI job, a program."""
