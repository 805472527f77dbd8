"""What tests of interception need: certificates, a DNS server, and a pod in namespaces of its own."""
