"""A portal whose people ask the assistant as who they are: flask --app portal_flask run --port 8000"""

import os
import time

import jwt
from flask import Flask, Response, abort, jsonify, redirect, session

ASSISTANT = os.environ["ASSISTANT"]  # https://assistant.example.com
KEY = os.environ["PORTAL_KEY"]  # private key in PEM; the assistant has surfaces.portal.token.public_key
PEOPLE = {"ada": ("Ada", ["finance"]), "max": ("Max", [])}  # your sign-in knows who they are, and their groups
CSP = f"default-src 'none'; script-src {ASSISTANT}; frame-src {ASSISTANT}; connect-src 'self'; frame-ancestors 'none'"
PAGE = """<!doctype html><html lang="de"><title>Portal</title><main><h1>Portal</h1><p>Hallo, {name}.</p></main>
<script src="{assistant}/widget.js" data-surface="portal" data-token-url="/token" async></script></html>"""

app = Flask(__name__)
app.secret_key = os.environ["SESSION_SECRET"]


@app.get("/sign-in/<who>")  # in place of your own sign-in
def sign_in(who: str):
    session["who"] = who if who in PEOPLE else ""
    return redirect("/", 303)


@app.get("/token")
def token():
    name, groups = PEOPLE.get(session.get("who", "")) or abort(401)
    claims = {"sub": session["who"], "name": name, "groups": groups, "surface": "portal", "aud": "switchyard"}
    made = jwt.encode({**claims, "exp": int(time.time()) + 300}, KEY, algorithm="ES256")
    return jsonify(token=made), {"Cache-Control": "no-store"}


@app.get("/")
def page() -> Response:
    name = PEOPLE.get(session.get("who", ""), ("nobody", []))[0]
    return Response(PAGE.format(name=name, assistant=ASSISTANT), headers={"Content-Security-Policy": CSP})
