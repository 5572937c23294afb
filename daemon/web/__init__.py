"""The API of design 4.10: an ASGI application over `daemon.planner`. One router a noun; decisions are made elsewhere.

FastAPI is imported in this package only, and this package only where an application is built.
"""
