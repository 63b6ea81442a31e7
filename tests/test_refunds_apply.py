from shop import Shop
from certlifecycle import State
def test_a(shop: Shop):
    c = shop.certificate_in(State.REVOKED)
    b = shop.browser(shop.alice)
    p = b.get(f"/certificates/{c.id}/refund")
    print(p.words)
    p = b.post(f"/certificates/{c.id}/refund", {"version": c.version, "reason_code": "other", "reason": "abc"}, 422)
    print(p.words)
    p = b.post(f"/certificates/{c.id}/refund", {"version": c.version, "reason_code": "other", "reason": "abcdef"})
    p = b.follow(p); print(p.words)
    p = b.get("/refunds"); print(p.words)
    r = shop.browser(shop.rita)
    p = r.get("/review"); print(p.words)
    p = r.get(f"/review/{c.id}"); print(p.words)
    for f in ("", "/evidence","/decision","/news"):
        r.get(f"/review/{c.id}"+f, htmx=True)
    assert 0
