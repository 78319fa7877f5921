"""The command line and the configuration files, merged into one plan."""
