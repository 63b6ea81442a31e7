"""What the desk owes the outside, for administrators: due, running, failing or given up, and how to try it again."""
