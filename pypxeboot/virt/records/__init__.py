"""What is remembered and told of the boots of domains: records, the journal, figures."""
