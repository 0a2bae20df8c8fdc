"""A portal whose people ask the assistant as who they are: uvicorn portal_fastapi:app --port 8000"""

import os
import time

import jwt
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from starlette.middleware.sessions import SessionMiddleware

ASSISTANT, SECRET = os.environ["ASSISTANT"], os.environ["PORTAL_SECRET"]  # its address, surfaces.portal.token.secret
PEOPLE = {"ada": ("Ada", ["finance"]), "max": ("Max", [])}  # your sign-in knows who they are, and their groups
CSP = f"default-src 'none'; script-src {ASSISTANT}; frame-src {ASSISTANT}; connect-src 'self'; frame-ancestors 'none'"
PAGE = """<!doctype html><html lang="en"><title>Portal</title><main><h1>Portal</h1><p>Signed in as {name}.</p></main>
<script src="{assistant}/widget.js" data-surface="portal" data-token-url="/token" async></script></html>"""
app = FastAPI()
app.add_middleware(SessionMiddleware, secret_key=os.environ["SESSION_SECRET"], same_site="lax")


@app.get("/sign-in/{who}")  # in place of your own sign-in
def sign_in(request: Request, who: str) -> RedirectResponse:
    request.session["who"] = who if who in PEOPLE else ""
    return RedirectResponse("/", 303)


@app.get("/token")
def token(request: Request) -> JSONResponse:
    if not (who := request.session.get("who")):
        raise HTTPException(401)
    name, groups = PEOPLE[who]
    claims = {"sub": who, "name": name, "groups": groups, "surface": "portal", "aud": "switchyard"}
    made = jwt.encode({**claims, "exp": int(time.time()) + 300}, SECRET, algorithm="HS256")
    return JSONResponse({"token": made}, headers={"Cache-Control": "no-store"})


@app.get("/")
def page(request: Request) -> HTMLResponse:
    name = PEOPLE.get(request.session.get("who", ""), ("nobody", []))[0]
    return HTMLResponse(PAGE.format(name=name, assistant=ASSISTANT), headers={"Content-Security-Policy": CSP})
