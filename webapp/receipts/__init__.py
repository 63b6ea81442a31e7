"""The receipt of a refund, as a document that one can keep."""
