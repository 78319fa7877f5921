"""A differential fuzzer: random configurations, booted by the real loaders in QEMU and by pypxeboot."""
