"""Whether whoever ordered a certificate controls its domain, and whether the domain lets this desk issue at all.

Asked before the built-in CA issues: a DNS record or a file on the web server that holds a value of ours, and CAA. This
package looks and answers in words; :mod:`webapp.effects.check_domain` decides what follows.
"""
