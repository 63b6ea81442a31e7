"""The audit trail: what people did besides changing certificates, and the proof that nobody edited what was written."""
