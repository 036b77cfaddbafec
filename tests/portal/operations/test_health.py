"""GET /healthz and /readyz"""


def test_alive_without_database(client):
    assert client.get("/healthz").content == b"ok"


def test_ready_says_what_is_away(client, db):
    answer = client.get("/readyz")

    assert answer.status_code == 200
    assert answer.json()["database"] == "ok"
    assert "outbox" in answer.json()["broker"]  # no broker runs in this test


def test_security_headers(client):
    headers = client.get("/healthz").headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-eval" not in policy
    assert "http" not in policy  # nothing loads from elsewhere
    assert headers["X-Content-Type-Options"] == "nosniff"
