import httpx
def test_it(api_url, library):
    print(api_url, library)
    a = httpx.post(api_url+"/search/text", json={"query":"wooden chair"}).json()
    print(a)
    assert len(a["results"]) == 10

def test_toys(published_toys, server):
    pass
