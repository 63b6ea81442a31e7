"""Who works for the shop, and what each of them may do."""
