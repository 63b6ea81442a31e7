"""That an account's rights have changed is told by the database itself, whatever program changed them.

Triggers on the tables of sessions and accounts make a signal of it. The hub then tells the account's viewers nothing
more until it has asked anew what they may see. The signal travels on the same way as the changes of certificates and in
the order of the commits, so no change that was made after a sign-out reaches whoever has signed out.
"""

ACCOUNT_PREFIX = "account:"
RIGHTS = "rights"
"""The name of the signal; its topic is :data:`ACCOUNT_PREFIX` and the account's id. It is for the hub alone."""
