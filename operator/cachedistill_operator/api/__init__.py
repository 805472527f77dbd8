"""The two kinds. These models are the only source of the CRDs, the reference docs and the examples' checks."""
