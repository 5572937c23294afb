"""The only writer of the database. Functions take `tx: sqlalchemy.Connection` first and run inside `Store.run`.

One module per noun; `engine` runs transactions, `work` is the queue, `admin` cares for the tables. Decisions do not belong
here: what is stored was decided by `daemon.core` and `daemon.planner`.
"""
