"""The shipped search spaces, one YAML file each."""
